"""Where the command line starts; what it can do stands in ``cli``, which needs the extra of that name."""

import sys


def main() -> None:
    """Run the command line, or say what it lacks."""
    try:
        from .cli import run  # noqa: PLC0415  # an extra, looked for only when it is needed
    except ModuleNotFoundError as error:
        if error.name not in ("rich", "typer"):
            raise
        sys.exit(
            f"conversations-async: {error.name} is not installed;"
            " the command line needs the extra 'cli' of the package: typer and rich"
        )
    run()


if __name__ == "__main__":
    main()

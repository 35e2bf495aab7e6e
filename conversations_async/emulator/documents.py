"""How is JSON read that people wrote, and what is said of a mistake in it?"""

import json
import os
import reprlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, Final

from .errors import RequestError

_KINDS: Final[Mapping[type, str]] = {
    Mapping: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}
#: Shows a wrong name, or as much of it as goes on a line.
_repr: Final = reprlib.Repr()


def load(path: str | os.PathLike[str]) -> Any:
    """Read a file of JSON.

    Raises:
        ValueError: It cannot be read, or is none. The line begins with its name.
    """
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:  # noqa: PTH123 - the name may be of any kind that the system takes
            content = file.read()
    except (OSError, ValueError) as error:
        raise ValueError(f"{name}: {getattr(error, 'strerror', error)}") from error
    return decode(content, name)


def decode(content: bytes, name: str) -> Any:
    """Read JSON in UTF-8.

    Raises:
        ValueError: It is none. The line begins with the name and, where they are known, line and column.
    """
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line, start = content.count(b"\n", 0, error.start), content.rfind(b"\n", 0, error.start)
        raise ValueError(f"{name}:{line + 1}:{error.start - start}: not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{name}:{error.lineno}:{error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise ValueError(f"{name}: nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"{name}: a number has too many digits") from error


def join(place: str, name: object) -> str:
    """The place of a member."""
    shown = _repr.repr(str(name))[1:-1]
    return f"{place}.{shown}" if place else shown


def unknown(place: str, name: object, known: Collection[str]) -> ValueError:
    """Make the error of a name that means nothing."""
    close = get_close_matches(str(name), known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return ValueError(f"{join(place, name)}: unknown; {hint}")


def wrong(place: str, wanted: str, value: object) -> ValueError:
    """Make the error of a value of another kind."""
    kind = next((words for kind, words in _KINDS.items() if isinstance(value, kind)), type(value).__name__)
    return ValueError(f"{place}: must be {wanted}, not {kind}")


@contextmanager
def at(place: str) -> Iterator[None]:
    """Let what the API refuses be the error of a place."""
    try:
        yield
    except RequestError as error:
        raise ValueError(f"{place}: {error.code}: {error.message}") from error

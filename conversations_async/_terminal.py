"""How does text get onto a terminal?"""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console
from rich.text import Text


class Terminal(Console):
    """A console that shows a line at once, and leaves a closed pipe to who runs the command."""

    def show(self, line: Text | str) -> None:
        """Show a styled line, or plain text that is not to be touched."""
        if isinstance(line, Text):
            self.print(line)
        else:
            print(line, flush=True)  # noqa: T201  # rich would take brackets for markup

    def on_broken_pipe(self) -> NoReturn:
        """Raise what happened; by itself, rich would end the process with exit code 1."""
        raise BrokenPipeError


def visible(text: str) -> str:
    """Escape what would steer the terminal; line ends, tabs and joined emoji stay."""
    return _escape(text, keep="\n\t\u200d")


def one_line(text: str) -> str:
    """Escape all that is not printed as it is."""
    return _escape(text, keep="")


def _escape(text: str, *, keep: str) -> str:
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in text
    )

"""How does text get onto a terminal?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from datetime import datetime

#: The columns of the time that a line begins with.
_TIME: Final = 9


class Terminal(Console):
    """A console that shows a line at once, and leaves a closed pipe to who runs the command."""

    def show(self, line: Text | str) -> None:
        """Show a styled line, or plain text that is not to be touched."""
        if isinstance(line, Text):
            self.print(line)
        else:
            print(line, flush=True)  # noqa: T201  # rich would take brackets for markup

    @property
    def room(self) -> int:
        """The columns that a line has beside the time."""
        return self.width - _TIME

    def show_at(self, moment: datetime, line: Text) -> None:
        """Show a line with the time, cut to the width; what is no terminal gets all of it."""
        cut = self.is_terminal
        self.print(
            Text.assemble((f"{moment:%H:%M:%S} ", "dim"), line),
            no_wrap=True,
            overflow="ellipsis" if cut else "ignore",
            crop=cut,
        )

    def on_broken_pipe(self) -> NoReturn:
        """Raise what happened; by itself, rich would end the process with exit code 1."""
        raise BrokenPipeError


def fit(text: str, room: int) -> str:
    """Pad to a width, or cut the middle out: the ends of a path, or of a SID, tell most."""
    if cell_len(text) <= room:
        return set_cell_size(text, room)
    tail = room // 2
    return set_cell_size(text, room - tail - 1) + "…" + set_cell_size(text[::-1], tail)[::-1]


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

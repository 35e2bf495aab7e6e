"""What does the command ``emulator`` do with an emulator: run it, and show what happens to it?"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from ._serving import listening
from ._terminal import Terminal, fit, one_line
from .emulator import documents, webhooks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .emulator import Emulator, RequestRecord, WebhookCall

_logger: Final = logging.getLogger(__name__)

#: The columns that an operation gets, so that what stands left of it stands in columns, too.
_OPERATION: Final = 20
#: A path or an address is not cut below this, and a line gets longer instead.
_LEAST: Final = 12
_COLOURS: Final = {2: "green", 3: "cyan", 4: "yellow", 5: "red"}


class Log:
    """Shows each request, and each webhook that is called, as a line of the terminal's width.

    Credentials, queries and bodies are never shown.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def request(self, record: RequestRecord) -> None:
        """Show a request: when, what, the status, a fault and a code if any, the operation, and how long."""
        parts = (record.fault and "fault", record.code, record.operation)
        what = fit(" ".join(str(part) for part in parts if part), _OPERATION)
        end = Text.assemble(
            _status(record.status),
            (f" {what} ", "red" if record.fault else ""),
            (f"{_duration(record.seconds):>7}", "dim"),
        )
        self._line(Text(f"{one_line(record.method):<6} "), record.path, end)

    def webhook(self, call: WebhookCall) -> None:
        """Show a webhook: when, the event, where it went, and the status or why there is none."""
        where = f"Studio flow {call.flow_sid}" if call.url is None else webhooks.bare(call.url)
        if call.error is not None:
            end = one_line(call.error), "red"
        elif call.url is None:
            end = "noted, not called", "dim"
        else:
            end = _status(call.status)
        self._line(Text(f"→ {call.event} ", "magenta"), where, Text(*end))

    def _line(self, begin: Text, middle: str, end: Text) -> None:
        room = self._terminal.room - begin.cell_len - end.cell_len - 1
        line = Text.assemble(begin, fit(one_line(middle), max(room, _LEAST)), " ", end)
        with suppress(OSError):  # a terminal that is gone is no reason to stop
            self._terminal.show_at(datetime.now().astimezone(), line)


def apply(path: Path, take: Callable[[Any], object]) -> None:
    """Hand over what is in a file of JSON.

    Raises:
        ValueError: It cannot be read, or is refused; the line begins with the file.
    """
    content = documents.load(path)
    with documents.inside(str(path)):
        take(content)


async def serve(emulator: Emulator, *, seed: Path | None = None) -> None:
    """Run an emulator until SIGINT or SIGTERM; a second one does not wait for the webhooks that are left.

    Raises:
        ValueError: The database or the seed is wrong; nothing of the seed is applied.
        OSError: The address cannot be listened on.
    """
    async with emulator:
        if seed is not None and not emulator.is_new:
            _logger.warning("the database has data already: %s is left out", seed)
        await listening(emulator.url).wait()


def log_to_terminal() -> Log | None:
    """Give the log, if somebody watches: in a pipe or a file there is none."""
    if not sys.stdout.isatty():
        return None
    # it shows what these would say on the same terminal
    logging.getLogger(webhooks.__name__).setLevel(logging.ERROR)
    return Log(Terminal(highlight=False))


def _status(status: int | None) -> tuple[str, str]:
    return ("---", "red") if status is None else (str(status), _COLOURS.get(status // 100, ""))


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.1f}ms" if seconds < 1 else f"{seconds:.1f}s"

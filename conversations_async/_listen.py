"""What does the command ``listen`` do? It takes webhooks, and shows the event that each one tells."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import datetime
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import typer
from aiohttp import web
from attrs import define, evolve, field
from rich.text import Text

from ._checks import check_whole
from ._lines import files
from ._serving import listening
from ._terminal import Terminal, fit, one_line
from .converter import encode_model
from .webhooks import Event, Router
from .webhooks.events import first_told

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection

#: How many events may wait to be shown; those beyond it wait in the router, as far as it has room.
_MOST: Final = 10_000
#: While more than this waits, refusals are not told: nobody needs a signature to cause one.
_FEW: Final = 100
#: How long the end waits for requests that are being answered, in seconds.
_PATIENCE: Final = 5.0

#: The columns of all names of events but one.
_NAME: Final = 21
#: Those of a SID, and what it is cut to where a line has less room than that.
_SID: Final = 34
_SHORT_SID: Final = 13
_WIDE: Final = 110

_WHERE: Final = ("conversation_sid", "user_sid")
_WHO: Final = ("author", "identity", "messaging_binding_address", "client_identity")
_WHAT: Final = ("body", "message_body", "friendly_name", "unique_name", "state_to", "status")

_Write: TypeAlias = Callable[[], object]


class Form(Enum):
    """What is shown of an event."""

    LINE = auto()
    FIELDS = auto()
    JSON = auto()


@define(eq=False)
class _Output:
    """Writes in the order in which there was something to write; in a thread, as a reader may be slow."""

    _queue: asyncio.Queue[_Write | None] = field(factory=asyncio.Queue)
    room: asyncio.Semaphore = field(factory=partial(asyncio.Semaphore, _MOST))
    #: Whether something is being written; if the task was cancelled, by a thread that is left behind.
    is_writing: bool = False

    @property
    def is_behind(self) -> bool:
        return self._queue.qsize() > _FEW

    async def put(self, write: _Write) -> None:
        """Have it written; wait only if too much is waiting."""
        await self.room.acquire()
        self._queue.put_nowait(write)

    def end(self) -> None:
        """Let nothing follow."""
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Write until the end; what a write raises is raised."""
        while (write := await self._queue.get()) is not None:
            self.is_writing = True
            await asyncio.to_thread(write)
            self.is_writing = False
            self.room.release()


async def listen(
    *,
    host: str,
    port: int,
    path: str | None,
    public_url: str | None,
    trusted_proxies: Collection[str],
    form: Form,
) -> None:
    """Show events until SIGINT or SIGTERM, or until nobody reads them any more.

    Requests are answered whether or not anybody reads; only beyond 10,000 events that were not read they wait
    for the reader, too. The end waits until all that was acknowledged is shown; a second signal does not.

    Raises:
        ValueError: An argument is wrong, or the environment has no TWILIO_AUTH_TOKEN.
        OSError: The address cannot be listened on, or nothing can be written.
    """
    output, terminal = _Output(), Terminal(highlight=False)
    router = _router(public_url, trusted_proxies)

    @router.on(Event)
    async def take(event: Event) -> None:
        await output.put(partial(show, terminal, event, datetime.now().astimezone(), form))

    check_whole("port", port, 0, 65535)
    if not host:
        raise ValueError("host must be a name or an address of this machine")
    if path is not None and not re.fullmatch(r"/[^?#{}]*", path):
        raise ValueError("path must begin with / and hold none of ? # { }")
    application = router.aiohttp_app("/{any:.*}" if path is None else path)
    application.on_response_prepare.append(_refusals(output, path, is_public=public_url is not None))
    writing = asyncio.create_task(output.run())
    try:
        async with _served(application, host, port) as origin:
            stop = listening(f"{origin}{path or '/'}")
            writing.add_done_callback(lambda _: stop.set())
            await stop.wait()
        output.end()
        await writing
    except asyncio.CancelledError:
        # the thread may hold standard output for ever, and an orderly end would wait for it
        if output.is_writing:
            os._exit(130)
        raise
    finally:
        writing.cancel()


def _router(public_url: str | None, trusted_proxies: Collection[str]) -> Router:
    token = os.environ.get("TWILIO_AUTH_TOKEN")
    if not token:
        raise ValueError("TWILIO_AUTH_TOKEN is missing: webhooks are signed with the account's auth token")
    # an event that waits for a slow reader is not to be given up
    return Router(token, public_url=public_url, trusted_proxies=trusted_proxies, handle_within=None)


def _refusals(
    output: _Output, path: str | None, *, is_public: bool
) -> Callable[[web.Request, web.StreamResponse], Any]:
    """Make what tells of each request that is refused, and of the likeliest reason for the first 403."""
    hints = [
        "is --public-url what the API calls, and TWILIO_AUTH_TOKEN the account's?"
        if is_public
        else "if a proxy or tunnel stands before this, say --public-url; else look at TWILIO_AUTH_TOKEN"
    ]

    async def tell(_: web.Request, response: web.StreamResponse) -> None:
        status = response.status
        # of what it has no room for, the router warns itself
        if status < 400 or status == 503 or output.is_behind:
            return
        text = response.text if isinstance(response, web.Response) else None
        reason = f"there is nothing but {path} (--path)" if status == 404 else text or response.reason
        hint = f": {hints.pop()}" if status == 403 and hints else ""
        line = one_line(f"conversations-async: refused with {status}: {reason}{hint}")
        await output.put(partial(typer.echo, line, err=True))

    return tell


@asynccontextmanager
async def _served(application: web.Application, host: str, port: int) -> AsyncGenerator[str]:
    """Serve it, and give the origin."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=_PATIENCE)
    try:
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            # what asyncio says of a bound address names it, too; what a look-up says has codes of its own
            is_look_up = isinstance(error, socket.gaierror)
            reason = error.strerror if is_look_up else os.strerror(error.errno or 0)
            raise OSError(error.errno, f"cannot listen on {host}:{port}: {reason}") from None
        yield f"http://{f'[{host}]' if ':' in host else host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def show(terminal: Terminal, event: Event, moment: datetime, form: Form) -> None:
    """Show an event that arrived at a time."""
    if form is Form.JSON:
        terminal.show(encode_model(event))
        return
    terminal.show_at(moment, event_line(event, is_wide=not terminal.is_terminal or terminal.width >= _WIDE))
    if form is Form.FIELDS:
        terminal.print(Text("\n".join(fields(event))), soft_wrap=True)


def event_line(event: Event, *, is_wide: bool) -> Text:
    """Tell of an event: its name, the conversation or user, who, and what is said, or is told of it."""
    who, what = _first(event, _WHO), (_first(event, _WHAT) + files(getattr(event, "media", ()))).strip()
    line = Text.assemble(
        (f"{one_line(event.event_type):<{_NAME}} ", "magenta"),
        (f"{fit(one_line(_first(event, _WHERE)), _SID if is_wide else _SHORT_SID)} ", "dim"),
        (one_line(who + ": " * bool(who and what)), "bold"),
        one_line(what),
    )
    line.rstrip()
    return line


def _first(event: Event, names: Collection[str]) -> str:
    told = first_told(event, *names) or ""
    return told if isinstance(told, str) else ", ".join(told)


def fields(event: Event) -> list[str]:
    """Write all that an event has besides its name, one field a line."""
    told = json.loads(encode_model(evolve(event, extra={})), object_hook=_told)
    del told["event_type"]
    extra = {f"extra[{name!r}]": value for name, value in event.extra.items()}
    return [one_line(f"  {name}: {value!r}") for name, value in (told | extra).items()]


def _told(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value not in (None, [], {})}

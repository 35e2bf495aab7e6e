"""How is an emulator started, steered and stopped?"""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from aiohttp import web
from attrs import define, field

from .app import CONTROL, ENGINE, FAULTS, RECORDER, create_app
from .carrier import Carrier
from .clock import Clock, real_time
from .documents import is_whole, require
from .engine import Engine
from .faults import Faults
from .inbound import Delivered, Message, deliver
from .limits import Limits
from .records import RequestRecord
from .seeds import read_from
from .webhooks import WebhookCall
from .wire import milliseconds

_T = TypeVar("_T")

_PORTS: Final = range(1 << 16)
#: How long ``close`` waits for requests that are being served, in seconds. None takes more than a moment.
_PATIENCE: Final = 1.0
_NOT_RUNNING: Final = "the emulator is not running: start it with 'with', 'async with' or start()"


@define(eq=False)
class Snapshot:
    """All data of an emulator, as they were at one moment."""

    _image: bytes = field(repr=False)


def _is_host(value: object) -> bool:
    try:
        return isinstance(value, str) and value.isprintable() and value.encode("idna") != b""
    except UnicodeError:
        return False


class Emulator:
    """The API on a port of this machine.

    In the running loop, or in a thread of its own, where it does not need one::

        async with Emulator() as emulator: ...
        with Emulator() as emulator: ...

    Everything but ``start`` and ``close`` may be called from any thread, and from any loop.

    Args:
        database: A SQLite file to keep the data in. By default it is in memory and ends with the emulator.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        account_sid: With ``auth_token`` the only account that is let in. Without, any well-formed one is, and
            all of them see the same data.
        auth_token: Goes with ``account_sid``. Webhooks are signed with it; without, with the token that was
            shown last.
        limits: What is refused as too much; True for the documented limits. By default nothing is.
        latency: How long every request waits before it is handled, in seconds.
        carrier: How messages to phones fare.
        webhook_url: Where the account's post-action webhooks go from the start.
        webhook_hosts: Patterns of the hosts that webhooks may call besides this machine's own addresses and
            the host of ``webhook_url``. All others they do not: a URL of production in a test's data is data.
        pre_webhooks_for_rest: Whether pre-action webhooks are asked about what the REST API does with
            webhooks enabled, too. By default they are asked about inbound messages and chat users only. Then
            ``webhook_url`` is where they go, as well.
        drain: How long the end waits for the webhooks that are left, in seconds. Then they are dropped.
        fault_seed: Begins the random numbers of the faults.
        clock: Tells the time, in milliseconds since 1970, on which ``advance`` builds.
        seed: What is there from the start in a database that is new; see ``seed``.
        on_request: Is told of each request, in the emulator's thread.
        on_webhook: Is told of each webhook that was called, or was to be.

    Raises:
        ValueError: An argument is wrong; the text names it and holds no secret.
    """

    def __init__(
        self,
        *,
        database: str | os.PathLike[str] = ":memory:",
        host: str = "127.0.0.1",
        port: int = 0,
        account_sid: str | None = None,
        auth_token: str | None = None,
        limits: Limits | bool | None = None,
        latency: float = 0.0,
        carrier: Carrier | None = None,
        webhook_url: str | None = None,
        webhook_hosts: Collection[str] = (),
        pre_webhooks_for_rest: bool = False,
        drain: float = 0.0,
        fault_seed: int = 0,
        clock: Callable[[], int] = real_time,
        seed: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        on_request: Callable[[RequestRecord], None] | None = None,
        on_webhook: Callable[[WebhookCall], None] | None = None,
    ) -> None:
        is_port = is_whole(port) and port in _PORTS
        require("host", host, "a name or an address of this machine", fits=_is_host(host))
        require("port", port, f"a whole number within 0..{_PORTS[-1]}", fits=is_port)
        for name, listener in {"on_request": on_request, "on_webhook": on_webhook}.items():
            require(name, listener, "a function or None", fits=listener is None or callable(listener))
        self._app = create_app(
            database=database,
            account_sid=account_sid,
            auth_token=auth_token,
            limits=limits,
            latency=latency,
            carrier=carrier,
            webhook_url=webhook_url,
            webhook_hosts=webhook_hosts,
            pre_webhooks_for_rest=pre_webhooks_for_rest,
            drain=drain,
            fault_seed=fault_seed,
            clock=clock,
            seed=seed,
        )
        self._engine = self._app[ENGINE]
        self._app[RECORDER].listener = on_request
        self._engine.courier.listener = on_webhook
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_used = False
        self._thread = threading.Thread(target=self._run_in_thread, name="emulator", daemon=True)
        self._started: Future[None] = Future()
        self._stop: Callable[[], object] = lambda: None

    @property
    def url(self) -> str:
        """The origin to send requests to, such as ``http://127.0.0.1:54321``.

        Raises:
            RuntimeError: The emulator is not running.
        """
        if self._runner is None:
            raise RuntimeError(_NOT_RUNNING)
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._runner.addresses[0][1]}"

    @property
    def is_new(self) -> bool:
        """Whether the database was new when this started, so that the seed is in it."""
        return self._running().is_new

    @property
    def requests_served(self) -> int:
        """How many requests have come in, refused ones included."""
        return self._app[RECORDER].count

    @property
    def requests(self) -> list[RequestRecord]:
        """The requests that were answered, in the order of the answers; the last 10,000."""
        return list(self._app[RECORDER].records)

    @property
    def webhooks(self) -> list[WebhookCall]:
        """The webhooks that were called, in the order of the answers; the last 10,000.

        ``settled`` waits for those that are on their way.
        """
        return self._engine.courier.log

    @property
    def clock(self) -> Clock:
        """The emulator's time: ``clock.advance(hours=48)`` fires the timers that end on the way."""
        return self._engine.clock

    @property
    def faults(self) -> Faults:
        """What goes wrong: ``faults.add(operation="messages.create", status=503, times=2)``."""
        return self._app[FAULTS]

    @property
    def carrier(self) -> Carrier:
        """How messages to phones fare: ``carrier.fail("+1555*", error_code=30006)``."""
        return self._engine.carrier

    async def settled(self, *, within: float = 10.0) -> None:
        """Wait until every webhook that was caused has been called.

        Raises:
            TimeoutError: That took longer than ``within`` seconds.
        """
        limit, courier = milliseconds("within", within) / 1000, self._engine.courier
        try:
            async with asyncio.timeout(limit):
                await self._in_loop(courier.settled())
        except TimeoutError as error:
            if not courier.under_way:
                return
            left = f"webhooks that are still on their way after {within:g} seconds: {courier.under_way}"
            raise TimeoutError(left) from error

    async def deliver(
        self,
        *,
        from_: str,
        to: str | None = None,
        conversation: str | None = None,
        service: str | None = None,
        body: str | None = None,
        attributes: Mapping[str, Any] | str | None = None,
        channel_metadata: Mapping[str, Any] | None = None,
        media: bytes | None = None,
        content_type: str = "image/jpeg",
        filename: str | None = None,
    ) -> Delivered | None:
        """Send a message from the outside world: from a phone, or as a chat user.

        A phone's message goes into the open conversation in which a participant has this pair of addresses;
        where there is none, an address configuration for ``to`` makes one. All webhooks are called, and the
        pre-action ones asked.

        Args:
            from_: The phone's address, such as ``+15558675310`` or ``whatsapp:+15558675310``; or the identity
                of a chat user, who must be a participant.
            to: The address that the phone sends to.
            conversation: Instead of ``to``: the SID or unique name of the conversation that a user writes in.
            service: The SID of that conversation's service; otherwise it is the default one.
            body: The text.
            attributes: Those of the message: a mapping or JSON.
            channel_metadata: What the channel adds, which ``ChannelMetadata`` of the message shows.
            media: A file, instead of the text or besides it.
            content_type: Its media type.
            filename: Its name.

        Returns:
            Where it has arrived; None if a pre-action hook refused it.

        Raises:
            ValueError: The arguments do not fit each other.
            LookupError: There is no such conversation, and nothing that makes one.
            RequestError: The rules refuse it, such as 50504 for a body that is too long.
        """
        message = Message(
            from_=from_,
            to=to,
            conversation=conversation,
            service=service,
            body=body,
            attributes=attributes,
            channel_metadata=channel_metadata,
            media=media,
            content_type=content_type,
            filename=filename,
        )
        return await self._in_loop(deliver(self._engine, message))

    def snapshot(self) -> Snapshot:
        """Keep all data as they are now, for ``restore``."""
        return Snapshot(self._running().image())

    def restore(self, snapshot: Snapshot) -> None:
        """Bring all data back to a snapshot. Clock, faults and logs stay as they are."""
        require("snapshot", snapshot, "what snapshot() gave", fits=isinstance(snapshot, Snapshot))
        self._running().restore(snapshot._image)  # noqa: SLF001 - it is this module's

    def seed(self, data: Mapping[str, Any] | str | os.PathLike[str]) -> dict[str, str]:
        """Make everything in a seed, by the API's rules, or nothing. No webhook hears of it.

        ``emulator.seed({"conversations": [{"unique_name": "support", "messages": [{"body": "Ahoy!"}]}]})``

        Args:
            data: An object of JSON, or the path of a file that holds one. Its names are those of the
                collections and, inside, of their parameters, as the client spells them.

        Returns:
            The SIDs by place, such as ``conversations[0].messages[0]``.

        Raises:
            ValueError: Something in it is wrong, or refused. The line begins with the place.
        """
        return self._running().plant(read_from(data))

    def reset(self) -> None:
        """Be as if just started: the data of the start, no faults, empty logs, and the real time.

        Raises:
            ValueError: The database is a file that held data already when this started.
        """
        self._running()
        self._app[CONTROL].reset()

    async def start(self) -> None:
        """Open the database and listen.

        Raises:
            ValueError: The database cannot be used or is not an emulator's, or the rules refuse the seed.
                It has not been changed.
            OSError: The address cannot be listened on.
            RuntimeError: The emulator has been started before; each one starts once.
        """
        if self._is_used:
            raise RuntimeError("an emulator starts once")
        self._is_used = True
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=_PATIENCE)
        try:
            await runner.setup()
            await web.TCPSite(runner, self._host, self._port).start()
        except BaseException as error:
            await runner.cleanup()
            if not isinstance(error, OSError):
                raise
            # What asyncio says of a bound address names it, too; what a look-up says has codes of its own.
            is_bind = error.errno is not None and not isinstance(error, socket.gaierror)
            reason = os.strerror(error.errno or 0) if is_bind else error.strerror or error
            raise OSError(error.errno, f"cannot listen on {self._host}:{self._port}: {reason}") from error
        self._runner, self._loop = runner, asyncio.get_running_loop()

    async def close(self) -> None:
        """Stop listening and close the database. Closing twice does no harm."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __enter__(self) -> Self:
        if self._is_used:
            raise RuntimeError("an emulator starts once")
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self._thread.join()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()
        self._thread.join()

    def _run_in_thread(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        try:
            await self.start()
        except BaseException as error:  # noqa: BLE001 - it is raised where the emulator was asked for
            self._started.set_exception(error)
            return
        self._stop = lambda: loop.call_soon_threadsafe(stop.set)
        self._started.set_result(None)
        await stop.wait()
        await self.close()

    def _running(self) -> Engine:
        if self._runner is None:
            raise RuntimeError(_NOT_RUNNING)
        return self._engine

    async def _in_loop(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Let something be done in the emulator's loop, and wait for it in the running one."""
        if self._runner is None or self._loop is None:
            work.close()
            raise RuntimeError(_NOT_RUNNING)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

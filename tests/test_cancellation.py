"""Wherever a call is cancelled, it ends, and leaves no task, no connection, no slot of the pool, no warning.

Each scenario is run again and again: stopped at its first step, at its second, and so on until it ends by
itself before that; after each, all is looked at that may be left, and the client is used again.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from contextvars import Context, copy_context
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
import pytest
import trustme
import uvloop
from aiohttp.abc import AbstractResolver, ResolveResult
from attrs import define, field, frozen

from conversations_async import ConversationsClient, Limits, RetryPolicy, merge_streams
from conversations_async.connections import Pool

from .conftest import CONVERSATION, SERVICE
from .servers import Scripted, answer, page, read_body, read_head
from .steps import Steps, counted
from .test_session import connect

if TYPE_CHECKING:
    from conversations_async import Message, Stream
    from conversations_async.resources.media import MediaRepository


#: Small, so that a fan-out waits for its turn.
CONNECTIONS: Final = 2
DATA: Final = b"x" * 1000
NAME: Final = "name.test"
MEDIA: Final = "ME" + "f" * 32
#: Conversations that the server is slow with: to whom it answers when as many ask as there are connections;
#: when it is told to; never, for the first time; and with 503, for the first time.
TOGETHER, TOLD, HANGING, BUSY = ("CH" + letter * 32 for letter in "1234")
#: Turns of the loop after which nothing more may come.
TURNS: Final = 10


#: Makes the certificates of the servers.
AUTHORITY: Final = trustme.CA()


def server_side() -> ssl.SSLContext:
    """Make what a server shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(NAME).configure_cert(context)
    return context


def client_side() -> ssl.SSLContext:
    """Make what a client believes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    AUTHORITY.configure_trust(context)
    return context


@define
class Server(Scripted):
    """Answers in three pieces, some turns apart, and knows which connections are idle."""

    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    idle: int = 0
    told: asyncio.Event = field(factory=asyncio.Event)
    #: Requests that wait for each other.
    together: asyncio.Barrier = field(factory=partial(asyncio.Barrier, 1))
    #: What was asked for, since `again`.
    asked: set[tuple[str, str]] = field(factory=set)

    @property
    def url(self) -> str:
        """The origin."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{self.host}:{self.port}"

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """What serves the connections that are open."""
        return set(self._busy)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def again(self, connections: int) -> None:
        """Let all be as it was, for a client of so many connections."""
        self.asked.clear()
        self.told.clear()
        self.together = asyncio.Barrier(connections)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await super()._connected(reader, writer)
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        with suppress(OSError):  # or else asyncio may say that nobody has seen it
            await writer.wait_closed()
        self._busy.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.idle += 1
        try:
            request = await read_head(reader)
        finally:
            self.idle -= 1
        await read_body(reader, request.headers)
        path, _, query = request.target.partition("?")
        place = path.rpartition("/")[2]
        first = (request.method, place) not in self.asked
        self.asked.add((request.method, place))
        if place == TOGETHER:
            await self.together.wait()
        elif TOLD in path:
            await self.told.wait()
        elif place == HANGING and first:
            await reader.read()  # until the client gives up
            return False
        head, _, body = self._answer(request.method, path, query, first=first).partition(b"\r\n\r\n")
        for piece in head + b"\r\n\r\n", body[:5], body[5:]:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return True

    def _answer(self, method: str, path: str, query: str, *, first: bool) -> bytes:
        place = path.rpartition("/")[2]
        if first and (place == BUSY or (BUSY in path and method == "POST")):
            return answer(503, {"code": 20503, "message": "Busy"})
        if path.endswith("/Messages") and method == "GET":
            number = int(query.rpartition("Page=")[2]) if "Page=" in query else 0
            items = [{"sid": f"IM{number}{index}"} for index in range(2)]
            following = f"{self.url}{path}?PageSize=2&Page={number + 1}" if number < 2 else None
            return answer(200, page("messages", items, following, index=number))
        if path.endswith("/bytes"):
            return answer(200, DATA)
        links = {"content_direct_temporary": f"{self.url}/bytes"}
        status = 201 if method == "POST" else 200
        return answer(status, {"sid": place, "size": len(DATA), "links": links})


@define
class Tunnel(Scripted):
    """A proxy."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await read_head(reader)
        there = await asyncio.open_connection("127.0.0.1", int(request.target.rpartition(":")[2]))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        pumps = [asyncio.create_task(pump(reader, there[1])), asyncio.create_task(pump(there[0], writer))]
        self._busy.update(pumps)
        try:
            await asyncio.wait(pumps)
        finally:
            self._busy.difference_update(pumps)
        return False


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes."""
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@frozen
class Case:
    """What a scenario has."""

    server: Server
    client: ConversationsClient
    pool: Pool
    file: Path
    #: In which nothing is counted.
    context: Context
    #: Calls of others, whom nobody cancels.
    others: list[asyncio.Task[object]] = field(factory=list)
    sources: list[str] = field(factory=list)

    @property
    def connector(self) -> Any:
        """What has the connections of the client."""
        return self.pool.session.connector

    @property
    def kept(self) -> int:
        """Count the connections that wait for the next call."""
        return sum(map(len, self.connector._conns.values()))

    @property
    def media(self) -> MediaRepository:
        """The files."""
        return self.client.service(SERVICE).media

    def messages(self, read_ahead: int = 1, limit: int | None = None) -> Stream[Message]:
        """Read three pages of two messages."""
        return self.client.messages(CONVERSATION).stream(page_size=2, limit=limit, read_ahead=read_ahead)


async def fetch(case: Case) -> None:
    """Make a call."""
    assert (await case.client.conversations.fetch(CONVERSATION)).sid == CONVERSATION


async def create(case: Case) -> None:
    """Write something."""
    await case.client.conversations.create(friendly_name="x")


async def stream(case: Case, read_ahead: int) -> None:
    """Read a list, and do something with its items."""
    found = []
    async with aclosing(aiter(case.messages(read_ahead))) as items:
        async for message in items:
            await asyncio.sleep(0)
            found.append(message.sid)
    assert found == ["IM00", "IM01", "IM10", "IM11", "IM20", "IM21"]


async def forget(case: Case) -> None:
    """Read a list, without closing anything."""
    async for _ in case.messages(2):
        await asyncio.sleep(0)


async def merge(case: Case) -> None:
    """Read several lists at a time, with more requests than connections."""

    async def streams() -> AsyncGenerator[Stream[Message]]:
        for _ in range(3):
            await asyncio.sleep(0)
            yield case.messages(limit=3)

    assert len(await merge_streams(streams(), concurrency=2).list()) == 9


async def fan_out(case: Case) -> None:
    """Make more calls than there are connections."""
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(fetch(case))


async def soon(look: Callable[[], object], expected: object) -> None:
    """Let the loop turn until something is as it is bound to be."""
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            while look() != expected:  # noqa: ASYNC110  # of what is looked at, there is no event
                await asyncio.sleep(0)
    assert look() == expected


async def hold(case: Case) -> None:
    """Let somebody else have the only connection."""
    case.others.append(asyncio.create_task(case.client.conversations.fetch(TOLD)))
    await soon(lambda: ("GET", TOLD) in case.server.asked, expected=True)


async def take_turns(case: Case) -> None:
    """Wait for the connection, before somebody else who does."""
    case.server.told.set()
    other = case.client.conversations.fetch(CONVERSATION)
    case.others.append(asyncio.create_task(other, context=case.context))
    await fetch(case)


async def hold_lane(case: Case) -> None:
    """Let somebody else write, where one may write at a time."""
    case.others.append(asyncio.create_task(case.client.messages(TOLD).create()))
    await soon(lambda: ("POST", "Messages") in case.server.asked, expected=True)


async def take_turns_to_write(case: Case) -> None:
    """Wait for a place of the limiter, before somebody else who does."""
    case.server.told.set()
    other = case.client.messages(TOLD).create()
    case.others.append(asyncio.create_task(other, context=case.context))
    await case.client.messages(TOLD).create()


async def try_again(case: Case) -> None:
    """Wait between two attempts."""
    assert (await case.client.conversations.fetch(BUSY)).sid == BUSY


async def time_out(case: Case) -> None:
    """Wait for an answer that does not come in time, and try again."""
    assert (await case.client.with_options(timeout=0.01).conversations.fetch(HANGING)).sid == HANGING


async def upload(case: Case) -> None:
    """Send what somebody gives little by little."""

    async def source() -> AsyncGenerator[bytes]:
        case.sources.append("opened")
        try:
            for _ in range(3):
                await asyncio.sleep(0)
                yield b"x" * 100_000
        finally:
            try:
                await asyncio.sleep(0)
            finally:
                case.sources.remove("opened")

    await case.media.upload(source(), content_type="a/b")


async def upload_a_file(case: Case) -> None:
    """Send what threads read."""
    await case.media.upload(case.file, content_type="a/b")


async def download(case: Case) -> None:
    """Read bytes as they arrive."""
    async with case.media.download(MEDIA) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == DATA


async def create_once(case: Case) -> None:
    """Write something in spite of a failure, which is looked at in between."""
    messages = case.client.messages(BUSY)
    assert (await messages.create_once(key="x", body="y")).sid == "Messages"


async def live(case: Case) -> None:
    """Open a client of one's own, and close it, though it is in use."""
    async with connect(case.server) as client:
        call = asyncio.create_task(client.conversations.fetch(TOLD))
        call.add_done_callback(lambda _: call.cancelled() or call.exception())
        await client.conversations.fetch(CONVERSATION)


@frozen
class Scenario:
    """What is cancelled."""

    run: Callable[[Case], Awaitable[None]]
    #: How many steps it has at least; since Python 3.12, tasks of aiohttp begin without one of their own.
    steps: int
    before: Callable[[Case], Awaitable[None]] | None = None
    connections: int = CONNECTIONS
    #: How the server is reached.
    host: str = "127.0.0.1"
    tls: bool = False
    proxied: bool = False
    limits: Limits | None = None


SCENARIOS: Final = {
    "fetch": Scenario(fetch, 2),
    "create": Scenario(create, 2),
    "stream": Scenario(partial(stream, read_ahead=0), 12),
    "stream with read-ahead": Scenario(partial(stream, read_ahead=1), 12),
    "stream that is forgotten": Scenario(forget, 12),
    "merge": Scenario(merge, 25),
    "fan-out": Scenario(fan_out, 10),
    "turn": Scenario(take_turns, 3, before=hold, connections=1),
    "next attempt": Scenario(try_again, 5),
    "time-out": Scenario(time_out, 4),
    "upload": Scenario(upload, 2),
    "upload of a file": Scenario(upload_a_file, 2),
    "download": Scenario(download, 3),
    "client": Scenario(live, 4),
    "create once": Scenario(create_once, 6),
    "limits": Scenario(take_turns_to_write, 3, before=hold_lane, limits=Limits(per_conversation=1)),
    "name": Scenario(fetch, 2, host=NAME),
    "tls": Scenario(fetch, 2, host=NAME, tls=True),
    "proxy": Scenario(fetch, 2, host=NAME, tls=True, proxied=True),
}


@define
class Stop:
    """Stops a call at a step of it, and perhaps once more."""

    way: Callable[[Stop, int, asyncio.Future[Any] | None], None]
    at: int
    limit: asyncio.Timeout = field(factory=partial(asyncio.timeout, None))
    call: asyncio.Task[None] | None = None
    #: Whether it went on until then.
    stopped: bool = False

    def step(self, number: int, future: asyncio.Future[Any] | None) -> None:
        """Look at a step."""
        if number >= self.at:
            self.way(self, number - self.at, future)

    def cancel(self, _: object = None) -> None:
        """Cancel it."""
        assert self.call is not None
        self.stopped = self.call.cancel() or self.stopped

    def expire(self) -> None:
        """Let its time be up."""
        self.limit.reschedule(0)
        self.stopped = True


def once(stop: Stop, later: int, _: object) -> None:
    """Cancel it."""
    if not later:
        stop.cancel()


def again(stop: Stop, later: int, _: object) -> None:
    """Cancel it, and where it waits next too, which is while it cleans up."""
    if later < 2:
        stop.cancel()


def ever_again(stop: Stop, _: int, __: object) -> None:
    """Cancel it wherever it waits from now on."""
    stop.cancel()


def with_the_answer(stop: Stop, later: int, future: asyncio.Future[Any] | None) -> None:
    """Cancel it in the turn in which there is what it waits for, just before it goes on."""
    if later:
        return
    if future is None:
        asyncio.get_running_loop().call_soon(stop.cancel)
    else:
        future.add_done_callback(stop.cancel)


def by_time(stop: Stop, later: int, _: object) -> None:
    """Let the time be up of an ``asyncio.timeout`` around it."""
    if not later:
        stop.expire()


WAYS: Final = (once, again, ever_again, with_the_answer, by_time)

#: Of what has many steps, each is stopped once, in this other way, and over new connections only: all that is
#: at work there is stopped in every way by itself.
LONG: Final = {
    "stream that is forgotten": again,
    "merge": again,
    "fan-out": with_the_answer,
    "client": again,
    "create once": again,
}


def ways(name: str, *, used: bool) -> list[Callable[[Stop, int, Any], None]]:
    """Give the ways in which a scenario is stopped."""
    if name in LONG:
        return [] if used else [once, LONG[name]]
    # names and tunnels matter only to new connections, and how often it is cancelled, to either kind
    if used:
        return [] if SCENARIOS[name].host == NAME else [once, with_the_answer, by_time]
    return list(WAYS)


class Names(AbstractResolver):
    """Knows where all names are, after a while: first where nobody listens."""

    def __init__(self, **_: Any) -> None: ...

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        """Find a name."""
        for _ in range(2):
            await asyncio.sleep(0)
        return [
            ResolveResult(
                hostname=host,
                host=found,
                port=port,
                family=socket.AF_INET,
                proto=0,
                flags=0,
            )
            for found in ("127.0.0.2", "127.0.0.1")
        ]

    async def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def complaints(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what nobody can catch: warnings and errors of what is thrown away."""
    found: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: found.append(repr(args)))
    monkeypatch.setattr(aiohttp.connector, "DefaultResolver", Names)
    monkeypatch.setattr("conversations_async.limits._SECOND", 0)
    return found


def open_files() -> int:
    """Count the files and sockets that are open."""
    return len(os.listdir("/dev/fd"))  # noqa: PTH208  # it is no path that matters


async def use(client: ConversationsClient, connections: int) -> None:
    """Make as many calls as may be on their way at a time; none of them ends before all are."""
    async with asyncio.timeout(10):
        for found in await asyncio.gather(
            *[client.conversations.fetch(TOGETHER) for _ in range(connections)]
        ):
            assert found.sid == TOGETHER


async def run(scenario: Scenario, case: Case, stop: Stop) -> bool:
    """Run a scenario, and say whether it came as far as the step at which it is stopped."""

    async def call() -> None:
        async with stop.limit:
            await scenario.run(case)

    steps = Steps(stop.step)
    with counted():
        stop.call = steps.start(call())
        await asyncio.wait([stop.call], timeout=10)
    assert stop.call.done(), "it hangs"
    if scenario.run is not forget and stop.way not in (again, ever_again):  # else it takes a few turns
        assert not [task for task in steps.tasks if not task.done()]
        assert not case.sources
        assert case.others or not case.connector._acquired
    if not stop.stopped:
        await stop.call
    elif stop.way is by_time:
        assert type(stop.call.exception()) is TimeoutError
    else:
        assert stop.call.cancelled()
    return steps.count >= stop.at


async def check(
    scenario: Scenario, stop: Stop, server: Server, proxy: Tunnel | None, file: Path, *, used: bool
) -> bool:
    """Stop a scenario, look at what is left, and say whether it had so many steps."""
    server.again(scenario.connections)
    tasks, files = asyncio.all_tasks(), open_files()
    retry = RetryPolicy(base_delay=0.001, max_delay=0.001, max_attempts=10)
    async with connect(
        server,
        retry=retry,
        max_connections=scenario.connections,
        ssl=client_side() if server.tls else None,
        proxy=proxy and proxy.url,
        limits=scenario.limits,
    ) as client:
        if used:
            await use(client, scenario.connections)
        pool = await client._session._connections.pool()
        case = Case(server, client, pool, file, copy_context())
        if scenario.before:
            await scenario.before(case)
        arrived = await run(scenario, case, stop)
        stop.call = None
        server.told.set()
        async with asyncio.timeout(10):
            await asyncio.gather(*case.others)
            if scenario.limits is not None:
                await client.messages(TOLD).create()
        for _ in range(TURNS):
            await asyncio.sleep(0)
        gc.collect()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() - server.tasks - (proxy._busy if proxy else set()) == tasks
        assert not case.sources
        assert not pool.waits
        assert pool.slots._value == scenario.connections
        assert not case.connector._acquired
        await soon(lambda: (server.connections - case.kept, server.idle - case.kept), (0, 0))
        await use(client, scenario.connections)
    await soon(lambda: (server.connections, server.tasks), (0, set()))
    assert asyncio.all_tasks() - (proxy._busy if proxy else set()) == tasks
    # what another test has left may be closed meanwhile
    await soon(lambda: max(open_files(), files), files)
    return arrived


async def check_all(
    scenario: Scenario,
    way: Callable[[Stop, int, Any], None],
    file: Path,
    complaints: list[str],
    *,
    used: bool,
) -> None:
    """Stop a scenario at its first step, at its second, and so on."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(repr(context)))
    # aiohttp then tells of answers that nobody has closed; but asyncio, of connections that end too early
    loop.set_debug(way is once and not scenario.tls)
    async with (
        Server(host=scenario.host, tls=server_side() if scenario.tls else None) as server,
        Tunnel() as proxy,
    ):
        step = 0
        for step in count(1):
            stop = Stop(way, step)
            arrived = await check(
                scenario, stop, server, proxy if scenario.proxied else None, file, used=used
            )
            assert not complaints, f"at step {step}, or the one before"
            if not arrived:
                break
    gc.collect()
    assert not complaints
    assert step > scenario.steps


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a file that is read in two steps."""
    path = tmp_path_factory.mktemp("cancellation") / "file"
    path.write_bytes(bytes(300_000))
    return path


@pytest.mark.parametrize(
    ("scenario", "used", "way"),
    [
        pytest.param(scenario, used, way, id=f"{name}-{'used' if used else 'new'}-{way.__name__}")
        for name, scenario in SCENARIOS.items()
        for used in (False, True)
        for way in ways(name, used=used)
    ],
)
async def test_a_call_that_is_stopped_leaves_nothing(
    scenario: Scenario,
    way: Callable[[Stop, int, Any], None],
    *,
    used: bool,
    file: Path,
    complaints: list[str],
) -> None:
    """Wherever it is stopped, in whatever way, over a connection that is new or not."""
    await check_all(scenario, way, file, complaints, used=used)


@pytest.mark.parametrize("name", ["fetch", "stream with read-ahead", "upload", "download", "tls"])
def test_a_call_that_is_stopped_under_uvloop(name: str, file: Path, complaints: list[str]) -> None:
    """It leaves nothing either, whichever way bytes go there."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(check_all(SCENARIOS[name], once, file, complaints, used=False))

"""How long a call may take: ``timeout`` for an attempt, ``total_timeout`` for the call, wherever it waits.

Most of these tests run in a loop whose clock moves only when nothing else does: they take no time, and the
moment in which a call ends is known to the digit, on a machine of any speed.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections import deque
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver

from conversations_async import (
    ConversationsClient,
    Limits,
    MergeError,
    RateLimitError,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    merge_streams,
)
from conversations_async import retry as retry_module
from conversations_async.transport import Attempt

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION, SERVICE
from .servers import HANG, Played, Scripted, answer, page
from .test_retry import NOW, Frozen

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine

#: Real seconds in which whatever is on its way within the machine arrives.
GRACE = 0.01
#: Seconds, of an attempt and of a call; and the part of an attempt in which its connection has to be there.
TIMEOUT, TOTAL, CONNECT = 10.0, 25.0, 0.95

FOUND = answer(200, {"sid": CONVERSATION})
MEDIA = "ME" + "f" * 32


class Jumping(selectors.DefaultSelector):
    """Waits for nothing but what is on its way: then the clock jumps to the next moment that matters."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """Give what is ready."""
        if timeout is None:
            ready = super().select(10)
            assert ready, "nothing will ever happen"
            return ready
        ready = super().select(min(timeout, GRACE))
        if not ready:
            self.now += max(timeout, 0)
        return ready


class Loop(asyncio.SelectorEventLoop):
    """A loop with a clock that jumps."""

    def __init__(self) -> None:
        self.jumping = Jumping()
        super().__init__(self.jumping)

    def time(self) -> float:
        """Give the seconds since the loop was made."""
        return self.jumping.now


def jumping(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in a loop with a clock that jumps."""

    @wraps(test)
    def run(*arguments: Any, **keywords: Any) -> None:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(test(*arguments, **keywords))

    return run


def now() -> float:
    """Give the time of the loop, in seconds since the test began."""
    return asyncio.get_running_loop().time()


def moment(seconds: float) -> Any:
    """Compare with a time, up to the rounding of the figures."""
    return pytest.approx(seconds, abs=0.002)


def once(**options: Any) -> dict[str, Any]:
    """Give the options of a client whose first failure is final."""
    return {"timeout": TIMEOUT, "retry": RetryPolicy(max_attempts=1)} | options


def again(**figures: Any) -> dict[str, Any]:
    """Give the options of a client that tries again, at once, as long as there is time."""
    policy = {"max_attempts": 1000, "base_delay": 0, "total_timeout": TOTAL, "budget": None} | figures
    return {"timeout": TIMEOUT, "retry": RetryPolicy(**policy)}


async def turns() -> None:
    """Let happen what is about to."""
    for _ in range(20):
        await asyncio.sleep(0)


async def settle(client: ConversationsClient) -> None:
    """Check that a client waits for nothing any more: no task, no time-out, and every slot is free."""
    await turns()
    pool = await client._session._connections.pool()
    tasks = [repr(task) for task in asyncio.all_tasks() if "Scripted._connected" not in repr(task)]
    assert len(tasks) == 1, tasks
    assert not pool.waits
    assert pool.slots._value >= 100


# ----------------------------------------------------------------------------------------- where a call waits


class Nowhere(AbstractResolver):
    """Looks a name up, and never finds it."""

    def __init__(self, **_: Any) -> None:
        """Take what others take."""

    async def resolve(self, *_: Any, **__: Any) -> Any:
        """Wait."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Do nothing."""


class Silent(Played):
    """Accepts connections, and does not even read requests before the other side hangs up."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await self.play(reader, writer)
        return False


async def ignore(reader: asyncio.StreamReader, _: object) -> None:
    """Read until the other side hangs up, and say nothing."""
    while await reader.read(1 << 20):
        pass


async def drip(_: object, writer: asyncio.StreamWriter) -> None:
    """Answer byte by byte, faster than any time-out, and without an end."""
    writer.write(answer(200, b"", headers={"Content-Length": "1000000"}))
    while True:
        await asyncio.sleep(0.7 * TIMEOUT)
        writer.write(b" ")


@asynccontextmanager
async def full() -> AsyncGenerator[int]:
    """Listen on a port where so many wait to be accepted that no more are let in."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.settimeout(0)
            each.connect_ex(listening.getsockname())
        try:
            yield listening.getsockname()[1]
        finally:
            for each in waiting:
                each.close()


async def arrange(
    place: str, stack: AsyncExitStack, patch: pytest.MonkeyPatch, options: dict[str, Any]
) -> str | None:
    """Make a place in which calls hang, and give its address; None where one call can take all there is."""
    enter = stack.enter_async_context
    match place:
        case "name":
            patch.setattr(aiohttp.connector, "DefaultResolver", Nowhere)
            return "http://name.invalid"
        case "connect":
            return f"http://127.0.0.1:{await enter(full())}"
        case "handshake":
            return (await enter(Silent(play=ignore))).url.replace("http:", "https:")
        case "tunnel":
            options["proxy"] = (await enter(Silent(play=ignore))).url
            return "https://name.invalid"
        case "pool":
            options["max_connections"] = 1
        case "borrowed":
            options["session"] = await enter(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)))
        case "limits":
            options["limits"] = Limits(per_service=1)
        case _:
            server = await enter(Played(play=drip) if place == "drip" else Scripted.of([PARTS[place]]))
            server.hold = True
            return server.url
    return None


#: What there is of an answer before nothing more comes.
PARTS = {"status line": HANG, "headers": FOUND[:40], "body": FOUND[:-1]}


@asynccontextmanager
async def hanging(
    place: str, patch: pytest.MonkeyPatch, **options: Any
) -> AsyncGenerator[ConversationsClient]:
    """Give a client whose calls hang in one place."""
    async with AsyncExitStack() as stack:
        url = await arrange(place, stack, patch, options)
        server = await stack.enter_async_context(Scripted.of([HANG]))
        client = ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=url or server.url, **options)
        await stack.enter_async_context(client)
        if url is None:  # for longer than anybody waits
            patient = RetryPolicy(max_attempts=1, total_timeout=10**6)
            first = client.with_options(timeout=10**6, retry=patient).conversations.create()
            call = asyncio.create_task(first)
            stack.push_async_callback(partial(asyncio.gather, return_exceptions=True), call)
            stack.callback(call.cancel)
            await server.arrived.wait()
        yield client


#: Where a call may wait, when the wait ends at the latest (as a part of the time of an attempt), whether the
#: request was sent then, and what the error says.
PLACES: dict[str, tuple[float, bool, str]] = {
    "name": (CONNECT, False, "no connection within 9.5 s (timeout)"),
    "connect": (CONNECT, False, "no connection within 9.5 s (timeout)"),
    "handshake": (CONNECT, False, "no connection within 9.5 s (timeout)"),
    "tunnel": (CONNECT, False, "no connection through the proxy within 9.5 s (timeout)"),
    "pool": (CONNECT, False, "no connection within 9.5 s: all were in use (max_connections)"),
    "borrowed": (CONNECT, False, "no connection within 9.5 s (timeout)"),
    "status line": (1, True, "no whole answer within 10 s (timeout)"),
    "headers": (1, True, "no whole answer within 10 s (timeout)"),
    "body": (1, True, "no whole answer within 10 s (timeout)"),
    "drip": (1, True, "no whole answer within 10 s (timeout)"),
}

#: Where somebody goes on when the call has ended: another call, or aiohttp, which shares what it looks up
#: among the calls, and so ends that only when the client is closed.
BUSY = {"pool", "borrowed", "limits", "name"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
@jumping
async def test_timeout_ends_an_attempt(place: str, monkeypatch: pytest.MonkeyPatch, *, write: bool) -> None:
    """Wherever an attempt waits, it ends in time; the error says for what, which limit, and what was sent."""
    part, sent, text = PLACES[place]
    async with hanging(place, monkeypatch, **once()) as client:
        with pytest.raises(RequestTimeoutError) as caught:
            await (client.conversations.create() if write else client.conversations.fetch(CONVERSATION))
        assert now() == moment(part * TIMEOUT)
        if place not in BUSY:
            await settle(client)
    await turns()
    assert len(asyncio.all_tasks()) == 1
    error = caught.value
    assert error.message == text
    assert (error.sent, error.attempts, error.ambiguous) == (sent, 1, sent and write)


@pytest.mark.parametrize("place", PLACES)
@jumping
async def test_total_timeout_ends_a_call(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often an attempt may be repeated, the last one has what is left, and says so."""
    part, sent, _ = PLACES[place]
    async with hanging(place, monkeypatch, **again()) as client:
        with pytest.raises(RequestTimeoutError) as caught:
            await client.conversations.fetch(CONVERSATION)
    left = TOTAL - 2 * part * TIMEOUT
    assert now() == moment(2 * part * TIMEOUT + part * left)
    assert now() <= TOTAL + 0.002
    assert (caught.value.attempts, caught.value.sent) == (3, sent)
    assert f" {part * left:.3g} s" in caught.value.message
    assert ("max_connections" if place == "pool" else "(what total_timeout left)") in caught.value.message


@pytest.mark.parametrize("place", PLACES)
@jumping
async def test_total_timeout_ends_a_first_attempt(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A total time below the time of an attempt bounds that one too."""
    async with hanging(place, monkeypatch, **again(total_timeout=4)) as client:
        with pytest.raises(RequestTimeoutError) as caught:
            await client.conversations.create()
    assert now() == moment(4 * PLACES[place][0])
    assert caught.value.attempts == 1


@jumping
async def test_who_has_waited_for_a_turn_has_less_time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait in the queue and the wait for the connection are one; what was never sent is told as such."""
    async with hanging("connect", monkeypatch, **once(max_connections=1)) as client:
        first = asyncio.create_task(client.with_options(timeout=8).conversations.create())
        await turns()
        with pytest.raises(RequestTimeoutError, match=r"no connection within 9.5 s \(timeout\)") as caught:
            await client.conversations.create()
        assert now() == moment(CONNECT * TIMEOUT)
        assert (caught.value.sent, caught.value.ambiguous) == (False, False)
        with pytest.raises(RequestTimeoutError):
            await first


@pytest.mark.parametrize("place", [*PLACES, "limits"])
@jumping
async def test_a_time_limit_of_ones_own(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``asyncio.timeout`` around a call ends it with its own TimeoutError, and nothing is left."""
    async with hanging(place, monkeypatch, **again()) as client:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(3):
                await client.conversations.create()
        assert now() == moment(3)
        if place not in BUSY:
            await settle(client)
    await turns()
    assert len(asyncio.all_tasks()) == 1
    assert type(caught.value) is TimeoutError


@jumping
async def test_the_wait_for_the_limiter_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write whose turn does not come within the total time was not sent, and the error names the limits."""
    async with hanging("limits", monkeypatch, **again()) as client:
        with pytest.raises(RequestTimeoutError) as caught:
            await client.conversations.create()
    assert now() == moment(TOTAL)
    assert (caught.value.sent, caught.value.ambiguous) == (False, False)
    assert "within 25 s" in caught.value.message
    assert "limits" in caught.value.message


# --------------------------------------------------------------------------------------- between the attempts


def asks_to_wait(seconds: float, status: int = 429) -> bytes:
    """Render a refusal that says when to come again."""
    return answer(status, {"code": 20429}, headers={"Retry-After": str(seconds)})


@asynccontextmanager
async def client_of(
    *entries: bytes | None, **options: Any
) -> AsyncGenerator[tuple[Scripted, ConversationsClient]]:
    """Give a server, and a client of it that tries again at once."""
    options = again() | options
    async with (
        Scripted.of(entries) as server,
        ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=server.url, **options) as client,
    ):
        yield server, client


@pytest.mark.parametrize("status", [429, 503])
@jumping
async def test_retry_after_is_waited_for(status: int) -> None:
    """Within the total time, the next attempt comes just then."""
    async with client_of(asks_to_wait(20, status), FOUND) as (server, client):
        await client.conversations.fetch(CONVERSATION)
        assert now() == moment(20)
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    "seconds", [TOTAL, TOTAL + 0.001, 3600, 10**12], ids=["bound", "above", "hour", "ever"]
)
@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
@jumping
async def test_retry_after_beyond_the_total_time_is_told_at_once(seconds: float, *, write: bool) -> None:
    """Nothing is waited for in vain: the error comes at once, and says how long the API asks to wait."""
    async with client_of(asks_to_wait(seconds)) as (server, client):
        with pytest.raises(RateLimitError) as caught:
            await (client.conversations.create() if write else client.conversations.fetch(CONVERSATION))
        assert now() == 0
        assert len(server.requests) == caught.value.attempts == 1
    assert caught.value.retry_after == pytest.approx(seconds, abs=0.0005)
    assert not caught.value.ambiguous


@pytest.mark.parametrize(("seconds", "waited"), [(20, True), (3600, False), (-5, True)])
@jumping
async def test_retry_after_may_be_a_date(
    seconds: float, monkeypatch: pytest.MonkeyPatch, *, waited: bool
) -> None:
    """A date counts from the clock of this machine; one in the past is no wait."""
    monkeypatch.setattr(retry_module, "datetime", Frozen)
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    refused = answer(429, {}, headers={"Retry-After": date})
    async with client_of(refused, FOUND) as (_, client):
        if waited:
            await client.conversations.fetch(CONVERSATION)
            assert now() == moment(max(seconds, 0))
            return
        with pytest.raises(RateLimitError) as caught:
            await client.conversations.fetch(CONVERSATION)
    assert now() == 0
    assert caught.value.retry_after == seconds


@jumping
async def test_what_follows_a_wait_has_the_rest() -> None:
    """An attempt after a wait of 24 s of 25 s has one second."""
    async with client_of(asks_to_wait(24), HANG) as (server, client):
        with pytest.raises(RequestTimeoutError, match=r"within 1 s \(what total_timeout left\)") as caught:
            await client.conversations.fetch(CONVERSATION)
        assert now() == moment(TOTAL)
        assert len(server.requests) == caught.value.attempts == 2


@jumping
async def test_waits_of_backoff_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait that would end after the total time is not begun: the last failure is told at once."""
    defaults = RetryPolicy.delay.__kwdefaults__
    assert defaults
    monkeypatch.setitem(defaults, "random", lambda: 1)
    options = again(base_delay=8, max_delay=8)
    async with client_of(answer(503), **options) as (server, client):
        with pytest.raises(ServerError) as caught:
            await client.conversations.fetch(CONVERSATION)
        assert now() == moment(24)
        assert len(server.requests) == caught.value.attempts == 4


@jumping
async def test_an_attempt_that_would_be_too_late_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the loop is busy until the time is over, a refused write stays refused, and is not sent again."""
    pause = Attempt.pause

    async def late(attempt: Attempt, seconds: float, failure: Any, *, until: float) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Loop)
        loop.jumping.now += TOTAL
        await pause(attempt, seconds, failure, until=until)

    monkeypatch.setattr(Attempt, "pause", late)
    async with client_of(asks_to_wait(1), HANG) as (server, client):
        with pytest.raises(RateLimitError) as caught:
            await client.conversations.create()
        assert len(server.requests) == 1
    assert not caught.value.ambiguous


@jumping
async def test_each_attempt_has_its_time() -> None:
    """Attempts that time out are repeated, each with the time of an attempt, and the last one succeeds."""
    async with client_of(HANG, HANG, FOUND) as (server, client):
        await client.conversations.fetch(CONVERSATION)
        assert now() == moment(2 * TIMEOUT)
        assert len(server.requests) == 3


# ------------------------------------------------------------------------------------------ each kind of call


def items(*numbers: int, follow: str | None = None) -> bytes:
    """Render a page of conversations."""
    return answer(200, page("conversations", [{"sid": f"CH{number}"} for number in numbers], follow))


async def read(client: ConversationsClient, found: list[str], read_ahead: int = 1) -> None:
    """Read a list."""
    async for item in client.conversations.stream(read_ahead=read_ahead):
        found.append(item.sid)


@pytest.mark.parametrize("read_ahead", [0, 1, 3])
@jumping
async def test_each_page_has_its_time(read_ahead: int) -> None:
    """The total time is that of one request: of a page, and not of a list. The items before come first."""
    found: list[str] = []
    async with client_of(HANG, FOUND, **again()) as (server, client):
        server.script = deque([HANG, HANG, items(1, follow=f"{server.url}/v1/Conversations?Page=1"), HANG])
        with pytest.raises(RequestTimeoutError) as caught:
            await read(client, found, read_ahead)
    assert now() == moment(2 * TIMEOUT + TOTAL)
    assert (found, caught.value.attempts) == (["CH1"], 3)


@jumping
async def test_a_merge_goes_on_without_what_hangs() -> None:
    """A stream that hangs ends in its time, and the others are read."""
    async with client_of(HANG) as (_, slow), client_of(items(1, 2)) as (_, fast):
        streams = [slow.conversations.stream(), fast.conversations.stream()]
        found = []
        with pytest.raises(MergeError) as caught:
            async for item in merge_streams(streams):
                found.append(item.sid)
                assert now() == 0
    assert now() == moment(TOTAL)
    assert found == ["CH1", "CH2"]
    assert [type(error) for error in caught.value.exceptions] == [RequestTimeoutError]


@jumping
async def test_ensure_is_more_than_one_call() -> None:
    """Each request of ``ensure`` has the time of a call; what is sent and not answered may exist."""
    async with client_of(HANG, answer(404, {}), HANG) as (server, client):
        with pytest.raises(RequestTimeoutError) as caught:
            await client.conversations.ensure("name")
        assert [request.method for request in server.requests] == ["GET", "GET", "POST"]
    assert now() == moment(2 * TIMEOUT)
    assert (caught.value.method, caught.value.ambiguous) == ("POST", True)


async def endless() -> AsyncGenerator[bytes]:
    """Give bytes for ever."""
    while True:
        yield b"x" * 100_000


async def nothing_more() -> AsyncGenerator[bytes]:
    """Give a few bytes, and then no more."""
    yield b"x"
    await asyncio.Event().wait()


async def nothing() -> AsyncGenerator[bytes]:
    """Give nothing, and do not end."""
    await asyncio.Event().wait()
    yield b""


@pytest.mark.parametrize("total", [TOTAL, 4.0])
@pytest.mark.parametrize("source", [endless, nothing_more, lambda: b"x"], ids=["body", "source", "answer"])
@jumping
async def test_an_upload_in_which_nothing_moves(source: Callable[[], Any], total: float) -> None:
    """Once something has moved, ``timeout`` counts from then, whatever the total; it may have arrived."""
    options = again(total_timeout=total, retry_posts=True)
    async with Played(play=stop) as server, AsyncExitStack() as stack:
        client = ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=server.url, **options)
        await stack.enter_async_context(client)
        with pytest.raises(RequestTimeoutError, match=r"nothing moved for 10 s \(timeout\)") as caught:
            await client.service(SERVICE).media.upload(source(), content_type="a/b")
        assert now() == moment(TIMEOUT)
        assert (caught.value.attempts, caught.value.ambiguous) == (1, True)
        await settle(client)


async def stop(reader: asyncio.StreamReader, _: object) -> None:
    """Read nothing, for longer than anybody waits."""
    await asyncio.sleep(100)
    await ignore(reader, None)


@pytest.mark.parametrize("place", ["name", "connect", "handshake", "tunnel", "pool", "borrowed"])
@jumping
async def test_an_upload_that_does_not_begin(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first byte has gone, an upload is bounded like any call, and is repeated."""
    async with hanging(place, monkeypatch, **again()) as client:
        with pytest.raises(RequestTimeoutError) as caught:
            await client.service(SERVICE).media.upload(endless(), content_type="a/b")
    assert (caught.value.attempts, caught.value.sent, caught.value.ambiguous) == (3, False, False)
    assert now() <= TOTAL + 0.002


@jumping
async def test_an_upload_whose_source_does_not_begin() -> None:
    """A source that never gives its first chunk has what the total time leaves."""
    async with client_of(HANG, **again(total_timeout=4)) as (_, client):
        with pytest.raises(RequestTimeoutError, match=r"nothing moved for 4 s \(what total_timeout left\)"):
            await client.service(SERVICE).media.upload(nothing(), content_type="a/b")
    assert now() == moment(4)


def described(server: Scripted, size: int) -> bytes:
    """Render a file whose bytes are on a server."""
    links = {"content_direct_temporary": f"{server.url}/bytes"}
    return answer(200, {"sid": MEDIA, "size": size, "links": links})


@asynccontextmanager
async def file_of(
    *entries: bytes | None, **options: Any
) -> AsyncGenerator[tuple[Scripted, ConversationsClient]]:
    """Give a server of a file of ten bytes, whose bytes the entries answer for, and a client of it."""
    async with client_of(HANG, **options) as (server, client):
        server.script = deque([described(server, 10), *entries])
        server.hold = True
        yield server, client


async def download(client: ConversationsClient) -> bytes:
    """Read a file."""
    async with client.service(SERVICE).media.download(MEDIA) as chunks:
        return b"".join([chunk async for chunk in chunks])


@jumping
async def test_a_download_that_does_not_begin() -> None:
    """Until its answer has begun, a download is bounded like any call."""
    async with file_of(HANG) as (server, client):
        with pytest.raises(RequestTimeoutError, match="what total_timeout left") as caught:
            await download(client)
        assert len(server.requests) == 4
    assert now() == moment(TOTAL)
    assert caught.value.attempts == 3


@jumping
async def test_a_download_that_stops() -> None:
    """Once it has begun, each chunk has the time of an attempt, whatever the total."""
    async with file_of(answer(200, b"0123456789")[:-1], **again(total_timeout=4)) as (_, client):
        with pytest.raises(RequestTimeoutError, match=r"nothing moved for 10 s \(timeout\)"):
            await download(client)
        assert now() == moment(TIMEOUT)
        await settle(client)


CALLS: dict[str, Callable[[ConversationsClient], Awaitable[Any]]] = {
    "fetch": lambda client: client.conversations.fetch(CONVERSATION),
    "create": lambda client: client.messages(CONVERSATION).create(body="x"),
    "update": lambda client: client.conversations.update(CONVERSATION, friendly_name="x"),
    "delete": lambda client: client.conversations.delete(CONVERSATION),
    "ensure": lambda client: client.conversations.ensure("name"),
    "list": lambda client: client.conversations.stream().list(),
    "stream": lambda client: read(client, []),
    "merge": lambda client: merge_streams([client.conversations.stream() for _ in range(3)]).list(),
    "upload": lambda client: client.service(SERVICE).media.upload(nothing_more(), content_type="a/b"),
    "download": download,
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("where", ["first", "later", "pause"])
@jumping
async def test_a_time_limit_around_each_kind_of_call(call: str, where: str) -> None:
    """It ends with asyncio's TimeoutError, whatever it does then; no task, connection or slot is left."""
    async with file_of(HANG) as (server, client):
        if where == "first":
            server.script.popleft()
        elif where == "pause":
            server.script = deque([asks_to_wait(20)])
        elif call in ("list", "stream", "merge"):
            server.script = deque([items(1, follow=f"{server.url}/v1/Conversations?Page=1"), HANG])
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(3):
                await CALLS[call](client)
                await asyncio.sleep(100)  # what is answered at once
        assert type(caught.value) is TimeoutError
        assert now() == moment(3)
        await settle(client)


# ------------------------------------------------------------------------------------------ with a real clock


async def test_the_real_clock_too() -> None:
    """What the other tests show holds in an ordinary loop: attempts are counted, and the call ends."""
    policy = RetryPolicy(base_delay=0, max_attempts=3, total_timeout=5)
    async with client_of(HANG, timeout=0.05, retry=policy) as (server, client), asyncio.timeout(10):
        with pytest.raises(RequestTimeoutError, match=r"within 0\.05 s \(timeout\)") as caught:
            await client.conversations.fetch(CONVERSATION)
        assert caught.value.attempts == len(server.requests) == 3
        policy = RetryPolicy(base_delay=0, max_attempts=100, total_timeout=0.12)
        with pytest.raises(RequestTimeoutError) as caught:
            await client.with_options(retry=policy).conversations.fetch(CONVERSATION)
        assert caught.value.attempts <= 3

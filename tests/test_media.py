"""Media: what goes over the wire, when it is tried again, and what is left when it fails or is given up."""

from __future__ import annotations

import asyncio
import base64
import gc
import gzip
import logging
import os
import socket
import sqlite3
import traceback
import tracemalloc
from contextlib import asynccontextmanager, closing
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from yarl import URL

from conversations_async import (
    APIError,
    ConversationsClient,
    ConversationsError,
    DecodeError,
    NotFoundError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    RetryPolicy,
    TransportError,
    UnsupportedMediaTypeError,
    UploadError,
    __version__,
)
from conversations_async.emulator import Emulator, create_app
from conversations_async.hosts import Hosts
from conversations_async.upload import SourceError

from .conftest import ACCOUNT_SID, AUTH_TOKEN, SERVICE
from .servers import DROP, HANG, Played, Scripted, answer, read_body
from .test_session import connect
from .test_upload import DATA, Once, Rope, stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from conversations_async.connections import Pool
    from conversations_async.resources.media import MediaRepository

    from .conftest import Mocked

MEDIA = "ME" + "f" * 32
PATH = f"/v1/Services/{SERVICE}/Media"
STORED = answer(201, {"sid": MEDIA})
MB = 1 << 20

SOURCES: dict[str, Callable[[Path], Any]] = {
    "bytes": lambda _: DATA,
    "bytearray": lambda _: bytearray(DATA),
    "view": lambda _: memoryview(DATA[::-1])[::-1],
    "name": str,
    "path": lambda path: path,
    "generator": lambda _: stream(DATA[:7], b"", DATA[7:]),
    "iterable": lambda _: Rope(DATA[:7], b"", bytearray(DATA[7:])),
    "iterator": lambda _: Once(DATA[:7], b"", memoryview(DATA)[7:]),
}
STREAMS = "generator", "iterable", "iterator"


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a source less than a second to close: many of these do not."""
    monkeypatch.setattr("conversations_async.transport._GRACE", 0.05)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Make a file of some chunks."""
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


@asynccontextmanager
async def media_of(server: Scripted, **options: Any) -> AsyncGenerator[MediaRepository]:
    """Give the media of a service on a server."""
    async with connect(server, **options) as client:
        yield client.service(SERVICE).media


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that is bound to happen."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # of what is waited for, there is no event
            await asyncio.sleep(0.001)


async def nothing_left(server: Scripted) -> None:
    """Wait until no connection and no task is there any more; a file that is still open warns."""
    await until(lambda: not server.connections and len(asyncio.all_tasks()) == 1)
    gc.collect()


async def drain(reader: asyncio.StreamReader, _: object = None) -> None:
    """Read to the end."""
    while await reader.read(MB):
        pass


async def endless(closed: list[str]) -> AsyncGenerator[bytes]:
    """Give bytes for ever."""
    try:
        for chunk in repeat(b"x" * 100_000):
            yield chunk
    finally:
        closed.append("closed")


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("size", [None, len(DATA)])
async def test_what_an_upload_carries(name: str, size: int | None, file: Path) -> None:
    """Every kind of source arrives byte for byte; its length is stated where somebody knows it."""
    async with Scripted.of([STORED]) as server, media_of(server) as media:
        for _ in range(2):
            uploaded = await media.upload(SOURCES[name](file), content_type="image/png; x=y", size=size)
            assert uploaded.sid == MEDIA
        assert server.most_connections == 1
    for request in server.requests:
        assert (request.method, request.target) == ("POST", PATH)
        assert request.body == DATA
        length = {key: request.headers.get(key) for key in ("Content-Length", "Transfer-Encoding")}
        unknown = size is None and name in STREAMS
        assert tuple(length.values()) == ((None, "chunked") if unknown else (str(len(DATA)), None))
        assert request.headers["Content-Type"] == "image/png; x=y"
        credentials = base64.b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
        assert request.headers["Authorization"] == f"Basic {credentials}"
        assert request.headers["User-Agent"].startswith(f"conversations-async/{__version__} ")


@pytest.mark.parametrize("size", [None, 0])
async def test_nothing_can_be_uploaded(size: int | None, tmp_path: Path) -> None:
    """An upload may be empty."""
    (tmp_path / "empty").touch()
    async with Scripted.of([STORED]) as server, media_of(server) as media:
        for source in b"", tmp_path / "empty", stream(), stream(b""):
            await media.upload(source, content_type="a/b", size=size)
    assert [request.body for request in server.requests] == [b""] * 4


async def test_what_an_address_is_made_of() -> None:
    """Names of services and files may have any character, and stay one segment and one value."""
    filename = "ü &?#/%+\r\n\"'.png"
    async with Scripted.of([STORED]) as server, connect(server) as client:
        await client.service("a b/../ü").media.upload(b"", content_type="a/b", filename=filename)
    path, _, query = server.requests[0].target.partition("?")
    assert path == "/v1/Services/a%20b%2F..%2F%C3%BC/Media"
    assert parse_qsl(query) == [("Filename", filename)]


@pytest.mark.parametrize(
    ("hosts", "origin"),
    [
        (Hosts(), "https://mcs.us1.twilio.com"),
        (Hosts(region="ie1"), "https://mcs.ie1.twilio.com"),
        (Hosts(region="ie1", edge="dublin"), "https://mcs.ie1.twilio.com"),
        (Hosts(edge="sydney"), "https://mcs.us1.twilio.com"),
        (Hosts(base_url="http://127.0.0.1:1", region="jp1"), "http://127.0.0.1:1"),
    ],
)
def test_the_host_of_media(hosts: Hosts, origin: str) -> None:
    """Media have a host for each region, and no edges."""
    assert hosts.origin("mcs") == origin


async def test_media_and_their_messages_have_hosts_of_their_own(
    mocked: Mocked, vendor: ConversationsClient
) -> None:
    """The file goes to the host of media, and the message that shows it to that of conversations."""
    messages = f"https://conversations.twilio.com/v1/Services/{SERVICE}/Conversations/a%20b/Messages"
    mocked.post(f"https://mcs.us1.twilio.com{PATH}", status=201, payload={"sid": MEDIA})
    mocked.post(messages, status=201, payload={"sid": "IM1"})
    assert (await vendor.service(SERVICE).media.send("a b", b"x", content_type="a/b")).sid == "IM1"


async def test_a_stream_of_asyncio_is_a_source() -> None:
    """What a process prints, or a socket gives, is a source, also where it has no lines."""
    reader = asyncio.StreamReader()
    reader.feed_data(bytes(MB))
    reader.feed_eof()
    async with Scripted.of([STORED]) as server, media_of(server) as media:
        await media.upload(reader, content_type="a/b")
    assert server.requests[0].body == bytes(MB)


async def test_what_arrives_can_be_passed_on() -> None:
    """The body of an aiohttp request or answer is a source, also where it has no lines."""
    data = bytes(3 * MB)
    async with (
        Scripted.of([answer(200, data)]) as source,
        Scripted.of([STORED]) as server,
        media_of(server) as media,
        aiohttp.ClientSession() as session,
        session.get(source.url) as found,
    ):
        await media.upload(found.content, content_type="a/b", size=found.content_length)
    assert server.requests[0].body == data


@pytest.mark.parametrize("kind", ["file", "stream"])
async def test_an_upload_is_never_held_whole(kind: str, tmp_path: Path) -> None:
    """Of 64 MB, only a few are in memory at a time."""
    size = 64 * MB
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, size)
    source: Any = path if kind == "file" else stream(*repeat(bytes(MB), 64))

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = size
        while left:
            left -= len(await reader.read(MB))
        writer.write(STORED)

    async with Played(play=play) as server, media_of(server) as media:
        tracemalloc.start()
        try:
            await media.upload(source, content_type="a/b", size=size)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 6 * MB


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"source": open}, "^source must be"),
    ({"source": "."}, "^source must be"),
    ({"source": "missing"}, "missing"),
    ({"size": 4}, "^size is 4, but"),
    ({"size": -1}, "^size must be"),
    ({"filename": "\ud800"}, "^filename"),
    ({"content_type": "a/b\r\nX-Evil: 1"}, "^content_type"),
    ({"content_type": "a/b; c=\n"}, "^content_type"),
    *(
        ({"content_type": kind}, "^content_type")
        for kind in ("", "image", "/png", "image/", "a b/c", "a/b\n")
    ),
    *(({"content_type": kind}, "^content_type") for kind in ("ï/b", "a/b; ï", "a/b c", None, 5, b"a/b")),
    ({"conversation": ""}, "^conversation"),
    ({"conversation": ".."}, "^conversation"),
    ({"attributes": "{"}, "^attributes"),
    ({"author": "\ud800"}, "^author"),
    ({"body": "\ud800"}, "^body"),
    ({"webhook_enabled": "perhaps"}, "^webhook_enabled"),
]


@pytest.mark.parametrize(("arguments", "text"), REFUSED)
async def test_what_makes_no_sense(arguments: dict[str, Any], text: str) -> None:
    """It is refused before anything is sent: the file or, where it goes with one, the message."""
    given: dict[str, Any] = {"source": b"abc", "content_type": "a/b", "conversation": "CH1"} | arguments
    async with Scripted.of([HANG]) as server, media_of(server) as media:
        with pytest.raises((ValueError, OSError), match=text):
            await media.send(**given)
        if {"source", "size", "filename", "content_type"} & set(arguments):
            del given["conversation"]
            with pytest.raises((ValueError, OSError), match=text):
                await media.upload(**given)
    assert server.most_connections == 0


FAULTS: dict[str, tuple[tuple[Any, ...], int | None, type[Exception]]] = {
    "too short": ((b"abc",), 5, SourceError),
    "too long": ((b"abc", b"def"), 5, SourceError),
    "longer than a whole": ((b"abc", b"d"), 3, SourceError),
    "text": ((b"abc", "def"), None, SourceError),
    "failed": ((b"abc", LookupError("why")), None, LookupError),
    "failed late": ((DATA, LookupError("why")), None, LookupError),
    "failed before the end": ((DATA, LookupError("why")), len(DATA), LookupError),
    "failed at once": ((LookupError("why"),), None, LookupError),
    "timed out": ((b"abc", TimeoutError("why")), None, TimeoutError),
    "lost": ((b"abc", ConnectionResetError("why")), 5, ConnectionResetError),
    "no access": ((b"abc", OSError(5, "why")), None, OSError),
}


@pytest.mark.parametrize(("chunks", "size", "kind"), FAULTS.values(), ids=FAULTS)
async def test_a_source_that_fails(chunks: tuple[Any, ...], size: int | None, kind: type[Exception]) -> None:
    """The error has the source's as its cause; the connection is closed before the body could seem whole."""
    closed: list[str] = []
    arrived: list[bytes] = []

    async def play(reader: asyncio.StreamReader, _: object) -> None:
        arrived.append(await reader.read())

    retry = RetryPolicy(base_delay=0, retry_posts=True)
    async with Played(play=play) as server, media_of(server, retry=retry) as media:
        with pytest.raises(UploadError, match=r"the source of the upload is at fault: it ") as caught:
            await media.upload(stream(*chunks, closed=closed), content_type="a/b", size=size)
        assert closed == ["closed"]
        await nothing_left(server)
        assert server.most_connections == 1
    assert type(caught.value.__cause__) is kind
    assert (caught.value.attempts, caught.value.status) == (1, None)
    assert "why" not in str(caught.value)
    for body in arrived:
        assert len(body) < size if size else not body.endswith(b"0\r\n\r\n")


def rows(database: Path) -> int:
    """Count what the emulator has kept of files."""
    with closing(sqlite3.connect(database)) as db:
        (count,) = db.execute(
            "SELECT (SELECT count(*) FROM media) + (SELECT count(*) FROM contents)"
        ).fetchone()
    return int(count)


async def test_of_an_upload_that_fails_nothing_is_stored(tmp_path: Path) -> None:
    """After each failure, the client can be used as before."""
    async with Emulator(database=tmp_path / "db") as emulator:
        async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url) as client:
            service = await client.services.create(friendly_name="x")
            media = client.service(service.sid).media
            for chunks, size, _ in FAULTS.values():
                with pytest.raises(UploadError):
                    await media.upload(stream(*chunks), content_type="a/b", size=size)
            await media.upload(b"abc", content_type="a/b")
        assert rows(tmp_path / "db") == 2


@pytest.mark.parametrize("name", ["bytes", "path"])
async def test_what_can_be_read_again_is_repeated_after_429(name: str, file: Path) -> None:
    """The API refused it: bytes and files are sent once more, from their beginning."""
    async with Scripted.of([answer(429), answer(429), STORED]) as server, media_of(server) as media:
        await media.upload(SOURCES[name](file), content_type="a/b")
    assert [request.body for request in server.requests] == [DATA] * 3


@pytest.mark.parametrize("kind", ["bytes", "file"])
async def test_an_early_429_is_obeyed(kind: str, tmp_path: Path) -> None:
    """What was sent when the refusal came does not count: the next attempt sends all."""
    data = bytes(range(256)) * (16 * MB // 256)
    path = tmp_path / "large"
    path.write_bytes(data)
    bodies: list[bytes] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 1:
            writer.write(answer(429))
            await drain(reader)
        else:
            bodies.append(await read_body(reader, server.requests[-1].headers))
            writer.write(STORED)

    async with Played(play=play) as server, media_of(server) as media:
        await media.upload(data if kind == "bytes" else path, content_type="a/b")
    assert bodies == [data]
    assert len(server.requests) == 2


@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_is_not_repeated_after_429(name: str, file: Path) -> None:
    """What was consumed cannot be sent again, not even where it could be iterated again."""
    async with Scripted.of([answer(429), STORED]) as server, media_of(server) as media:
        with pytest.raises(RateLimitError) as caught:
            await media.upload(SOURCES[name](file), content_type="a/b")
    assert caught.value.attempts == len(server.requests) == 1


async def test_a_stream_that_has_not_begun_is_repeated(caplog: pytest.LogCaptureFixture) -> None:
    """While no connection is made, nothing of a source is lost."""
    retry = RetryPolicy(base_delay=0.01, max_delay=0.01, max_attempts=10**6)
    reserved = socket.socket()  # bound, and not listening: connections are refused
    reserved.bind(("127.0.0.1", 0))
    server = Scripted.of([STORED], port=reserved.getsockname()[1])
    url = f"http://127.0.0.1:{server.port}"
    async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=url, retry=retry) as client:
        upload = client.service(SERVICE).media.upload(stream(b"ab", b"c"), content_type="a/b")
        call = asyncio.create_task(upload)
        await until(lambda: "attempt 2 follows" in caplog.text)
        reserved.close()
        async with server:
            assert (await call).sid == MEDIA
            await client.close()
    assert [request.body for request in server.requests] == [b"abc"]


@pytest.mark.parametrize("entry", [answer(500), answer(503), DROP, HANG], ids=["500", "503", "drop", "hang"])
@pytest.mark.parametrize("name", ["bytes", "path", "generator"])
async def test_an_upload_that_may_have_arrived_is_not_repeated(
    entry: bytes | None, name: str, file: Path
) -> None:
    """Not even with ``retry_posts``: it is no small thing to send twice."""
    options = {"retry": RetryPolicy(base_delay=0, retry_posts=True), "timeout": 5 if entry else 0.1}
    async with Scripted.of([entry, STORED]) as server, media_of(server, **options) as media:
        with pytest.raises(ConversationsError) as caught:
            await media.upload(SOURCES[name](file), content_type="a/b")
    assert caught.value.attempts == len(server.requests) == 1


EARLY = {413: PayloadTooLargeError, 415: UnsupportedMediaTypeError}


@pytest.mark.parametrize("then", ["reads on", "stops", "ends", "closes"])
@pytest.mark.parametrize("endlessly", [False, True])
async def test_an_answer_may_come_early(then: str, *, endlessly: bool) -> None:
    """A refusal is believed at once, whatever the server does then; the rest is not sent."""
    closed: list[str] = []
    left = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if then == "closes":  # only when it cannot be missed: the other side waits for this one to read
            await asyncio.sleep(0.05)
        writer.write(answer(list(EARLY)[len(server.requests) - 1], {"code": 5}))
        await writer.drain()
        if then == "stops":
            await left.wait()
        elif then == "ends":
            writer.write_eof()
        if then != "closes":
            await drain(reader)

    async with Played(play=play) as server, media_of(server) as media, asyncio.timeout(10):
        for kind in EARLY.values():
            source: Any = endless(closed) if endlessly else bytes(16 * MB)
            with pytest.raises(kind) as caught:
                await media.upload(source, content_type="a/b")
            assert (caught.value.code, caught.value.attempts) == (5, 1)
        assert len(asyncio.all_tasks()) - len(server._busy) == 1
        left.set()
        await nothing_left(server)
    assert closed == ["closed"] * (2 * endlessly)
    assert len(server.requests) == 2


async def test_an_answer_that_has_begun_has_to_end() -> None:
    """Where an early answer does not end, the time-out does, though there is always more to send."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer(413, b"{}", headers={"Content-Length": "100"}))
        await drain(reader)

    async with Played(play=play) as server, media_of(server, timeout=0.3) as media, asyncio.timeout(10):
        with pytest.raises(RequestTimeoutError):
            await media.upload(endless([]), content_type="a/b")
        await nothing_left(server)


async def test_the_emulator_refuses_what_is_too_large() -> None:
    """Its answer is the API's, whether the size was stated or not."""
    async with TestServer(create_app(largest_file=MB)) as server:
        url = str(server.make_url("")).rstrip("/")
        async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=url) as client:
            service = await client.services.create(friendly_name="x")
            for source in bytes(9 * MB), stream(*repeat(bytes(MB), 9)), endless([]):
                with pytest.raises(PayloadTooLargeError) as caught:
                    await client.service(service.sid).media.upload(source, content_type="a/b")
                assert caught.value.code == 20413


async def test_a_connection_that_is_lost_on_the_way() -> None:
    """What is sent when the server hangs up is lost, and is not sent again."""
    closed: list[str] = []

    async def play(reader: asyncio.StreamReader, _: object) -> None:
        await reader.read(1)

    retry = RetryPolicy(base_delay=0, retry_posts=True)
    async with Played(play=play) as server, media_of(server, retry=retry) as media:
        for source in endless(closed), bytes(16 * MB):
            with pytest.raises(TransportError, match="the connection was lost") as caught:
                await media.upload(source, content_type="a/b")
            assert (type(caught.value), caught.value.attempts) == (TransportError, 1)
        await nothing_left(server)
    assert closed == ["closed"]
    assert len(server.requests) == 2


def sockets() -> int:
    """Count the sockets that are open."""
    return sum(isinstance(found, socket.socket) and found.fileno() != -1 for found in gc.get_objects())


async def waiting(closed: list[str]) -> AsyncGenerator[bytes]:
    """Give a few bytes, and then no more."""
    try:
        yield b"x"
        await asyncio.Event().wait()
    finally:
        closed.append("closed")


GIVEN_UP = {
    "cancelled": (asyncio.CancelledError, "^$"),
    "closed": (TransportError, "the client was closed meanwhile"),
    "timed out": (RequestTimeoutError, "nothing moved for 0.1 s"),
}


async def give_up(call: asyncio.Task[Any], how: str, client: ConversationsClient) -> None:
    """End a call in one of the ways."""
    kind, text = GIVEN_UP[how]
    if how == "cancelled":
        call.cancel()
    elif how == "closed":
        await client.close()
    with pytest.raises(kind, match=text) as caught:
        await asyncio.wait_for(call, 5)
    assert type(caught.value) is kind


@pytest.mark.parametrize("how", GIVEN_UP)
@pytest.mark.parametrize("where", ["source", "server", "file", "answer"])
async def test_an_upload_that_is_given_up(how: str, where: str, tmp_path: Path) -> None:
    """Wherever it waits, it ends at once; no task, connection, generator or file stays open."""
    closed: list[str] = []
    left = asyncio.Event()
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, 16 * MB)
    sources = {"source": waiting(closed), "server": endless(closed), "answer": stream(DATA, closed=closed)}

    async def play(reader: asyncio.StreamReader, _: object) -> None:
        if where in ("server", "file"):  # it does not even read
            await left.wait()
        await drain(reader)

    async with Played(play=play) as server:
        client = connect(server, timeout=0.1 if how == "timed out" else 30)
        before = sockets()
        media = client.service(SERVICE).media
        call = asyncio.create_task(media.upload(sources.get(where, path), content_type="a/b"))
        await server.arrived.wait()
        await asyncio.sleep(0.03)
        await give_up(call, how, client)
        await until(lambda: len(asyncio.all_tasks()) - len(server._busy) == 1)
        await until(lambda: sockets() - server.connections == before)
        left.set()
        await nothing_left(server)
        await client.close()
    assert closed == ["closed"] * (where != "file")


@pytest.mark.parametrize("how", GIVEN_UP)
async def test_a_source_that_does_not_close_holds_nothing_up(how: str) -> None:
    """A source has a second to close, however the upload ends."""

    async def source() -> AsyncGenerator[bytes]:
        try:
            for chunk in repeat(b"x" * 1_000_000):
                yield chunk
        finally:
            await asyncio.Event().wait()

    left = asyncio.Event()

    async def play(_: object, __: object) -> None:
        await left.wait()

    async with Played(play=play) as server:
        client = connect(server, timeout=0.1 if how == "timed out" else 30)
        call = asyncio.create_task(client.service(SERVICE).media.upload(source(), content_type="a/b"))
        await server.arrived.wait()
        await asyncio.sleep(0.03)
        await give_up(call, how, client)
        left.set()
        await nothing_left(server)
        await client.close()


async def test_a_chunk_that_goes_while_the_client_closes_gains_no_time() -> None:
    """An upload ends with its client, though something may still have moved in the same moment."""

    async def source(pool: Pool) -> AsyncGenerator[bytes]:
        yield b"a"
        pool.end()
        yield b"b"
        await asyncio.Event().wait()

    async def play(reader: asyncio.StreamReader, _: object) -> None:
        await drain(reader)

    async with Played(play=play) as server, connect(server, timeout=30) as client:
        pool = await client._session._connections.pool()
        call = client.service(SERVICE).media.upload(source(pool), content_type="a/b")
        with pytest.raises(TransportError, match="the client was closed meanwhile"):
            await asyncio.wait_for(call, 5)


async def test_a_source_may_fail_when_it_is_closed() -> None:
    """What ended the upload is told, and not what its source made of that."""

    async def source() -> AsyncGenerator[bytes]:
        try:
            for chunk in repeat(b"x" * 100_000):
                yield chunk
        finally:
            raise OSError("not now")

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(413))
        await drain(reader)

    async with Played(play=play) as server, media_of(server) as media:
        with pytest.raises(PayloadTooLargeError):
            await media.upload(source(), content_type="a/b")
        await nothing_left(server)


#: Longer, all in all, than the time in which something must move.
SLOWLY = {"timeout": 0.3, "retry": RetryPolicy(max_attempts=1)}
STEPS, STEP = 16, 0.03


@pytest.mark.parametrize("who", ["source", "server"])
async def test_a_slow_upload_succeeds(who: str) -> None:
    """As long as something moves, an upload may take any time."""

    async def source() -> AsyncGenerator[bytes]:
        for _ in range(STEPS):
            await asyncio.sleep(STEP if who == "source" else 0)
            yield bytes(MB)

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(STEPS):
            await asyncio.sleep(STEP if who == "server" else 0)
            await reader.readexactly(MB)
        writer.write(STORED)

    async with Played(play=play) as server, media_of(server, **SLOWLY) as media:
        assert (await media.upload(source(), content_type="a/b", size=STEPS * MB)).sid == MEDIA


LINK = "/temporary/se%2Fcret?signature=hidden%2B"


def shown(server: Scripted, size: int = len(DATA)) -> bytes:
    """Render a file whose bytes are on a server."""
    links = {"content_direct_temporary": server.url + LINK}
    headers = {"Set-Cookie": "name=value; Path=/", "Connection": "close"}
    return answer(200, {"sid": MEDIA, "size": size, "links": links}, headers=headers)


@asynccontextmanager
async def contents(
    *entries: bytes | None, **options: Any
) -> AsyncGenerator[tuple[Scripted, MediaRepository]]:
    """Give a server of a file, and the media of a client of it; the entries answer for the file's bytes."""
    async with Scripted() as server:
        server.script.extend([shown(server), *entries])
        async with media_of(server, **options) as media:
            yield server, media


async def fetch(media: MediaRepository, sid: str = MEDIA) -> bytes:
    """Download a file."""
    async with media.download(sid) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_what_a_download_asks_for() -> None:
    """The temporary address is used to the letter, and is given neither credentials nor cookies."""
    async with contents(answer(200, DATA)) as (server, media):
        assert await fetch(media) == DATA
    asked, got = server.requests
    assert (asked.method, asked.target) == ("GET", f"{PATH}/{MEDIA}")
    assert asked.headers["Authorization"].startswith("Basic ")
    assert (got.method, got.target) == ("GET", LINK)
    assert got.headers["User-Agent"] == asked.headers["User-Agent"]
    assert not {"Authorization", "Cookie", "Content-Type"} & set(got.headers)


async def test_a_compressed_answer_is_read() -> None:
    """The bytes, and their number, are those of the file, however they came."""
    zipped = answer(200, gzip.compress(DATA), headers={"Content-Encoding": "gzip"})
    async with contents(zipped) as (_, media):
        assert await fetch(media) == DATA


@pytest.mark.parametrize("failure", [answer(503), answer(429), DROP], ids=["503", "429", "drop"])
async def test_a_download_that_has_not_begun_is_repeated(failure: bytes) -> None:
    """Before its first byte, a download is a GET like any other."""
    async with contents(failure, failure, answer(200, DATA)) as (server, media):
        assert await fetch(media) == DATA
    assert [request.target for request in server.requests[1:]] == [LINK] * 3


LOST = "the connection was lost"
BAD_DOWNLOADS = {
    "redirect": (answer(302, b"", headers={"Location": "/hidden/elsewhere"}), APIError, "HTTP 302"),
    "forbidden": (answer(403, b"<Error>secret</Error>"), PermissionDeniedError, "HTTP 403: Forbidden"),
    "gone": (answer(404, {"code": 5, "message": "Gone"}), NotFoundError, "HTTP 404, 5: Gone"),
    "no answer": (DROP, TransportError, LOST),
    "no HTTP": (b"secret\r\n\r\n", TransportError, LOST),
    "cut": (answer(200, DATA)[:-1], TransportError, LOST),
    "not compressed": (answer(200, DATA, headers={"Content-Encoding": "gzip"}), TransportError, LOST),
    "too short": (answer(200, DATA[:-1]), TransportError, "ended after 639999 of 640000 bytes"),
    "too long": (answer(200, DATA + b"x"), TransportError, "has more than 640000 bytes"),
    "empty": (answer(204), TransportError, "ended after 0 of 640000 bytes"),
}


@pytest.mark.parametrize(("entry", "kind", "text"), BAD_DOWNLOADS.values(), ids=BAD_DOWNLOADS)
async def test_a_download_that_fails(
    entry: bytes, kind: type[Exception], text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It ends with an error that names the file's own path, and nothing tells the temporary address."""
    caplog.set_level(logging.DEBUG)
    received = b""
    retry = RetryPolicy(max_attempts=1)
    async with contents(entry, retry=retry, max_connections=1, timeout=0.5) as (server, media):
        with pytest.raises(kind) as caught:
            async with media.download(MEDIA) as chunks:
                async for chunk in chunks:
                    received += chunk
        assert len(server.requests) == 2
        server.script[0] = shown(server)
        assert (await media.fetch(MEDIA)).sid == MEDIA  # the only connection is free
    assert type(caught.value) is kind
    assert entry.partition(b"\r\n\r\n")[2].startswith(received)
    assert str(caught.value).startswith(f"GET {PATH}/{MEDIA}/Content: ")
    assert text in str(caught.value)
    records = "".join(record.getMessage() for record in caplog.records)
    told = "".join([repr(caught.value), records, *traceback.format_exception(caught.value)])
    assert not [secret for secret in ("cret", "temporary/", "signature", "hidden") if secret in told]


async def test_a_wait_for_a_connection_does_not_tell_the_address() -> None:
    """Not even what the error comes from shows it."""
    async with Scripted.of([HANG]) as server, media_of(server, max_connections=1, **SLOWLY) as media:
        call = asyncio.create_task(media.fetch(MEDIA))
        await server.arrived.wait()
        with pytest.raises(RequestTimeoutError) as caught:
            async with media._session.download(URL(server.url + LINK), path="/Content", size=None):
                pass
        with pytest.raises(RequestTimeoutError):
            await call
    assert "hidden" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "link",
    [
        None,
        "",
        "/x",
        "//elsewhere.example/x",
        "http://elsewhere.example/x",
        "ftp://elsewhere.example/x",
        "https:///x",
        "https://user@elsewhere.example/x",
        "https://:password@elsewhere.example/x",
        "https://elsewhere.example\\@127.0.0.1/x",
        "https://elsewhere.example:99999/x",
        "https://elsewhere.example:port/x",
        "https://[::1/x",
        f"https://{'a' * 64}/x",
        "https://elsewhere.example/\r\nX-Evil: 1",
        "https://elsewhere.example/\x00",
        "https://elsewhère.example/",
    ],
)
async def test_a_link_that_must_not_be_followed(link: str | None) -> None:
    """A temporary address leads out over https, without credentials, or it is unreadable."""
    async with (
        Scripted.of([answer(200, {"sid": MEDIA, "links": {"content_direct_temporary": link}})]) as server,
        media_of(server) as media,
    ):
        with pytest.raises(DecodeError) as caught:
            await fetch(media)
    assert (caught.value.model, caught.value.field) == ("MediaFile", "links.content_direct_temporary")
    assert "elsewhere" not in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "link", ["https://cdn.example/a%2Fb?c=d", "https://[::1]:1/", "https://mcs.us1.twilio.com/x"]
)
def test_a_link_may_lead_anywhere_over_https(link: str) -> None:
    """What the API names is followed, to the letter; over http only where the client's own origin is."""
    assert str(Hosts().temporary_link("mcs", link)) == link
    own = Hosts(base_url="http://127.0.0.1:8080")
    assert str(own.temporary_link("mcs", "http://127.0.0.1:8080/x?y=%2F")) == "http://127.0.0.1:8080/x?y=%2F"
    assert own.temporary_link("mcs", "http://127.0.0.1:8081/x") is None


@pytest.mark.parametrize(("steps", "step"), [(STEPS, STEP), (64, 0)], ids=["slow", "fast"])
async def test_a_download_may_take_any_time_and_is_never_held_whole(steps: int, step: float) -> None:
    """It is given as it arrives, however slowly; and what is not asked for yet is not in memory."""

    async def play(_: object, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 1:
            writer.write(shown(server, size=steps * MB))
            return
        writer.write(answer(200, b"", headers={"Content-Length": str(steps * MB)}))
        for _ in range(steps):
            await asyncio.sleep(step)
            writer.write(bytes(MB))
            await writer.drain()

    received = 0
    async with Played(play=play) as server, media_of(server, **SLOWLY) as media:
        tracemalloc.start()
        try:
            async with media.download(MEDIA) as chunks:
                await asyncio.sleep(0.1)
                async for chunk in chunks:
                    received += len(chunk)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert received == steps * MB
    assert peak < 6 * MB


@pytest.mark.parametrize("how", GIVEN_UP)
@pytest.mark.parametrize("entry", [HANG, answer(200, DATA)[:-1]], ids=["before", "within"])
async def test_a_download_that_is_given_up(how: str, entry: bytes | None) -> None:
    """Wherever it waits, it ends at once; no task and no connection is left."""
    options = {"timeout": 0.1 if how == "timed out" else 30, "retry": RetryPolicy(max_attempts=1)}
    async with contents(entry, **options) as (server, media):
        call = asyncio.create_task(fetch(media))
        server.hold = True
        await until(lambda: len(server.requests) == 2)
        await asyncio.sleep(0.03)
        client: Any = media._session
        await give_up(call, how, client)
        await nothing_left(server)


@pytest.mark.parametrize("reads", [0, 1])
async def test_a_download_may_be_left(reads: int) -> None:
    """Who reads nothing of it, or not all, leaves no connection; and the client goes on."""
    async with contents(answer(200, DATA * 9)) as (server, media):
        async with media.download(MEDIA) as chunks:
            for _ in range(reads):
                await anext(chunks)
        await nothing_left(server)
        with pytest.raises(StopAsyncIteration):
            await anext(chunks)
        server.script.extend([shown(server), answer(200, DATA)])
        server.script.popleft()
        assert await fetch(media) == DATA


async def test_a_download_ends_when_the_client_is_closed_between_two_chunks() -> None:
    """It does not seem whole, and opens no other connection, not even if the client is used again."""
    async with Scripted() as server, connect(server) as client:
        server.script.extend([shown(server), answer(200, DATA * 9)])
        async with client, client.service(SERVICE).media.download(MEDIA) as chunks:
            await anext(chunks)
            await client.close()
            async with client:
                with pytest.raises(TransportError, match="the client was closed meanwhile"):
                    await anext(chunks)
        assert len(server.requests) == 2


async def test_media_in_the_emulator(client: ConversationsClient) -> None:
    """What is uploaded can be fetched, downloaded, shown in a message, and deleted."""
    service = client.service((await client.services.create(friendly_name="x")).sid)
    conversation = await service.conversations.create(unique_name="a b")
    message = await service.media.send(
        "a b", stream(DATA), content_type="image/png", filename="a b.png", author="smee", attributes={"a": 1}
    )
    assert (message.conversation_sid, message.author, message.body) == (conversation.sid, "smee", None)
    assert message.parsed_attributes == {"a": 1}
    assert message.media
    media = await service.media.fetch(message.media[0].sid)
    assert (media.size, media.content_type, media.filename) == (len(DATA), "image/png", "a b.png")
    assert media.message_sid == message.sid
    assert await fetch(service.media, media.sid) == DATA
    await service.media.delete(media.sid)
    for call in service.media.fetch, service.media.delete, partial(fetch, service.media):
        with pytest.raises(NotFoundError):
            await call(media.sid)


async def test_a_message_that_fails_leaves_the_file() -> None:
    """The error, or the cancellation, has a note that names it."""
    note = [f"the file was uploaded: {MEDIA}"]
    async with Scripted.of([STORED, answer(404, {}), STORED, HANG]) as server, media_of(server) as media:
        with pytest.raises(NotFoundError) as failed:
            await media.send("CH1", b"x", content_type="a/b")
        call = asyncio.create_task(media.send("CH1", b"x", content_type="a/b"))
        await until(lambda: len(server.requests) == 4)
        call.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await call
    assert failed.value.__notes__ == cancelled.value.__notes__ == note
    assert server.requests[1].target == f"/v1/Services/{SERVICE}/Conversations/CH1/Messages"
    assert parse_qsl(server.requests[1].body.decode()) == [("MediaSid", MEDIA)]

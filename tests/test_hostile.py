"""Servers that break every rule: an error of the library or a right answer, in bounded time and memory."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import socket
import struct
import sys
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations_async import (
    APIError,
    ConversationsClient,
    ConversationsError,
    DecodeError,
    NotFoundError,
    PaginationError,
    RequestTimeoutError,
    ResponseTooLargeError,
    RetryPolicy,
    ServerError,
    TransportError,
)
from conversations_async.resources.conversations import Conversation

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION, SERVICE
from .servers import Played, Scripted, answer, page, read_body, read_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

ONCE = RetryPolicy(max_attempts=1)
MIB = 1 << 20
OTHER = "CH" + "0" * 32
MEDIA = "ME" + "f" * 32
BODY = json.dumps({"sid": CONVERSATION, "friendly_name": "as it was sent"}).encode()
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GOOD = answer(200, {"sid": OTHER})


def connect(server: Scripted, **options: Any) -> ConversationsClient:
    """Make a client that tries once, and waits for some seconds."""
    options = {"retry": ONCE, "timeout": 5.0, **options}
    return ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=server.url, **options)


def ok(*lines: bytes, body: bytes = BODY) -> bytes:
    """Render an answer whose length is stated, with further headers."""
    return framed(*lines, b"Content-Length: %d" % len(body), body=body)


def framed(*lines: bytes, body: bytes = BODY) -> bytes:
    """Render an answer whose headers say themselves how long it is."""
    return OK + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def chunked(*chunks: bytes) -> bytes:
    """Render a body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


@define
class Hostile(Scripted):
    """Answers the first request with anything at all, and all others properly, on whichever connection."""

    raw: bytes = field(kw_only=True)
    #: Whether the connection ends with the first answer: what has no other end needs that.
    ends: bool = field(kw_only=True, default=False)
    #: Requests that came on the connection of the first one, after it.
    later: int = 0
    opened: int = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.opened += 1
        first = self.opened == 1
        for number in count():
            request = await read_head(reader)
            await read_body(reader, request.headers)
            self.requests.append(request)
            self.later += first and number > 0
            writer.write(self.raw if first and number == 0 else GOOD)
            await writer.drain()
            if first and self.ends:
                return False
        raise AssertionError


async def fetch(client: ConversationsClient) -> Conversation:
    """Read something."""
    return await client.conversations.fetch(CONVERSATION)


async def create(client: ConversationsClient) -> Conversation:
    """Write something."""
    return await client.conversations.create(friendly_name="x")


async def remove(client: ConversationsClient) -> None:
    """Delete something."""
    await client.conversations.delete(CONVERSATION)


CALLS = [fetch, create, remove]


async def outcome(call: Callable[[ConversationsClient], Any], client: ConversationsClient) -> Any:
    """Give what a call returns, or the error that it may raise; any other one fails the test."""
    try:
        async with asyncio.timeout(20):
            return await call(client)
    except ConversationsError as error:
        check_texts(error)
        return error


def check_texts(error: ConversationsError) -> None:
    """Make sure that nothing raw is in what is printed of an error."""
    line = f"{error} {error!r} {error.request_id}"
    assert line.isprintable()
    assert len(line) < 1500
    whole = "".join(traceback.format_exception(error))
    assert whole.replace("\n", "").isprintable()
    whole.encode()


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nobody complains of a lost exception, and nothing raw is in the log."""
    caplog.set_level(logging.DEBUG)
    yield
    for record in caplog.get_records("call"):
        text = record.getMessage()
        if record.name == "conversations_async":
            assert text.isprintable()
        assert not (record.name == "asyncio" and record.levelno >= logging.ERROR), text


@frozen
class Case:
    """An answer, and what becomes of it."""

    raw: bytes
    #: What is raised; None where the answer is right.
    error: type[ConversationsError] | None = None
    #: Whether the server ends the connection with it.
    ends: bool = False
    #: Whether the connection may be used again; None where it does not matter.
    kept: bool | None = None
    #: Whether aiohttp refuses it where Python runs in development mode, and takes it elsewhere.
    lax: bool = False


def lost(raw: bytes, *, ends: bool = False) -> Case:
    """Make the case of an answer that is no HTTP, or whose length is in doubt."""
    return Case(raw, TransportError, ends, kept=False)


ZIPPED = gzip.compress(BODY)
NESTED = b"[" * 100_000 + b"]" * 100_000
GZIP = b"Content-Encoding: gzip"
DEFLATE = b"Content-Encoding: deflate"
CHUNKED = b"Transfer-Encoding: chunked"
LENGTH = b"Content-Length: %d" % len(BODY)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"

CASES = {
    # lengths
    "two lengths": lost(framed(LENGTH, b"Content-Length: %d" % (len(BODY) - 1))),
    "one length twice": lost(framed(LENGTH, LENGTH)),
    "a list of lengths": lost(framed(LENGTH + b", %d" % len(BODY))),
    "negative length": lost(framed(b"Content-Length: -1")),
    "length with a plus": lost(framed(b"Content-Length: +%d" % len(BODY))),
    "length in hex": lost(framed(b"Content-Length: 0x10")),
    "length of 5,000 digits": lost(framed(b"Content-Length: " + b"9" * 5000)),
    "length of 2^64": lost(framed(b"Content-Length: %d" % 2**64)),
    "length and chunks": lost(framed(LENGTH, CHUNKED, body=chunked(BODY))),
    "chunks and length": lost(framed(CHUNKED, LENGTH, body=chunked(BODY))),
    "more than the length": lost(ok() + b"more"),
    "to the end": Case(framed(), ends=True),
    "identity": Case(framed(b"Transfer-Encoding: identity"), ends=True),
    "chunked and identity": Case(framed(b"Transfer-Encoding: chunked, identity"), ends=True),
    "chunks": Case(framed(CHUNKED, body=chunked(BODY[:9], BODY[9:])), kept=True),
    "chunk of negative size": lost(framed(CHUNKED, body=b"-1\r\n" + BODY)),
    "chunk of no size": lost(framed(CHUNKED, body=b"\r\n" + BODY)),
    "chunk of 2^64": lost(framed(CHUNKED, body=b"1" + b"0" * 16 + b"\r\n" + BODY)),
    "chunk longer than its size": lost(framed(CHUNKED, body=b"5\r\n" + BODY + b"\r\n0\r\n\r\n")),
    "chunks without an end": lost(framed(CHUNKED, body=chunked(BODY)[:-5]), ends=True),
    "a thousand trailers": lost(framed(CHUNKED, body=chunked(BODY)[:-2] + b"A: b\r\n" * 1000 + b"\r\n")),
    "a trailer of 1 MB": lost(framed(CHUNKED, body=chunked(BODY)[:-2] + b"A: " + b"b" * MIB + b"\r\n\r\n")),
    # headers
    "10,000 headers": lost(ok(*[b"A: b"] * 10_000)),
    "header of 1 MB": lost(ok(b"A: " + b"b" * MIB)),
    "header with a name of 1 MB": lost(ok(b"a" * MIB + b": b")),
    "reason of 1 MB": lost(ok().replace(b"OK", b"O" * MIB, 1)),
    "no colon": lost(ok(b"none")),
    "no name": lost(ok(b": none")),
    "space before the colon": lost(ok(b"A : b")),
    "NUL": lost(ok(b"A: b\0c")),
    "two content types": Case(ok(b"Content-Type: text/html"), lax=True),
    "a folded header": Case(ok(b"X: a\r\n b"), lax=True),
    "a control character": Case(ok(b"X: \x1b[31m"), lax=True),
    "ends of lines without CR": Case(ok().replace(b"\r\n", b"\n"), lax=True),
    "two request ids": Case(ok(b"Twilio-Request-Id: RQ1", b"Twilio-Request-Id: RQ2")),
    "another content type": Case(answer(200, BODY, headers={"Content-Type": "text/html; charset=utf-16"})),
    "no content type": Case(ok().replace(b"Content-Type", b"X-Type"), kept=True),
    # status lines
    **{
        f"status {status!r}": lost(answer(200, BODY).replace(b"200", status, 1))
        for status in (b"", b"0", b"20", b"2000", b"-20", b"2.0", b"OK", b"\xc2\xb2\x30\x30", b"\x1b[0m")
    },
    **{
        f"status {status}": Case(answer(200, b"{}").replace(b"200", b"%03d" % status, 1), APIError)
        for status in (0, 99, 300, 600, 999)
    },
    "an interim status that nobody knows": Case(b"HTTP/1.1 199 X\r\n\r\n" + ok()),
    "HTTP/0.9": lost(BODY, ends=True),
    "HTTP/1.0": Case(framed().replace(b"1.1", b"1.0"), ends=True),
    "HTTP/9.9": lost(ok().replace(b"1.1", b"9.9")),
    "HTTP/2": lost(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a frame of HTTP/2": lost(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64"),
    "TLS": lost(b"\x15\x03\x01\x00\x02\x02\x50"),
    "another protocol": lost(b"ICY 200 OK\r\n\r\n", ends=True),
    "SSH": lost(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "nothing": lost(b"", ends=True),
    "end of a line": lost(b"\r\n", ends=True),
    # interim answers, and answers without a body
    "100, 102 and 103": Case(
        INTERIM + b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok()
    ),
    "a thousand interim answers": Case(INTERIM * 1000 + ok()),
    "interim answers and the end": lost(INTERIM * 10, ends=True),
    "interim answer with a body": lost(b"HTTP/1.1 100 X\r\nContent-Length: 5\r\n\r\nabcde" + ok()),
    "another protocol from here on": Case(
        b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n", APIError
    ),
    "204 with a body": lost(b"HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\nabcde"),
    "204 with a length": Case(b"HTTP/1.1 204 X\r\nContent-Length: 99999999999\r\n\r\n", DecodeError),
    "304": Case(b"HTTP/1.1 304 X\r\nContent-Length: 99999999999\r\n\r\n", APIError),
    # encodings
    "zipped": Case(ok(GZIP, body=ZIPPED), kept=True),
    "zipped in two parts": Case(ok(GZIP, body=gzip.compress(BODY[:9]) + gzip.compress(BODY[9:]))),
    "half of a gzip file": Case(ok(GZIP, body=ZIPPED[:30]), DecodeError),
    "the head of a gzip file": Case(ok(GZIP, body=ZIPPED[:5]), DecodeError),
    "an empty gzip file": Case(ok(GZIP, body=b""), DecodeError),
    "a gzip file and more": lost(ok(GZIP, body=ZIPPED + b"more"), ends=True),
    "a gzip file with a wrong sum": lost(ok(GZIP, body=ZIPPED[:-8] + bytes(8)), ends=True),
    "no gzip file": lost(ok(GZIP), ends=True),
    "a gzip file in another": Case(ok(GZIP + b", gzip", body=gzip.compress(ZIPPED)), DecodeError),
    "two encodings": Case(ok(GZIP, GZIP, body=gzip.compress(ZIPPED)), DecodeError),
    "deflate": Case(ok(DEFLATE, body=zlib.compress(BODY))),
    "deflate without a head": Case(ok(DEFLATE, body=zlib.compress(BODY)[2:-4])),
    "half of a deflate file": lost(ok(DEFLATE, body=zlib.compress(BODY)[:-9]), ends=True),
    "no brotli": lost(ok(b"Content-Encoding: br"), ends=True),
    "no zstd": lost(ok(b"Content-Encoding: zstd"), ends=True),
    "an encoding that nobody knows": Case(ok(b"Content-Encoding: x-none")),
    "an encoding that is none": Case(ok(b"Content-Encoding: gz\xc4\xb1p")),
    "UTF-16": Case(ok(body=BODY.decode().encode("utf-16")), DecodeError),
    "a byte order mark": Case(ok(body=b"\xef\xbb\xbf" + BODY), DecodeError),
    "latin-1": Case(ok(body='{"sid":"é"}'.encode("latin-1")), DecodeError),
    # JSON
    "HTML": Case(answer(200, b"<html>" * 99, headers={"Content-Type": "text/html"}), DecodeError),
    "no body": Case(ok(body=b""), DecodeError),
    "deep": Case(ok(body=NESTED), DecodeError),
    "deep within": Case(ok(body=b'{"sid":"\\ud800","more":' + NESTED + b"}"), DecodeError),
    "not a number": Case(ok(body=BODY[:-1] + b',"more":NaN}'), DecodeError),
    "a number of 10^5 digits": Case(ok(body=BODY[:-1] + b',"more":' + b"9" * 10**5 + b"}")),
    "a SID of 10^5 digits": Case(ok(body=b'{"sid":' + b"9" * 10**5 + b"}"), DecodeError),
    "a member twice": Case(ok(body=b'{"sid":"CH1",' + BODY[1:])),
}


@pytest.mark.parametrize("name", CASES)
async def test_any_answer_is_an_error_of_ours_or_right(name: str) -> None:
    """A read gives what was meant or a typed error; and the next call has a sound connection."""
    case = CASES[name]
    async with Hostile(raw=case.raw, ends=case.ends) as server, connect(server) as client:
        found = await outcome(fetch, client)
        if case.lax and sys.flags.dev_mode:
            assert type(found) is TransportError
        elif case.error is None:
            assert (type(found), found.sid) == (Conversation, CONVERSATION)
        else:
            assert type(found) is case.error
            assert not found.ambiguous
        again = await outcome(fetch, client.with_options(retry=RetryPolicy(base_delay=0)))
        assert again.sid == OTHER
        if case.kept is not None:
            assert server.later == case.kept


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].error is not None])
async def test_no_write_is_lost_in_an_answer(name: str) -> None:
    """Whatever is wrong with the answer to a POST, it is sent once, and may have been carried out."""
    case = CASES[name]
    retry = RetryPolicy(base_delay=0)
    async with Hostile(raw=case.raw, ends=case.ends) as server, connect(server, retry=retry) as client:
        found = await outcome(create, client)
        assert type(found) is case.error
        assert found.ambiguous
        assert len(server.requests) == 1


@pytest.mark.parametrize("call", CALLS)
async def test_what_was_refused_was_not_done(call: Callable[[ConversationsClient], Any]) -> None:
    """After 4xx no write is in doubt, however odd the rest of the answer is."""
    raw = ok(b"A: b", b"A: c", body=b'["').replace(b"200 OK", b"404 \xff")
    async with Hostile(raw=raw) as server, connect(server) as client:
        found = await outcome(call, client)
        assert (type(found), found.ambiguous) == (NotFoundError, False)


# ------------------------------------------------------------------------------------------------ too much


def bomb(encoding: str) -> bytes:
    """Make half a MiB that becomes half a GiB of zeros; what would follow these is missing."""
    if encoding == "br":
        brotli = pytest.importorskip("brotli")
        content: bytes = brotli.compress(bytes(64 * MIB), quality=1)
        return content
    window = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}[encoding]
    packer = zlib.compressobj(9, wbits=window)
    head = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    # after a full flush, a block needs nothing of what was before it
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * 511


FRAMES: dict[str, Callable[[bytes], bytes]] = {
    "length": lambda body: b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
    "chunks": lambda body: b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body),
    "end": lambda body: b"\r\n" + body,
}


@pytest.mark.parametrize(
    ("encoding", "frame", "status"),
    [
        ("gzip", "length", 200),
        ("gzip", "chunks", 200),
        ("gzip", "end", 500),
        ("deflate", "length", 400),
        ("br", "chunks", 200),
    ],
)
async def test_a_bomb_is_not_unpacked(encoding: str, frame: str, status: int) -> None:
    """Of what would become half a GiB, an answer or an error, no more is ever held than a few MiB."""
    head = b"HTTP/1.1 %d X\r\nContent-Encoding: %b\r\n" % (status, encoding.encode())
    raw = head + FRAMES[frame](bomb(encoding))
    async with (
        Hostile(raw=raw, ends=frame == "end") as server,
        connect(server, max_response_size=MIB, retry=RetryPolicy(base_delay=0)) as client,
    ):
        tracemalloc.start()
        try:
            found = await outcome(create, client)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert type(found) is ResponseTooLargeError
        assert str(found).startswith("POST /v1/Conversations: the answer is larger than 1048576 bytes")
        assert found.status == status
        assert peak < 10 * MIB
        assert (await fetch(client)).sid == OTHER
        assert server.later == 0


async def test_a_bomb_may_be_a_page() -> None:
    """The items of the pages before it come first."""
    raw = OK + b"Content-Encoding: gzip\r\n" + FRAMES["length"](bomb("gzip"))
    async with Scripted() as server, connect(server, max_response_size=MIB) as client:
        link = f"{server.url}/v1/Conversations?PageToken=x"
        server.script.extend([answer(200, page("conversations", [{"sid": OTHER}], link)), raw])
        found = []
        with pytest.raises(ResponseTooLargeError):
            async for item in client.conversations.stream():
                found.append(item.sid)
        assert found == [OTHER]


@asynccontextmanager
async def files(*entries: bytes | None, **options: Any) -> AsyncIterator[tuple[Scripted, Any]]:
    """Serve a file of a service, whose contents are the entries."""
    async with Scripted() as server, connect(server, **options) as client:
        links = {"content_direct_temporary": f"{server.url}/file"}
        server.script.append(answer(200, {"sid": MEDIA, "size": MIB, "links": links}))
        server.script.extend(entries)
        yield server, client.service(SERVICE).media


async def download(media: Any) -> int:
    """Count the bytes of a file."""
    async with media.download(MEDIA) as chunks:
        return sum([len(chunk) async for chunk in chunks])


@pytest.mark.parametrize("status", [200, 403])
async def test_a_download_may_be_a_bomb(status: int) -> None:
    """Neither the file, which is larger than its size, nor the error in its place is unpacked."""
    raw = b"HTTP/1.1 %d X\r\nContent-Encoding: gzip\r\n" % status + FRAMES["length"](bomb("gzip"))
    async with files(raw, max_response_size=MIB) as (_, media):
        tracemalloc.start()
        try:
            with pytest.raises(TransportError, match=r"larger than 1048576|more than 1048576"):
                await download(media)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 10 * MIB


ENDLESS = {
    "to the end": (b"\r\n", b"x" * 9999),
    "chunks": (b"Transfer-Encoding: chunked\r\n\r\n", chunked(b"x" * 9999)[:-5]),
    "length": (b"Content-Length: 9000000000000000000\r\n\r\n", b"x" * 9999),
    "404": (b"\r\n", b"x" * 9999),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ENDLESS)
async def test_an_endless_answer(name: str, call: Callable[[ConversationsClient], Any]) -> None:
    """It is left where it becomes too large, also where nobody needs it, and its connection is closed."""
    lines, more = ENDLESS[name]
    left = asyncio.Event()

    async def play(_: object, writer: asyncio.StreamWriter) -> None:
        writer.write(OK.replace(b"200 OK", b"404 X" if name == "404" else b"200 OK") + lines)
        try:
            while True:
                writer.write(more)
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            left.set()

    async with Played(play=play) as server, connect(server, max_response_size=10**5) as client:
        found = await outcome(call, client)
        assert type(found) is ResponseTooLargeError
        assert found.ambiguous == (call is not fetch and name != "404")
        async with asyncio.timeout(5):
            await left.wait()


async def test_a_length_beyond_the_limit_is_enough() -> None:
    """Nothing is read of an answer that says itself that it is too large."""
    raw = framed(b"Content-Length: 1000001", body=b"")
    async with Hostile(raw=raw) as server, connect(server, max_response_size=10**6) as client:
        assert type(await outcome(fetch, client)) is ResponseTooLargeError
        assert (await fetch(client)).sid == OTHER
        assert server.later == 0


@pytest.mark.parametrize("raw", [ok(), ok(GZIP, body=ZIPPED), framed(CHUNKED, body=chunked(BODY))])
async def test_the_limit_is_what_it_says(raw: bytes) -> None:
    """A body of the limit is read, and one more byte is too many, however it is packed."""
    async with Scripted.of([raw]) as server:
        async with connect(server, max_response_size=len(BODY)) as client:
            assert (await fetch(client)).sid == CONVERSATION
        async with connect(server, max_response_size=len(BODY) - 1) as client:
            assert type(await outcome(fetch, client)) is ResponseTooLargeError


async def test_what_is_too_large_is_not_asked_for_again() -> None:
    """It would be as large the next time."""
    async with Scripted.of([ok()]) as server, connect(server, max_response_size=1) as client:
        found = await outcome(fetch, client.with_options(retry=RetryPolicy(base_delay=0)))
        assert (type(found), len(server.requests)) == (ResponseTooLargeError, 1)


# ------------------------------------------------------------------------------------------------ too slow


async def drip(writer: asyncio.StreamWriter, parts: Iterable[bytes], seconds: float) -> None:
    """Send one part after the other, until nobody listens."""
    with suppress(ConnectionError):
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(seconds)


DRIPS = {
    "status line": (b"HTTP/1.1 200 ", b"x"),
    "headers": (OK + b"A: ", b"x"),
    "body": (framed(b"Content-Length: 100000", body=b""), b" "),
    "size of a chunk": (framed(CHUNKED, body=b""), b"0"),
    "chunks": (framed(CHUNKED, body=b""), b"1\r\nx\r\n"),
    "trailer": (framed(CHUNKED, body=b"0\r\nA: "), b"x"),
    "zipped body": (framed(GZIP, CHUNKED, body=b""), chunked(gzip.compress(b""))[:-5]),
    "interim answers": (b"", INTERIM),
    "empty lines": (b"", b"\r\n"),
    "error": (framed(body=b"").replace(b"200", b"503"), b" "),
}


@pytest.mark.parametrize("name", DRIPS)
async def test_a_drip_does_not_hold_up_a_call(name: str) -> None:
    """Whatever moves and never ends, an attempt ends in its time, and the call in that of the policy."""
    head, drop = DRIPS[name]

    async def play(_: object, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await drip(writer, (drop for _ in count()), 0.005)

    retry = RetryPolicy(max_attempts=99, base_delay=0, total_timeout=0.2)
    async with Played(play=play) as server, connect(server, retry=retry, timeout=0.09) as client:
        start = time.monotonic()
        assert type(await outcome(fetch, client)) is RequestTimeoutError
        assert len(server.requests) <= 4
        assert time.monotonic() - start < 10  # it guards against hanging alone
        found = await outcome(create, client)
        assert (type(found), found.ambiguous) == (RequestTimeoutError, True)


async def test_interim_answers_without_end() -> None:
    """They are no answer, however fast they come."""

    async def play(_: object, writer: asyncio.StreamWriter) -> None:
        await drip(writer, (INTERIM * 99 for _ in count()), 0)

    async with Played(play=play) as server, connect(server, timeout=0.1) as client:
        assert type(await outcome(fetch, client)) is RequestTimeoutError


@pytest.mark.parametrize(
    "raw", [ok(), framed(CHUNKED, body=chunked(BODY, b" ")), INTERIM + ok(GZIP, body=ZIPPED)]
)
async def test_a_drip_in_time_is_an_answer(raw: bytes) -> None:
    """An answer may come byte by byte."""

    async def play(_: object, writer: asyncio.StreamWriter) -> None:
        await drip(writer, (raw[place : place + 1] for place in range(len(raw))), 0)
        await asyncio.Event().wait()

    async with Played(play=play) as server, connect(server) as client:
        assert (await fetch(client)).sid == CONVERSATION


# ------------------------------------------------------------------------------------------------ cut off


@pytest.mark.parametrize("how", ["FIN", "RST"])
@pytest.mark.parametrize(
    "raw", [ok(), framed(CHUNKED, body=chunked(BODY)), INTERIM + ok()], ids=["length", "chunks", "interim"]
)
async def test_every_beginning_of_an_answer(raw: bytes, how: str) -> None:
    """Wherever an answer is cut off, the call fails, and says of a write that its outcome is unknown."""
    place = 0

    async def play(_: object, writer: asyncio.StreamWriter) -> None:
        writer.write(raw[:place])
        await writer.drain()
        if how == "RST":
            await asyncio.sleep(0)
            raw_socket: socket.socket = writer.get_extra_info("socket")
            raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async with Played(play=play) as server, connect(server) as client:
        for place in range(0, len(raw), 1 if how == "FIN" else 7):  # noqa: B007  # the server reads it
            found = await outcome(create, client)
            assert type(found) is TransportError
            assert found.ambiguous
        assert len(server.requests) == len(range(0, len(raw), 1 if how == "FIN" else 7))


# --------------------------------------------------------------------------------------- between requests


SPOKEN = {
    "another answer": answer(200, {"sid": CONVERSATION}),
    "an error": answer(404),
    "a time-out": answer(408, headers={"Connection": "close"}),
    "what is no answer": b"\0",
    "the end": b"",
}


@pytest.mark.parametrize("call", [fetch, create])
@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("name", SPOKEN)
async def test_what_comes_between_two_requests_answers_neither(
    name: str, call: Callable[[ConversationsClient], Any], *, seen: bool
) -> None:
    """A second answer, or an error to one who is silent, is not taken for the answer to the next request."""
    spoken = asyncio.Event()
    asked = asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD)
        await writer.drain()
        if len(server.requests) == 1:
            await asked.wait()
            # past the event loop, so that it has arrived when the client goes on
            raw_socket = socket.socket(fileno=socket.dup(writer.get_extra_info("socket").fileno()))
            with raw_socket:
                raw_socket.send(SPOKEN[name]) if SPOKEN[name] else raw_socket.shutdown(socket.SHUT_WR)
            spoken.set()
        await reader.read()

    async with Played(play=play) as server, connect(server) as client, asyncio.timeout(10):
        assert (await fetch(client)).sid == OTHER
        asked.set()
        await spoken.wait()
        if seen:  # by the client, too
            await asyncio.sleep(0.01)
        assert (await call(client)).sid == OTHER
        assert len(server.requests) == 2


async def test_two_answers_at_once_are_one() -> None:
    """The second of two answers to one request is dropped, with its connection."""
    raw = ok() + answer(200, {"sid": "CH1"})
    async with Hostile(raw=raw) as server, connect(server) as client:
        assert (await fetch(client)).sid == CONVERSATION
        assert (await fetch(client)).sid == OTHER
        assert server.later == 0


async def test_an_answer_before_the_question() -> None:
    """A server that answers whoever connects, asked or not, confuses nobody but the first."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ok())
        with suppress(ConnectionError):
            await writer.drain()
            await reader.read(1)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        ConversationsClient(
            ACCOUNT_SID, AUTH_TOKEN, base_url=f"http://127.0.0.1:{port}", retry=ONCE, timeout=5
        ) as client,
    ):
        for _ in range(9):
            found = await outcome(fetch, client)
            assert isinstance(found, TransportError) or found.sid == CONVERSATION


async def test_cookies_are_not_kept() -> None:
    """What a server asks to be told again, it is not told again."""
    raw = ok(b"Set-Cookie: a=b; Path=/", b"Set-Cookie: \xff=,;;=")
    async with Scripted.of([raw]) as server:
        named = server.url.replace("127.0.0.1", "localhost")  # for an address, nobody keeps any
        async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=named, retry=ONCE) as client:
            for _ in range(2):
                assert (await fetch(client)).sid == CONVERSATION
        assert all("Cookie" not in request.headers for request in server.requests)


async def test_tls_is_spoken_to_one_who_does_not() -> None:
    """A server without TLS gets nothing, so that nothing can have been done."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer(400))
        writer.close()

    server = await asyncio.start_server(play, "127.0.0.1")
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with (
        server,
        ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=url, retry=ONCE, timeout=5) as client,
    ):
        found = await outcome(create, client)
        assert isinstance(found, TransportError)
        assert (found.sent, found.ambiguous) == (False, False)


async def test_a_connection_that_is_lost_while_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What aiohttp has no error of its own for is a lost connection, in an answer and in a download."""

    async def read(*_: object) -> bytes:
        raise RuntimeError("Connection closed.")

    async with files(answer(200, bytes(MIB))) as (server, media):
        async with media.download(MEDIA) as chunks:
            with monkeypatch.context() as patched:
                patched.setattr("aiohttp.StreamReader.read", read)
                with pytest.raises(TransportError, match="the connection was lost"):
                    await anext(chunks)
        with monkeypatch.context() as patched:
            patched.setattr("aiohttp.StreamReader.read", read)
            with pytest.raises(TransportError, match="the connection was lost"):
                await media.fetch(MEDIA)
        assert len(server.requests) == 3


# ------------------------------------------------------------------------------------------------ lists


def chain(server: Scripted, sizes: Iterable[int]) -> Iterator[bytes]:
    """Render pages of so many items, each of which has a link that was never seen before."""
    sid = (f"CH{number:032x}" for number in count())
    for number, size in enumerate(sizes):
        items = [{"sid": item} for item in islice(sid, size)]
        link = f"{server.url}/v1/Conversations?PageToken={number}"
        yield answer(200, page("conversations", items, link, index=-number))


@define
class Chained(Scripted):
    """Serves pages that go on, of so many items each."""

    sizes: Iterable[int] = field(kw_only=True)
    _pages: Iterator[bytes] | None = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self._pages = self._pages or chain(self, self.sizes)
        self.requests.append(await read_head(reader))
        writer.write(next(self._pages))
        await writer.drain()
        return True


@pytest.mark.parametrize("read_ahead", [0, 2])
@pytest.mark.parametrize("before", [[], [2], [0] * 99 + [1]])
async def test_empty_pages_without_end(before: list[int], read_ahead: int) -> None:
    """A list that goes on and has no items ends with an error after a hundred pages, and not before."""
    sizes = (size for sizes in (before, (0 for _ in count())) for size in sizes)
    async with Chained(sizes=sizes) as server, connect(server) as client:
        found = []
        with pytest.raises(PaginationError, match="100 pages in a row were empty") as caught:
            async for item in client.conversations.stream(read_ahead=read_ahead):
                found.append(item)
        check_texts(caught.value)
        assert len(found) == sum(before)
        assert len(server.requests) == len(before) + 100


async def test_pages_that_are_empty_now_and_then() -> None:
    """Pages without items are no error while items come in between, be they few."""
    sizes = [*([0] * 99 + [1]) * 3, 10]
    async with Chained(sizes=sizes) as server, connect(server) as client:
        found = [item.sid async for item in client.conversations.stream(limit=13)]
        assert len(found) == len(set(found)) == 13
        assert len(server.requests) == len(sizes)


async def test_a_list_without_end_is_read_as_far_as_one_likes() -> None:
    """Links with tokens that are always new lead no further than the limit."""
    async with Chained(sizes=(3 for _ in count())) as server, connect(server) as client:
        assert len(await client.conversations.stream(limit=100).list()) == 100
        assert len(server.requests) == 34


async def test_a_page_of_any_size() -> None:
    """A page with more items than it was asked for is read, and not beyond the limit."""
    items = [{"sid": f"CH{number:032x}"} for number in range(10**4)]
    meta = {"key": "conversations", "page": -1, "page_size": -(2**63), "next_page_url": None}
    async with (
        Scripted.of([answer(200, {"meta": meta, "conversations": items})]) as server,
        connect(server) as client,
    ):
        [whole] = [page async for page in client.conversations.stream(page_size=50).pages()]
        assert (len(whole.items), whole.page_size) == (10**4, -(2**63))
        assert len(await client.conversations.stream(page_size=50, limit=70).list()) == 70


@pytest.mark.parametrize(
    "link",
    [
        "",
        "/v1/Conversations",
        "//evil.test/v1/Conversations",
        "http://[::1",
        "http://[::1]:99999/",
        "http://\ud800/",
        "\x1b[31m",
        "http:" + "/" * 9999,
        "javascript:alert(1)",
        "ORIGIN:1/v1/Conversations",
        "ORIGIN@evil.test/v1/Conversations",
        "ORIGIN/v1/\r\nX: y",
        "ORIGIN/v1/Conversations#" + "9" * 9999,
    ],
)
async def test_links_that_lead_nowhere(link: str) -> None:
    """The items come, and a link that is none, or leads elsewhere, is the end of the list or an error."""
    async with Scripted() as server, connect(server) as client:
        link = link.replace("ORIGIN", server.url)
        server.script.append(answer(200, page("conversations", [{"sid": OTHER}], link)))
        found = []

        async def read(client: ConversationsClient) -> None:
            async for item in client.conversations.stream(read_ahead=0):
                found.append(item.sid)

        error = await outcome(read, client)
        assert isinstance(error, PaginationError | None)
        assert set(found) == {OTHER}
        assert len(server.requests) <= 2


# ------------------------------------------------------------------------------------------------ texts


ODD = "\x1b[31m\x9b\u202e\udcff\x07\x01"
ODD_BYTES = b"\x1b[31m\xc2\x9b\xff\x07\x01"


@pytest.mark.parametrize("status", [200, 429, 503])
async def test_nothing_raw_is_told(status: int, caplog: pytest.LogCaptureFixture) -> None:
    """No control character of an answer, of its headers, reason or body, is in an error or in the log."""
    body = json.dumps(
        {"sid": ODD, "code": ODD, "message": ODD, "more_info": ODD, ODD: ODD, "friendly_name": 5}
    )
    names = b"Twilio-Request-Id", b"Retry-After", b"Content-Type", b"Location", b"WWW-Authenticate"
    raw = ok(*[name + b": " + ODD_BYTES for name in names], body=body.encode()).replace(
        b"200 OK", b"%d " % status + ODD_BYTES
    )
    async with Scripted.of([raw]) as server, connect(server) as client:
        retry = RetryPolicy(max_attempts=2, base_delay=0)
        found = await outcome(fetch, client.with_options(retry=retry))
        assert isinstance(found, (DecodeError if status == 200 else APIError) | TransportError)
        assert [record for record in caplog.records if record.name == "conversations_async"]


async def test_the_id_of_a_request_is_kept() -> None:
    """An id as the API gives it is passed on as it is, and a longer one is cut."""
    good = "RQ" + "0123456789abcdef" * 2
    for sent, told in {good: good, "R" * 999: "R" * 100, "a\x1bb\x9b": "a?b?"}.items():
        raw = ok(b"Twilio-Request-Id: " + sent.encode("latin-1"), body=b"{}").replace(b"200", b"404")
        async with Scripted.of([raw]) as server, connect(server) as client:
            found = await outcome(fetch, client)
            if type(found) is NotFoundError:  # aiohttp may be more strict
                assert found.request_id == told


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"1e308", None),
        (b"-1", 0.0),
        (b"NaN", None),
        (b"inf", None),
        (b"9" * 8000, 1.7976931348623157e308),
        (b"-" + b"9" * 8000, 0.0),
        (b"7, 8", None),
        (b"7\r\nRetry-After: 9", 7.0),
        (b"Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        (b"Fri, 31 Dec 9999 23:59:59 +9999", None),
        (b"Mon, 01 Jan 99999 00:00:00 GMT", None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
)
async def test_no_wait_is_absurd(value: bytes, seconds: float | None) -> None:
    """A wait that cannot be read counts as none, and one that is too long is not waited for."""
    raw = ok(b"Retry-After: " + value, body=b"{}").replace(b"200", b"503")
    async with Scripted.of([raw]) as server, connect(server) as client:
        retry = RetryPolicy(max_attempts=2, base_delay=0, total_timeout=5)
        found = await outcome(fetch, client.with_options(retry=retry))
        assert (type(found), found.retry_after) == (ServerError, seconds)
        assert len(server.requests) == (1 if seconds is not None and seconds > 5 else 2)


@pytest.mark.parametrize(
    "code", [b"9" * 400, b"9" * 4300, b"9" * 10**5, b"-" + b"9" * 99, b"1e99999", b'"5"', b"[]"]
)
async def test_no_code_is_absurd(code: bytes) -> None:
    """A code that is none of the API's does not make the error's line longer, nor cost its message."""
    raw = ok(body=b'{"message":"Nothing there","code":%b}' % code).replace(b"200", b"404")
    async with Scripted.of([raw]) as server, connect(server) as client:
        found = await outcome(fetch, client)
        assert found.code is None
        if not code.strip(b"9") or code.startswith(b"-"):
            assert len(str(found)) < 200


# ------------------------------------------------------------------------------------------------ at random


def play_once(raw: bytes, call: Callable[[ConversationsClient], Any]) -> Any:
    """Give the outcome of a call that is answered with anything and the end of the connection."""

    async def play(_: object, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)

    async def run() -> Any:
        async with Played(play=play) as server, connect(server, max_response_size=MIB) as client:
            found = await outcome(call, client)
            assert len(server.requests) == 1
            return found

    return asyncio.run(run())


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=200), st.sampled_from([b"", CHUNKED, GZIP, DEFLATE, LENGTH, b"Content-Encoding: br"])
)
def test_any_bytes_after_a_head(body: bytes, line: bytes) -> None:
    """Whatever comes where a body should be, a write that fails is in doubt, and fails with our error."""
    found = play_once(framed(*[line] * bool(line), body=body), create)
    assert isinstance(found, Conversation) or found.ambiguous


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw an answer in which bytes were changed, lost, doubled or added."""
    raw = draw(
        st.sampled_from(
            [ok(), ok(GZIP, body=ZIPPED), framed(CHUNKED, body=chunked(BODY[:9], BODY[9:])), INTERIM + ok()]
        )
    )
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(raw)))
        end = start + draw(st.integers(0, 20))
        part = raw[start:end]
        other = draw(
            st.sampled_from(
                [b"", part * 2, bytes(byte ^ 1 << draw(st.integers(0, 7)) for byte in part[:1]) + part[1:]]
            )
            | st.binary(max_size=5)
        )
        raw = raw[:start] + other + raw[end:]
    return raw


@settings(max_examples=150, deadline=None)
@given(damaged())
def test_any_damaged_answer(raw: bytes) -> None:
    """However an answer was damaged on its way, it is a model or an error of ours."""
    found = play_once(raw, create)
    if isinstance(found, ConversationsError):
        refused = found.status is not None and 400 <= found.status < 500
        assert found.ambiguous or refused
    else:
        assert type(found) is Conversation

"""A server of messages that costs its clients nothing to speak of: all that it sends is made beforehand.

The name of the conversation says what list it is: ``3-pages-100-ms-0`` has three pages, and each answer waits
100 ms; the last figure tells it from others like it. Every page of a size is the same but for its links, so
that a list of any length needs no memory.
"""

import asyncio
import functools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Final, cast

from .loopback import ACCOUNT_SID, Line, beside, connected, pin, process, spare_core

#: The index of the one message that is fetched, and of every message that is created.
INDEX: Final = 7

_TARGET: Final = re.compile(
    rb"/v1/Conversations/(?P<name>(?P<pages>\d+)-pages-(?P<ms>\d+)-ms-\d+)/Messages"
    rb"(?:/IM[0-9a-f]{32}|\?PageSize=(?P<size>\d+)(?:&Page=(?P<page>\d+)&PageToken=\w+)?|)"
)
_BODIES: Final = (
    "Ahoy! Is the blue one still to be had, and what would it cost to send it to Lisbon?",
    "It is: 24.90 with the post, and it would be with you by Thursday.",
    "Then I take it. The address is the one that you have.",
    "Thank you, it is on its way. You will get a number to follow it by tomorrow morning.",
    "It came, many thanks, and the colour is even better than in the picture 🙂",
)
_PLACE: Final = "https://conversations.twilio.com/v1/Conversations/CH" + "c" * 32 + "/Messages"


def conversation(pages: int = 1, *, latency: int = 0, number: int = 0) -> str:
    """Name a conversation whose list has so many pages, each of which waits so many milliseconds."""
    return f"{pages}-pages-{latency}-ms-{number}"


def message(index: int) -> dict[str, Any]:
    """Make a message as the API gives them; every fifth has a delivery, and every tenth a file."""
    sid, media, delivery = f"IM{index:032x}", None, None
    if index % 5 == 4:
        delivery = {"total": 2, "sent": "all", "delivered": "some", "read": "some"}
        delivery |= {"failed": "none", "undelivered": "none"}
    if index % 10 == 9:
        media = [
            {"sid": f"ME{index:032x}", "size": 42056, "content_type": "image/jpeg", "filename": "boat.jpg"}
        ]
    moment = f"2026-03-01T12:{index // 60 % 60:02}:{index % 60:02}Z"
    return {
        "sid": sid,
        "account_sid": ACCOUNT_SID,
        "conversation_sid": "CH" + "c" * 32,
        "body": None if media else _BODIES[index % len(_BODIES)],
        "media": media,
        "author": ("smee", "+15558675310", "wendy@example.com")[index % 3],
        "participant_sid": f"MB{index % 3:032x}",
        "attributes": '{"importance": "high"}' if index % 4 == 0 else "{}",
        "date_created": moment,
        "date_updated": moment,
        "index": index,
        "delivery": delivery,
        "content_sid": None,
        "url": f"{_PLACE}/{sid}",
        "links": {
            "delivery_receipts": f"{_PLACE}/{sid}/Receipts",
            "channel_metadata": f"{_PLACE}/{sid}/ChannelMetadata",
        },
    }


def encoded(value: Any) -> bytes:
    """Write JSON as the API does."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@functools.cache
def _messages(size: int) -> bytes:
    return encoded([message(index) for index in range(size)])


#: The body of the answer to a fetch, and to a create.
ONE: Final = encoded(message(INDEX))


def _answer(status: bytes, *parts: bytes) -> list[bytes]:
    head = (
        b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json;charset=utf-8\r\n"
        b"Twilio-Request-Id: RQ" + b"0" * 32 + b"\r\nContent-Length: %d\r\n\r\n" % sum(map(len, parts))
    )
    return [head, *parts]


class Server:
    """What was asked for until now, and the answers."""

    def __init__(self) -> None:
        self.origin = ""
        self._fetched = _answer(b"200 OK", ONE)
        self._created = _answer(b"201 Created", ONE)
        self.under_way = 0
        self.reset()

    def reset(self) -> None:
        """Count from 0 again."""
        self.seen = {"pages": 0, "fetches": 0, "creates": 0, "others": 0, "at once": 0}

    def answer(self, method: bytes, target: bytes) -> tuple[list[bytes], int]:
        """Give the parts of an answer, and how many milliseconds it waits."""
        if target == b"/seen":
            seen = encoded(self.seen)
            self.reset()
            return _answer(b"200 OK", seen), 0
        found = _TARGET.fullmatch(target)
        self.under_way += 1
        self.seen["at once"] = max(self.seen["at once"], self.under_way)
        if found is None:
            self.seen["others"] += 1
            return _answer(b"404 Not Found", b'{"code":20404,"message":"not found","status":404}'), 0
        latency = int(found["ms"])
        if method == b"POST":
            self.seen["creates"] += 1
            return self._created, latency
        if found["size"] is None:
            self.seen["fetches"] += 1
            return self._fetched, latency
        self.seen["pages"] += 1
        size, page, pages = int(found["size"]), int(found["page"] or 0), int(found["pages"])
        place = f"{self.origin}/v1/Conversations/{found['name'].decode()}/Messages?PageSize={size}"
        here = f"{place}&Page={page}&PageToken=PT{page:032x}"
        meta = {
            "page": page,
            "page_size": size,
            "first_page_url": f"{place}&Page=0",
            "previous_page_url": f"{place}&Page={page - 1}&PageToken=PT{page - 1:032x}" if page else None,
            "url": here if page else place,
            "next_page_url": f"{place}&Page={page + 1}&PageToken=PT{page + 1:032x}"
            if page + 1 < pages
            else None,
            "key": "messages",
        }
        return _answer(b"200 OK", b'{"messages":', _messages(size), b',"meta":', encoded(meta), b"}"), latency


class _Protocol(asyncio.Protocol):
    """One connection: reads heads, skips bodies, writes what was made beforehand."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head, length = self._buffer[:end], 0
            if head.startswith(b"POST"):
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            method, target, _ = head.split(b" ", 2)
            parts, wait = self._server.answer(method, target)
            if target == b"/seen":
                self._transport.writelines(parts)
            elif wait:
                self._loop.call_later(wait / 1000, self._write, parts)
            else:
                self._write(parts)

    def _write(self, parts: list[bytes]) -> None:
        self._server.under_way -= 1
        self._transport.writelines(parts)


def serve_pages(pipe: Connection, core: int | None) -> None:
    """Serve messages until the pipe brings a word."""
    pin(core)

    async def serve() -> None:
        server = Server()
        listening = await asyncio.get_running_loop().create_server(lambda: _Protocol(server), "127.0.0.1", 0)
        server.origin = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        pipe.send(server.origin)
        await asyncio.to_thread(pipe.recv)
        listening.close()

    asyncio.run(serve())


def seen(line: Line) -> dict[str, int]:
    """Ask the server how many requests it saw since it was asked last."""
    counts: dict[str, int] = json.loads(line.ask(line.request("GET", "/seen")))
    return counts


@contextmanager
def page_server() -> Iterator[tuple[str, Line]]:
    """Run a page server beside this process; give its origin, and a line to ask what it saw."""
    core = spare_core()
    with process(serve_pages, core) as origin, beside(core), connected(origin) as (line,):
        yield origin, line


def expect(found: object, sent: object) -> None:
    """Compare what came with what was sent.

    Raises:
        RuntimeError: They differ; nothing that was measured counts.
    """
    if found != sent:
        raise RuntimeError(f"{str(found)[:200]} came, and {str(sent)[:200]} was sent")

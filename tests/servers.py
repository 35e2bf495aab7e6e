"""A server that says byte for byte what a test tells it to, where a real one would refuse to misbehave."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Self

from attrs import define, evolve, field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Close the connection without an answer.
DROP = b""
#: Never answer.
HANG = None

#: What a server does on a connection.
Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@frozen
class Request:
    """What arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def answer(status: int = 200, body: object = None, *, headers: dict[str, str] | None = None) -> bytes:
    """Render an answer; a body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    if status == 204:
        content = b""
    lines = {"Content-Type": "application/json", "Content-Length": str(len(content))} | (headers or {})
    head = f"HTTP/1.1 {status} Whatever\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in lines.items()
    )
    return head.encode() + b"\r\n" + content


def page(
    key: str, items: list[dict[str, Any]], next_page_url: str | None = None, *, index: int = 0
) -> dict[str, Any]:
    """Render a page of a list."""
    meta = {"key": key, "page": index, "page_size": 50, "next_page_url": next_page_url}
    return {"meta": meta, key: items}


async def read_head(reader: asyncio.StreamReader) -> Request:
    """Read a request as far as its body."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = first.split(" ")
    return Request(method, target, dict(line.split(": ", 1) for line in lines if line), b"")


async def read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    """Read a body, whose length is stated or which comes in chunks."""
    if headers.get("Transfer-Encoding") != "chunked":
        return await reader.readexactly(int(headers.get("Content-Length", 0)))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


@define
class Scripted:
    """Answers the n-th request with the n-th entry of a script; the last entry goes on for ever."""

    script: deque[bytes | None] = field(factory=deque)
    port: int = 0
    #: Whether an answer that is not whole is left at that, and not ended by closing the connection.
    hold: bool = False
    requests: list[Request] = field(factory=list)
    #: Connections that are open now, and were open at a time at the most.
    connections: int = 0
    most_connections: int = 0
    arrived: asyncio.Event = field(factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _busy: set[asyncio.Task[None]] = field(factory=set)
    _writers: list[asyncio.StreamWriter] = field(factory=list)

    @classmethod
    def of(cls, script: Iterable[bytes | None], *, port: int = 0) -> Self:
        """Make a server that will follow a script."""
        return cls(deque(script), port)

    @property
    def url(self) -> str:
        """The origin."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for _turn in range(
            5
        ):  # what was accepted just now begins; cancelled before that, it would close nothing
            await asyncio.sleep(0)
        for task in self._busy:
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()  # which waits for nobody to read what is still to be sent
        for _turn in range(3):  # until all of that is done
            await asyncio.sleep(0)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        self._writers.append(writer)
        self.connections += 1
        self.most_connections = max(self.most_connections, self.connections)
        try:
            while await self._serve(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the last one: the test is over, and to CPython 3.11 a connection must not end so
        finally:
            self.connections -= 1
            self._busy.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await read_head(reader)
        self.requests.append(evolve(request, body=await read_body(reader, request.headers)))
        self.arrived.set()
        entry = self.script.popleft() if len(self.script) > 1 else self.script[0]
        if entry is None:  # HANG
            await reader.read()  # until the client gives up
            return False
        writer.write(entry)
        await writer.drain()
        length = entry.partition(b"\r\n\r\n")[0].partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
        whole = bool(length) and len(entry.partition(b"\r\n\r\n")[2]) == int(length)
        if not whole and self.hold:
            await reader.read()  # until the client gives up
        return whole


@define
class Played(Scripted):
    """Reads the head of one request of each connection, and leaves the rest to a coroutine of the test."""

    play: Play = field(kw_only=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.requests.append(await read_head(reader))
        self.arrived.set()
        await self.play(reader, writer)
        return False

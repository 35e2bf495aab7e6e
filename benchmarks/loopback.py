"""A client that costs next to nothing, and servers in processes of their own."""

import asyncio
import multiprocessing
import os
import selectors
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from conversations_async.emulator import Emulator

ACCOUNT_SID: Final = "AC" + "a" * 32
AUTH_TOKEN: Final = "not-a-real-token"  # noqa: S105  # it is made up


class Line:
    """A connection that is kept open, and reads no more of an answer than it must."""

    def __init__(self, origin: str) -> None:
        url = urlsplit(origin)
        self._host = f"{url.hostname}:{url.port}"
        self.socket = socket.create_connection((url.hostname or "", url.port or 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def request(self, method: str, target: str, form: bytes = b"") -> bytes:
        """Write a request."""
        credentials = b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
        head = f"{method} {target} HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Basic {credentials}\r\n"
        if method == "POST":
            head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n"
        return head.encode() + b"\r\n" + form

    def ask(self, request: bytes) -> bytes:
        """Send a request, wait for the answer, and give its body."""
        self.socket.sendall(request)
        while (body := self.read()) is None:
            pass
        return body

    def read(self) -> bytes | None:
        """Receive a part; give the body once it is whole.

        Raises:
            RuntimeError: The answer is none that was hoped for.
        """
        received = self.socket.recv(1 << 20)
        self._buffer += received
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not received or (end and not head.startswith(b"HTTP/1.1 20")):
            raise RuntimeError(f"unexpected answer: {self._buffer[:500]!r}")
        if not end or len(body) < int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]):
            return None
        self._buffer = b""
        return body


@contextmanager
def connected(origin: str, count: int = 1) -> Iterator[list[Line]]:
    """Open connections, and close them at the end."""
    with ExitStack() as stack:
        lines = [Line(origin) for _ in range(count)]
        for line in lines:
            stack.enter_context(line.socket)
        yield lines


def saturate(lines: Sequence[Line], request: bytes, count: int) -> float:
    """Send a request so many times, one at a time on each line; give how many a second were answered."""
    start, sent, answered = time.perf_counter(), 0, 0
    with selectors.DefaultSelector() as selector:
        for line in lines[:count]:
            selector.register(line.socket, selectors.EVENT_READ, line)
            line.socket.sendall(request)
            sent += 1
        while answered < count:
            for key, _ in selector.select():
                if key.data.read() is None:
                    continue
                answered += 1
                if sent < count:
                    key.data.socket.sendall(request)
                    sent += 1
    return count / (time.perf_counter() - start)


def serve_emulator(pipe: Connection, core: int | None) -> None:
    """Serve an emulator until the pipe brings a word."""
    pin(core)
    with Emulator() as emulator:
        pipe.send(emulator.url)
        pipe.recv()


def serve_constant(pipe: Connection, core: int | None) -> None:
    """Serve what aiohttp serves fastest: one answer, made of one value, to every request."""
    pin(core)
    answer = {"sid": "CH" + "c" * 32, "friendly_name": "benchmark", "attributes": "{}", "state": "active"}

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response(answer)

    async def serve() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(f"http://127.0.0.1:{runner.addresses[0][1]}")
        await asyncio.to_thread(pipe.recv)
        await runner.cleanup()

    asyncio.run(serve())


def pin(core: int | None) -> None:
    """Run this process on one core from now on; None leaves the choice to the system."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def spare_core() -> int | None:
    """Name the core that servers have; None where the platform does not let us choose."""
    return max(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else None


@contextmanager
def beside(core: int | None) -> Iterator[None]:
    """Keep this process off a core, for a time, if it has another one."""
    if core is None or len(cores := os.sched_getaffinity(0)) == 1:
        yield
        return
    os.sched_setaffinity(0, cores - {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextmanager
def process(serve: Callable[[Connection, int | None], None], core: int | None = None) -> Iterator[str]:
    """Run a server in a process of its own, on one core or on any; give its origin."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=serve, args=(there, core), daemon=True)
    server.start()
    try:
        if not here.poll(30):
            raise RuntimeError("the server did not start")
        yield here.recv()
    finally:
        here.send(None)
        server.join(10)

"""Webhooks through web frameworks: what comes in is told as it was sent, and what is answered goes out."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from attrs import define, field

from conversations_async.webhooks.aiohttp_adapter import app as aiohttp_app
from conversations_async.webhooks.aiohttp_adapter import handler
from conversations_async.webhooks.asgi_adapter import ASGIApp
from conversations_async.webhooks.reception import Incoming, Refused, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

#: What is not escaped, or need not be, or is twice, and what would change if it were read and written again.
TARGETS = [
    "/hooks/in",
    "/hooks/in?a=%27&b='&c=a+b&d=%20&e=%7E~&f=%2f%2F",
    "/hooks/in?b=&a&a=1&a=1",
    "/hooks/in?a?b/c;d:@!$(),*",
    "/hooks/in?%C3%A4=%E2%82%AC&%FF",
]
#: The same in paths, for what is not only at one path.
PATHS = ["/hooks/a%2Fb", "/hooks/%27'%7E~+%20", "/hooks/%C3%A4/%FF", "/hooks/%41%2e/a%3Fb?a%3Fb", "/hooks/"]

JSON = b'{"body": "Ahoy"}'


@define
class Told:
    """Receives requests, and keeps what they tell."""

    #: Method, URL, peer and body.
    requests: list[tuple[str, str, str | None, bytes]] = field(factory=list)
    headers: list[Any] = field(factory=list)
    refusals: list[str] = field(factory=list)
    life: list[str] = field(factory=list)
    #: How much of a body is read.
    most: int = 1 << 20
    read: int = 0
    begun: asyncio.Event = field(factory=asyncio.Event)
    refused: asyncio.Event = field(factory=asyncio.Event)

    async def receive(self, incoming: Incoming) -> Reply:
        """Note a request, and answer it as a pre-action handler may."""
        self.begun.set()
        body, self.read = b"", 0
        try:
            async for chunk in incoming.chunks:
                body += chunk
                self.read = len(body)
                if len(body) > self.most:
                    return Reply(status=413)
        except Refused as refused:
            self.refusals.append(refused.reason)
            self.refused.set()
            return refused.reply()
        url = f"{incoming.scheme}://{incoming.headers['host']}{incoming.target}"
        self.requests.append((incoming.method, url, incoming.peer, body))
        self.headers.append(incoming.headers)
        return Reply(status=202, body=JSON, content_type="application/json", headers={"Allow": "GET, POST"})

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Note when it starts and ends."""
        self.life.append("started")
        yield
        self.life.append("ended")


@pytest.fixture
def told() -> Told:
    """Give what receives the requests of a test."""
    return Told()


@asynccontextmanager
async def aiohttp_server(app: web.Application) -> AsyncGenerator[int]:
    """Serve an aiohttp application."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def uvicorn_server(app: Any) -> AsyncGenerator[int]:
    """Serve an ASGI application."""
    uvicorn = pytest.importorskip("uvicorn", reason="ASGI applications are served by uvicorn")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, lifespan="on", log_config=None, proxy_headers=False, ws="none", http="h11"
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
                await asyncio.sleep(0.005)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


def served_by_aiohttp(kind: str, told: Told) -> web.Application:
    """Make an application of aiohttp that has the hooks in one of three ways."""
    if kind == "app":
        return aiohttp_app("/{path:hooks/.*}", told.receive, told.running)
    parent = web.Application()
    if kind == "subapp":
        parent.add_subapp("/hooks", aiohttp_app("/{path:.*}", told.receive, told.running))
    else:
        parent.router.add_route("*", "/{path:hooks/.*}", handler(told.receive))
    return parent


def served_by_asgi(kind: str, told: Told) -> Any:
    """Make an ASGI application that has the hooks in one of many ways."""
    hooks = ASGIApp(told.receive, told.running)
    framework, _, way = kind.partition(" ")
    path = "/hooks" if way == "mount" else "/hooks/in"
    if framework == "alone":
        return hooks
    if framework == "starlette":
        routing = pytest.importorskip("starlette.routing")
        route = routing.Mount if way == "mount" else routing.Route
        starlette = pytest.importorskip("starlette.applications")
        return starlette.Starlette(routes=[route(path, hooks)])
    if framework == "fastapi":
        app = pytest.importorskip("fastapi").FastAPI()
        (app.mount if way == "mount" else app.add_route)(path, hooks)
        return app
    if framework == "litestar":
        litestar = pytest.importorskip("litestar", reason="hooks are mounted in Litestar")
        return litestar.Litestar([litestar.asgi(path, is_mount=way == "mount", copy_scope=True)(hooks)])
    quart = pytest.importorskip("quart", reason="hooks are put beside a Quart application")
    middleware = pytest.importorskip("hypercorn.middleware")
    return middleware.DispatcherMiddleware({"/hooks": hooks, "": quart.Quart("app")})


MOUNTS = ["starlette mount", "fastapi mount", "litestar mount", "quart"]
ROUTES = ["starlette route", "fastapi route", "litestar route"]


def server_of(kind: str, told: Told) -> AbstractAsyncContextManager[int]:
    """Serve the hooks in one of the ways."""
    name, _, way = kind.partition(" ")
    if name == "aiohttp":
        return aiohttp_server(served_by_aiohttp(way, told))
    return uvicorn_server(served_by_asgi(kind, told))


async def exchange(port: int, request: bytes) -> bytes:
    """Send bytes, and read until the server closes."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            return await reader.read()
        finally:
            writer.close()


def raw(target: str, *, method: str = "POST", body: bytes = b"", more: str = "") -> bytes:
    """Write a request, letter by letter."""
    head = f"{method} {target} HTTP/1.1\r\nHost: bots.example\r\nConnection: close\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


KINDS = ["aiohttp app", "aiohttp subapp", "aiohttp handler", "alone", *MOUNTS, *ROUTES]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_request_is_told_as_it_was_sent(kind: str, told: Told) -> None:
    """Method, URL, peer and body are those of the request, whatever frameworks make of them."""
    targets = [*TARGETS, *(() if kind in ROUTES else PATHS)]
    async with server_of(kind, told) as port:
        for target in targets:
            await exchange(port, raw(target, body=b"Body=%27+", more="X-Forwarded-Proto: https\r\n"))
        await exchange(port, raw("/hooks/in?a=1", method="GET"))
    assert told.requests == [
        *(("POST", f"http://bots.example{target}", "127.0.0.1", b"Body=%27+") for target in targets),
        ("GET", "http://bots.example/hooks/in?a=1", "127.0.0.1", b""),
    ]


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_goes_out_as_it_is(kind: str, told: Told) -> None:
    """Status, headers, content type and body are those of the answer, whatever the method."""
    async with server_of(kind, told) as port:
        for method in "GET", "POST", "PUT", "DELETE":
            head, _, body = (await exchange(port, raw("/hooks/in", method=method))).partition(b"\r\n\r\n")
            status, *headers = head.decode().lower().split("\r\n")
            assert status.split()[1] == "202"
            assert {"content-type: application/json", "allow: get, post"} <= {*headers}
            assert body == JSON


@pytest.mark.parametrize("kind", KINDS)
async def test_repeated_headers_are_told(kind: str, told: Told) -> None:
    """Headers are found without regard to case, all of them, and those that are no UTF-8 do no harm."""
    more = "X-Signature: a\r\nx-signature: b\r\nX-Other: ä\r\n".encode() + b"X-Odd: \xff\r\n"
    async with server_of(kind, told) as port:
        await exchange(port, raw("/hooks/in").replace(b"Connection", more + b"Connection"))
    (headers,) = told.headers
    assert headers.getall("X-SIGNATURE") == ["a", "b"]
    assert (headers["x-other"], headers["x-odd"]) == ("ä", "\udcff")


@pytest.mark.parametrize("kind", ["aiohttp app", "aiohttp subapp", "aiohttp handler", "alone", "quart"])
async def test_what_is_received_with_runs_as_long_as_the_server(kind: str, told: Told) -> None:
    """It starts before the first request and ends after the last one, where the server tells of its life."""
    async with server_of(kind, told) as port:
        await exchange(port, raw("/hooks/in"))
        assert told.life == ([] if kind == "aiohttp handler" else ["started"])
    assert told.life == ([] if kind == "aiohttp handler" else ["started", "ended"])


@pytest.mark.parametrize("kind", ["starlette mount", "fastapi mount", "litestar mount"])
async def test_what_is_mounted_hears_nothing_of_its_life(kind: str, told: Told) -> None:
    """A framework tells what is mounted in it neither that it starts nor that it ends."""
    async with server_of(kind, told) as port:
        await exchange(port, raw("/hooks/in"))
    assert told.life == []


@pytest.mark.parametrize("kind", ["aiohttp app", "alone", "fastapi mount"])
@pytest.mark.parametrize("is_chunked", [True, False])
async def test_no_more_of_a_body_is_read_than_is_wanted(kind: str, told: Told, *, is_chunked: bool) -> None:
    """Of 10 MB that are too much little more than the limit is read, and the answer comes all the same."""
    told.most = 10_000
    body = b"a" * 10_000_000
    request = raw("/hooks/in", body=body)
    if is_chunked:
        chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        request = raw("/hooks/in").partition(b"Content-Length")[0] + chunked
    async with server_of(kind, told) as port, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            assert b" 413 " in await reader.readline()
        finally:
            writer.transport.abort()
    assert 10_000 < told.read < 1_000_000


@pytest.mark.parametrize("kind", ["aiohttp app", "alone", "fastapi mount"])
async def test_a_body_that_breaks_off(kind: str, told: Told, caplog: pytest.LogCaptureFixture) -> None:
    """Who goes away in the middle of the body is no error of the server, and leaves no trace."""
    caplog.set_level(logging.INFO)
    async with server_of(kind, told) as port, asyncio.timeout(10):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw("/hooks/in", body=b"a" * 100)[:-50])
        await told.begun.wait()
        writer.close()
        await told.refused.wait()
    assert told.refusals == ["the body does not arrive whole"]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING or record.exc_info]


@pytest.mark.parametrize(
    "rest",
    [
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nBody=\r\nzz\r\n",
        b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nBody=",
    ],
)
async def test_a_body_that_is_broken(rest: bytes, told: Told) -> None:
    """A body whose coding is broken is 400 under aiohttp, which undoes it."""
    async with server_of("aiohttp app", told) as port:
        answer = await exchange(port, raw("/hooks/in").partition(b"Content-Length")[0] + rest)
    assert b" 400 " in answer.partition(b"\r")[0]
    assert told.requests == []


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/hooks/in?", "/hooks/in?"),
        ("http://other.example/hooks/in?a", "http://other.example/hooks/in?a"),
    ],
)
async def test_odd_targets_under_aiohttp(target: str, expected: str, told: Told) -> None:
    """What other servers lose, aiohttp tells: an empty query, and a whole URL."""
    async with server_of("aiohttp app", told) as port:
        await exchange(port, raw(target))
    assert [url for _, url, _, _ in told.requests] == [f"http://bots.example{expected}"]


async def test_a_unix_socket_has_no_peer(told: Told, tmp_path: Path) -> None:
    """Behind a Unix socket nobody knows who is connected."""
    runner = web.AppRunner(aiohttp_app("/hooks", told.receive, told.running), access_log=None)
    await runner.setup()
    try:
        await web.UnixSite(runner, tmp_path / "socket").start()
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_unix_connection(tmp_path / "socket")
            writer.write(raw("/hooks"))
            await reader.read()
            writer.close()
    finally:
        await runner.cleanup()
    assert [peer for _, _, peer, _ in told.requests] == [None]


async def conversation(app: ASGIApp, scope: dict[str, Any], *received: dict[str, Any]) -> list[Any]:
    """Hold an ASGI conversation, and give what the application sent."""
    messages, sent = iter(received), list[Any]()

    async def receive() -> dict[str, Any]:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def scope_of(path: str, **told: Any) -> dict[str, Any]:
    """Make the scope of a request, with what every server tells."""
    return {"type": "http", "method": "POST", "path": path, "headers": [(b"host", b"bots.example")], **told}


ALL = {"type": "http.request", "body": b"Body=1"}


@pytest.mark.parametrize(
    ("path", "told_too", "url"),
    [
        ("/a b/%/'ä~:@", {}, "http://bots.example/a%20b/%25/'%C3%A4~:@"),
        ("/\ud800", {}, "http://bots.example/%3F"),
        (
            "/hooks",
            {"raw_path": None, "query_string": b"a=%27", "scheme": "https"},
            "https://bots.example/hooks?a=%27",
        ),
        ("/root/in", {"root_path": "/root"}, "http://bots.example/root/in"),
        ("/root", {"root_path": "/root"}, "http://bots.example/root"),
        ("/in", {"root_path": "/root"}, "http://bots.example/root/in"),
        ("/root", {"root_path": "/ro"}, "http://bots.example/ro/root"),
        ("/in", {"root_path": "/root", "raw_path": b"/%72oot/in"}, "http://bots.example/%72oot/in"),
        ("/", {"raw_path": b"/\xff", "query_string": "ä".encode()}, "http://bots.example/\udcff?ä"),
    ],
)
async def test_what_a_server_need_not_tell(path: str, told_too: dict[str, Any], url: str, told: Told) -> None:
    """Without the raw path it is made of the decoded one, with where the application is mounted."""
    await conversation(ASGIApp(told.receive, told.running), scope_of(path, **told_too), ALL)
    assert told.requests == [("POST", url, None, b"Body=1")]


@pytest.mark.parametrize("client", [None, ["10.1.2.3", 5], ("10.1.2.3", 5)])
async def test_the_peer_of_a_scope(client: Any, told: Told) -> None:
    """The peer is the address of the client, where the server tells it."""
    await conversation(ASGIApp(told.receive, told.running), scope_of("/", client=client), ALL)
    assert [peer for _, _, peer, _ in told.requests] == [client and "10.1.2.3"]


@pytest.mark.parametrize(
    ("path", "root", "status"),
    [
        ("/hooks", "", 202),
        ("/root/hooks", "/root", 202),
        ("/hooks", "/root", 202),
        ("/other", "", 404),
        ("/hooks/", "", 404),
        ("/root/hooks", "", 404),
        ("/roothooks", "/root", 404),
        ("/hooks", "/ho", 202),
    ],
)
async def test_one_path_only(path: str, root: str, status: int, told: Told) -> None:
    """With a path all others are 404, wherever the application is mounted."""
    app = ASGIApp(told.receive, told.running, "/hooks")
    start, end = await conversation(app, scope_of(path, root_path=root), ALL)
    assert start["status"] == status
    assert end["body"] == (JSON if status == 202 else b"")
    assert (b"content-length", str(len(end["body"])).encode()) in start["headers"]
    assert len(told.requests) == (status == 202)


@pytest.mark.parametrize("path", ["/root", "/root/", "/"])
async def test_the_root_of_a_mount(path: str, told: Told) -> None:
    """Where the application is mounted its own path is ``/``, with a slash at the end or without."""
    app = ASGIApp(told.receive, told.running, "/")
    assert (await conversation(app, scope_of(path, root_path="/root"), ALL))[0]["status"] == 202


async def test_a_body_in_messages(told: Told) -> None:
    """A body may come in several messages, some of which hold nothing of it."""
    pieces: list[dict[str, Any]] = [
        {"body": b"Bo", "more_body": True},
        {"more_body": True},
        {"body": b"dy=1"},
    ]
    await conversation(
        ASGIApp(told.receive, told.running),
        scope_of("/"),
        *({"type": "http.request", **piece} for piece in pieces),
    )
    assert told.requests[0][3] == b"Body=1"


async def test_who_has_gone_is_sent_nothing(told: Told) -> None:
    """To a client that goes away in the middle of the body nothing is answered."""
    part = {"type": "http.request", "body": b"Bo", "more_body": True}
    app = ASGIApp(told.receive, told.running)
    assert await conversation(app, scope_of("/"), part, {"type": "http.disconnect"}) == []


async def test_a_life(told: Told) -> None:
    """The server is told when all has started, and when all has ended."""
    phases = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = await conversation(ASGIApp(told.receive, told.running), {"type": "lifespan"}, *phases)
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert told.life == ["started", "ended"]


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
async def test_a_life_that_fails(phase: str, told: Told) -> None:
    """What fails at the start or at the end is told to the server, with the reason."""

    @asynccontextmanager
    async def running() -> AsyncGenerator[None]:
        if phase == "startup":
            raise OSError("no such thing")
        yield
        raise OSError("no such thing")

    phases = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    *_, last = await conversation(ASGIApp(told.receive, running), {"type": "lifespan"}, *phases)
    assert last == {"type": f"lifespan.{phase}.failed", "message": "OSError: no such thing"}


async def test_no_other_connections(told: Told) -> None:
    """A WebSocket is closed before it is accepted, and what nobody knows yet raises, as ASGI has it."""
    app = ASGIApp(told.receive, told.running)
    assert await conversation(app, {"type": "websocket"}) == [{"type": "websocket.close"}]
    with pytest.raises(ValueError, match="type must be http"):
        await conversation(app, {"type": "carrier.pigeon"})

"""How do webhooks come in through ASGI, and so through Starlette, FastAPI, Litestar or Quart?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import quote

from attrs import frozen
from multidict import CIMultiDict

from .reception import Chunks, Incoming, Receiver, Refused, Reply, Running

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


@frozen(eq=False)
class ASGIApp:
    """An ASGI 3 application, to be served as it is or mounted in another one.

    A server tells it when to start and to stop; mounted, it is not told: who mounts it runs what receives.
    ASGI does not tell an empty query from none, so a signature over a URL that ends in ``?`` is wrong here.
    A server that follows proxy headers by itself, as uvicorn does those of 127.0.0.1 unless told not to, has
    put scheme and peer by them: whom it trusts is then as important as ``trusted_proxies``.
    """

    #: Is given each request.
    _receiver: Receiver
    #: Is entered when the server starts, and left when it ends.
    _running: Running
    #: The only path that there is, below where the application is mounted; None: all paths will do.
    _path: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI has it."""
        kind = scope["type"]
        if kind == "http":
            await self._serve(scope, receive, send)
        elif kind == "lifespan":
            await self._live(receive, send)
        elif kind == "websocket":
            await send({"type": "websocket.close"})  # before it is accepted: the server answers 403
        else:
            raise ValueError("the scope's type must be http, lifespan or websocket")

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        more, is_gone = True, False

        async def read() -> bytes:
            nonlocal more, is_gone
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    is_gone = True
                    raise Refused(400, "the body does not arrive whole")
                more = message.get("more_body", False)
                if chunk := message.get("body", b""):
                    return bytes(chunk)
            return b""

        if self._path is None or (scope["path"].removeprefix(_root(scope)) or "/") == self._path:
            reply = await self._receiver(_incoming(scope, Chunks(read)))
        else:
            reply = Reply(status=404)
        if is_gone:
            return
        headers = {**reply.all_headers, "Content-Length": str(len(reply.body))}
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": encoded})
        await send({"type": "http.response.body", "body": reply.body})

    async def _live(self, receive: Receive, send: Send) -> None:
        phase = "startup"
        try:
            await receive()
            async with self._running():
                await send({"type": "lifespan.startup.complete"})
                phase = "shutdown"
                await receive()
        except Exception as error:  # noqa: BLE001  # the server is told, and ends
            await send({"type": f"lifespan.{phase}.failed", "message": f"{type(error).__name__}: {error}"})
        else:
            await send({"type": "lifespan.shutdown.complete"})


def _root(scope: Scope) -> str:
    """Give where the application is mounted, if the path begins with that; some frameworks cut it off."""
    root: str = scope.get("root_path", "").rstrip("/")
    return root if f"{scope['path']}/".startswith(f"{root}/") else ""


def _incoming(scope: Scope, chunks: Chunks) -> Incoming:
    query = scope.get("query_string", b"")
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in scope["headers"]:
        headers.add(name.decode("latin-1"), _text(value))
    return Incoming(
        method=scope["method"],
        scheme=scope.get("scheme", "http"),
        target=_text(_raw_path(scope) + (b"?" + query if query else b"")),
        headers=headers,
        peer=(scope.get("client") or (None,))[0],
        chunks=chunks,
    )


def _raw_path(scope: Scope) -> bytes:
    """Give the path as it was sent; where the server does not tell, as one that escapes little would be."""
    raw: bytes | None = scope.get("raw_path")
    if raw is not None:
        return raw
    path = scope["path"]
    whole = path if _root(scope) else scope.get("root_path", "") + path
    return quote(whole, safe="/!$&'()*+,;=:@", errors="replace").encode()


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")

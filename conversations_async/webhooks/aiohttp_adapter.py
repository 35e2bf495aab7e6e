"""How do webhooks come in through aiohttp.web?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from .reception import Chunks, Incoming, Refused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from .reception import Receiver, Running


def handler(receive: Receiver) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Make a handler for a route of all methods: ``app.router.add_route("*", "/hooks", handler)``."""

    async def handle(request: web.Request) -> web.Response:
        async def read() -> bytes:
            try:
                return await request.content.readany()
            except (ConnectionError, web.RequestPayloadError):
                raise Refused(400, "the body does not arrive whole") from None

        reply = await receive(
            Incoming(
                method=request.method,
                scheme=request.scheme,
                target=request.raw_path,
                headers=request.headers,
                peer=request.remote or None,
                chunks=Chunks(read),
            )
        )
        return web.Response(status=reply.status, body=reply.body, headers=reply.all_headers)

    return handle


def app(path: str, receive: Receiver, running: Running) -> web.Application:
    """Make an application, to be run as it is or added to another one.

    Args:
        path: Where it listens.
        receive: Is given each request.
        running: Is entered when the application starts, and left when it ends.
    """

    async def run(_: web.Application) -> AsyncGenerator[None]:
        async with running():
            yield

    application = web.Application()
    application.cleanup_ctx.append(run)
    application.router.add_route("*", path, handler(receive))
    return application

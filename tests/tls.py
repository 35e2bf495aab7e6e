"""Certificates that are made for the tests, and a server that shows them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Self

import trustme
from aiohttp import web
from attrs import define, field

from conversations_async.emulator import create_app

from .servers import Scripted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@cache
def authority(name: str) -> trustme.CA:
    """Give an authority; each name has one of its own."""
    return trustme.CA(organization_name=name)


def trusting(name: str = "ours") -> ssl.SSLContext:
    """Make the context of a client that trusts an authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority(name).configure_trust(context)
    return context


def showing(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """Make the context of a server that has a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@cache
def certificate(*names: str) -> trustme.LeafCert:
    """Give a good certificate of the trusted authority."""
    return authority("ours").issue_cert(*names)


@define
class Secured(Scripted):
    """A scripted server that speaks TLS, as localhost if its context says so."""

    context: ssl.SSLContext = field(kw_only=True, factory=lambda: showing(certificate("localhost")))
    #: Connections that were made, before anything is said of TLS.
    handshakes: int = 0

    @property
    def url(self) -> str:
        """The origin."""
        return f"https://localhost:{super().url.rpartition(':')[2]}"

    async def __aenter__(self) -> Self:
        self.context.sni_callback = self._count
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self.context)
        return self

    def _count(self, *_: object) -> None:
        self.handshakes += 1


@asynccontextmanager
async def refusing(context: ssl.SSLContext) -> AsyncGenerator[str]:
    """Run a server that says why a handshake fails, which those of asyncio do not; give its origin."""

    def serve() -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                connection = listener.accept()[0]
                connection.settimeout(5)
                tls = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                with suppress(ssl.SSLError):
                    tls.do_handshake()
                with socket.socket(fileno=tls.detach()) as left:
                    left.settimeout(5)
                    with suppress(OSError):
                        left.shutdown(socket.SHUT_WR)
                        while left.recv(1 << 16):
                            pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        serving = asyncio.create_task(asyncio.to_thread(serve))
        yield f"https://localhost:{port}"
        listener.shutdown(socket.SHUT_RDWR)
        await serving


@asynccontextmanager
async def secured_emulator(context: ssl.SSLContext | None, name: str = "localhost") -> AsyncGenerator[str]:
    """Run the API on loopback, with TLS or without, and give the origin that it has under a name."""
    runner = web.AppRunner(create_app(), shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        yield f"{'http' if context is None else 'https'}://{name}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()

"""The aiohttp sessions that requests go through: own ones, one for each event loop, or a borrowed one."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_KEEPALIVE: Final = (
    15.0  # seconds; a longer one meets more connections that the other side has closed already
)
_DNS_TTL: Final = 300  # seconds


class ConnectionLostError(aiohttp.ClientConnectionError):
    """The connection broke after the request had, or may have, left."""


async def _report_losses(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Tell of a lost connection in words that aiohttp does not take for its own.

    By itself it would send GET and DELETE once more, at once and unseen; the retry policy decides that here.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise ConnectionLostError(type(error).__name__) from error


async def _pool(max_connections: int) -> AsyncGenerator[aiohttp.ClientSession]:
    """Yield one session and close it when this generator is closed.

    A generator, because an event loop closes those before it ends (``loop.shutdown_asyncgens``, which
    ``asyncio.run`` calls): whoever forgets to close the client leaves no open socket behind a dead loop.
    """
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=max_connections, keepalive_timeout=_KEEPALIVE, ttl_dns_cache=_DNS_TTL
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=[_report_losses],
    ) as session:
        yield session


class OwnConnections:
    """Sessions that are opened when they are needed, each in the loop that runs then, and closed here.

    One that is collected while its loop still runs warns that it was not closed.
    """

    def __init__(self, max_connections: int) -> None:
        self._max_connections = max_connections
        self._pools: dict[
            asyncio.AbstractEventLoop,
            tuple[AsyncGenerator[aiohttp.ClientSession], aiohttp.ClientSession],
        ] = {}
        self._closed: WeakSet[asyncio.AbstractEventLoop] = WeakSet()

    async def session(self) -> aiohttp.ClientSession:
        """Give the session of the running loop.

        Raises:
            RuntimeError: It was closed in this loop, and not opened again.
        """
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None or pool[1].closed:
            if loop in self._closed:
                raise RuntimeError("the client is closed: enter it with 'async with' to use it again")
            for ended in [other for other in tuple(self._pools) if other.is_closed()]:
                self._pools.pop(ended, None)  # another thread may have done so
            keeper = _pool(self._max_connections)
            pool = self._pools[loop] = keeper, await anext(keeper)
        return pool[1]

    def open(self) -> None:
        """Allow sessions in the running loop, whether they were closed before or not."""
        self._closed.discard(asyncio.get_running_loop())

    async def close(self) -> None:
        """Close the session of the running loop, and open no other one there."""
        loop = asyncio.get_running_loop()
        self._closed.add(loop)
        if (pool := self._pools.pop(loop, None)) is not None:
            await pool[0].aclose()

    def __del__(self) -> None:
        if any(not session.closed for _, session in tuple(self._pools.values())):
            warnings.warn(
                "a client was not closed: use 'async with', or await client.close()",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )


class BorrowedConnections:
    """The session of somebody else, who closes it."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        if session.auth is not None:
            raise ValueError("session must have no auth of its own: the client brings its credentials")
        self._session = session

    async def session(self) -> aiohttp.ClientSession:
        """Give the session.

        Raises:
            RuntimeError: It is closed.
        """
        if self._session.closed:
            raise RuntimeError("the borrowed aiohttp session is closed: keep it open as long as the client")
        return self._session

    def open(self) -> None:
        """Do nothing: the session is open."""

    async def close(self) -> None:
        """Do nothing: who opened the session closes it."""

"""The aiohttp sessions that requests go through: own ones, one for each event loop, or a borrowed one."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary, WeakSet

import aiohttp
from attrs import define, field

from .connector import Connector, report_losses
from .limits import Limiter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable
    from types import TracebackType

    from .limits import Limits

#: Seconds; a longer one meets more connections that the other side has closed already.
_KEEPALIVE: Final = 15.0
#: Seconds.
_DNS_TTL: Final = 300


async def _session() -> AsyncGenerator[aiohttp.ClientSession]:
    """Yield one session and close it when this generator is closed.

    A generator, because an event loop closes those before it ends (``loop.shutdown_asyncgens``, which
    ``asyncio.run`` calls): whoever forgets to close the client leaves no open socket behind a dead loop.
    """
    async with aiohttp.ClientSession(
        connector=Connector(keepalive_timeout=_KEEPALIVE, ttl_dns_cache=_DNS_TTL),
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=[report_losses],
    ) as session:
        yield session


@define(eq=False)
class Pool:
    """A session, and all waiting for what happens in it."""

    session: aiohttp.ClientSession
    #: How many requests may be on their way at a time, first come, first served. aiohttp's own queue is not
    #: fair, and may lose a turn to a cancellation.
    slots: asyncio.Semaphore
    #: Whose turn it is to write; None: writes do not wait for each other.
    limiter: Limiter | None = None
    waits: set[asyncio.Timeout] = field(factory=set, init=False)
    _ended: bool = field(default=False, init=False)

    @property
    def closed(self) -> bool:
        """Whether nothing more can go through the session."""
        return self._ended or self.session.closed

    def lane(self, account: str, method: str, path: str) -> asyncio.Semaphore | None:
        """Give what a request of an account has to wait for; None where writes do not wait for each other."""
        return None if self.limiter is None else self.limiter.lane(account, method, path)

    def wait(self, seconds: float) -> Wait:
        """Bound what is awaited in ``async with``: ``TimeoutError`` after so many seconds, or at the end."""
        return Wait(self, 0 if self.closed else seconds)

    def end(self) -> None:
        """Let all waiting time out now, and allow no other."""
        self._ended = True
        now = asyncio.get_running_loop().time()
        for wait in self.waits:
            if not wait.expired():  # one whose time is up in this moment cannot be moved
                wait.reschedule(now)


class Wait:
    """``asyncio.timeout``, cut short when its pool ends."""

    __slots__ = ("_pool", "_timeout")

    def __init__(self, pool: Pool, seconds: float) -> None:
        self._pool = pool
        self._timeout = asyncio.timeout(seconds)

    # no coroutines: these would be two more frames in every request
    def __aenter__(self) -> Awaitable[asyncio.Timeout]:
        self._pool.waits.add(self._timeout)
        return self._timeout.__aenter__()

    def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> Awaitable[None]:
        self._pool.waits.discard(self._timeout)
        return self._timeout.__aexit__(kind, error, traceback)

    def extend(self, seconds: float) -> None:
        """Wait so many seconds from now, unless the pool has ended, or the time is up."""
        if not (self._pool.closed or self._timeout.expired()):
            self._timeout.reschedule(asyncio.get_running_loop().time() + seconds)


def _limiter(limits: Limits | None) -> Limiter | None:
    return None if limits is None else Limiter(limits)


class OwnConnections:
    """Sessions that are opened when they are needed, each in the loop that runs then, and closed here.

    One that is collected while its loop still runs warns that it was not closed.
    """

    # without them, CPython 3.11 does not find where one was made (``-X tracemalloc``) when it warns
    __slots__ = ("_closed", "_entered", "_limits", "_max_connections", "_pools")

    def __init__(self, max_connections: int, limits: Limits | None = None) -> None:
        self._max_connections = max_connections
        self._limits = limits
        self._pools: dict[asyncio.AbstractEventLoop, tuple[AsyncGenerator[aiohttp.ClientSession], Pool]] = {}
        self._entered: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()
        self._closed: WeakSet[asyncio.AbstractEventLoop] = WeakSet()

    async def pool(self) -> Pool:
        """Give the pool of the running loop.

        Raises:
            RuntimeError: It was closed in this loop, and not entered again.
        """
        loop = asyncio.get_running_loop()
        found = self._pools.get(loop)
        if found is None or found[1].session.closed:
            if loop in self._closed:
                raise RuntimeError(
                    "the client is closed: enter it, or the one it was made from, with 'async with'"
                )
            for ended in [other for other in tuple(self._pools) if other.is_closed()]:
                self._pools.pop(ended, None)  # another thread may have done so
            keeper = _session()
            pool = Pool(await anext(keeper), asyncio.Semaphore(self._max_connections), _limiter(self._limits))
            found = self._pools[loop] = keeper, pool
        return found[1]

    def enter(self) -> None:
        """Allow requests in the running loop, whether they were closed before or not."""
        loop = asyncio.get_running_loop()
        self._entered[loop] = self._entered.get(loop, 0) + 1
        self._closed.discard(loop)

    async def leave(self) -> None:
        """Close, unless somebody else in the running loop has entered and not left."""
        loop = asyncio.get_running_loop()
        self._entered[loop] = self._entered.get(loop, 1) - 1
        if self._entered[loop] <= 0:
            await self.close()

    async def close(self) -> None:
        """End the calls of the running loop, close its session, and open no other one there."""
        loop = asyncio.get_running_loop()
        self._closed.add(loop)
        self._entered.pop(loop, None)
        if (found := self._pools.pop(loop, None)) is not None:
            keeper, pool = found
            pool.end()
            try:
                await asyncio.sleep(0)  # they end before the session does, and know why
            finally:  # also where whoever closes is cancelled
                await keeper.aclose()

    def close_idle(self) -> None:
        """Close the sessions of all loops that do not run now, in no coroutine: where a test has ended."""
        for loop in tuple(self._pools):
            if not (loop.is_closed() or loop.is_running()):
                loop.run_until_complete(self.close())

    def __del__(self) -> None:
        if any(not pool.session.closed for _, pool in tuple(self._pools.values())):
            warnings.warn(
                "a client was not closed: use 'async with', or await client.close()",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )


class _Foreign:
    """Connections that somebody else opens and closes."""

    def enter(self) -> None:
        """Do nothing: what is used here is open."""

    async def leave(self) -> None:
        """Do nothing: who opened it closes it."""

    async def close(self) -> None:
        """Do nothing: who opened it closes it."""

    def close_idle(self) -> None:
        """Do nothing: who opened it closes it."""


class BorrowedConnections(_Foreign):
    """An aiohttp session of the caller's."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        max_connections: int,
        limits: Limits | None = None,
        *,
        proxied: bool = False,
    ) -> None:
        if not isinstance(session, aiohttp.ClientSession):
            raise ValueError(f"session must be an aiohttp.ClientSession, got a {type(session).__name__}")  # noqa: TRY004  # the contract
        self._pool = Pool(session, asyncio.Semaphore(max_connections), _limiter(limits))
        self._refuse_credentials()
        # aiohttp has no public name for it, and no way to leave it out
        if proxied and getattr(session, "_default_proxy_auth", None) is not None:
            raise ValueError("session must have no proxy_auth of its own where proxy names another proxy")

    def _refuse_credentials(self) -> None:
        session = self._pool.session
        if session.auth is not None or "Authorization" in session.headers:
            raise ValueError("session must have no auth of its own: the client brings its credentials")

    async def pool(self) -> Pool:
        """Give the session.

        Raises:
            RuntimeError: It is closed.
            ValueError: Somebody has given it credentials meanwhile.
        """
        self._refuse_credentials()
        if self._pool.session.closed:
            raise RuntimeError("the borrowed aiohttp session is closed: keep it open as long as the client")
        return self._pool


class SharedConnections(_Foreign):
    """The connections of another client."""

    def __init__(self, owner: Connections) -> None:
        # a view of a view uses the same owner: they may be made one from another without end
        self.owner: Connections = owner.owner if isinstance(owner, SharedConnections) else owner

    async def pool(self) -> Pool:
        """Give the owner's pool.

        Raises:
            RuntimeError: It is closed.
        """
        return await self.owner.pool()


Connections = OwnConnections | BorrowedConnections | SharedConnections

"""The session manager: owns or borrows the aiohttp session, authenticates, and makes the attempts of a call.

It sends bytes and returns a ``Response``; whether to try again is the policy's decision, and what an answer
means is for others to say. The line that sends a request is in ``SessionManager._attempt``.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import warnings
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Final

import aiohttp
from attrs import field, frozen
from yarl import URL

from ._checks import check_seconds, check_whole
from ._version import __version__
from .converter import encode_fields, encode_flag
from .errors import APIError, RequestTimeoutError, TransportError
from .response import Response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .hosts import Hosts
    from .retry import RetryPolicy

log = logging.getLogger("conversations_async")

USER_AGENT: Final = (
    f"conversations-async/{__version__} aiohttp/{aiohttp.__version__} Python/{platform.python_version()}"
)

_KEEPALIVE: Final = (
    15.0  # seconds; a longer one meets more connections that the other side has closed already
)
_DNS_TTL: Final = 300  # seconds


@frozen(kw_only=True)
class _Call:
    """What every attempt of a call sends."""

    method: str
    url: URL
    headers: Mapping[str, str] = field(repr=False)
    data: bytes | None = field(repr=False)

    def __str__(self) -> str:
        """Say as much of it as may be logged."""
        return f"{self.method} {self.url.raw_path}"


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
    ) as session:
        yield session


class SessionManager:
    """Sends authenticated requests, over its own connections or over those of a borrowed session.

    An own session is opened by the first request, in the loop that runs then; a client that is used under
    ``asyncio.run`` twice, or in two threads with a loop each, has one session for each loop.

    Args:
        username: The account SID, or the SID of an API key.
        password: The auth token, or the secret of the API key.
        hosts: Where requests go.
        retry: Decides what happens after a failed attempt.
        timeout: Seconds that one attempt may take, the wait for a free connection included.
        max_connections: Connections of an own session at the most.
        session: A session to borrow. It is never closed here, and its own limits hold.

    Raises:
        ValueError: An argument is out of range or malformed; the message names it.
    """

    def __init__(
        self,
        username: str,
        password: str,
        *,
        hosts: Hosts,
        retry: RetryPolicy,
        timeout: float = 30.0,
        max_connections: int = 100,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        check_seconds("timeout", timeout)
        check_whole("max_connections", max_connections, 1)
        self.hosts = hosts
        self._retry = retry
        self._timeout = timeout
        self._max_connections = max_connections
        self._borrowed = session
        self._pools: dict[
            asyncio.AbstractEventLoop,
            tuple[AsyncGenerator[aiohttp.ClientSession], aiohttp.ClientSession],
        ] = {}
        self._headers = {
            "Authorization": aiohttp.encode_basic_auth(username, password),
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
        }

    # ---------------------------------------------------------------------------------------------- requests

    async def request(
        self,
        method: str,
        url: URL,
        *,
        form: Mapping[str, object] | None = None,
        webhook_enabled: bool | str | None = None,
    ) -> Response:
        """Make one call: attempts, and waits between them, until one succeeds or the policy gives up.

        Args:
            method: GET, POST or DELETE.
            url: The whole address, already encoded.
            form: The fields of a POST.
            webhook_enabled: The ``X-Twilio-Webhook-Enabled`` header; None sends none.

        Returns:
            The answer, whose status is 2xx.

        Raises:
            APIError: The API refused, or failed.
            TransportError: No whole answer arrived.
            ValueError: A field or the header cannot be sent; nothing was.
        """
        headers = dict(self._headers)
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if (flag := encode_flag("webhook_enabled", webhook_enabled)) is not None:
            headers["X-Twilio-Webhook-Enabled"] = flag
        data = None if form is None else encode_fields(form).encode()
        call = _Call(method=method, url=url, headers=headers, data=data)

        clock = asyncio.get_running_loop().time
        start = clock()
        unsure = False  # whether an attempt that failed may have done its work all the same
        for attempt in count(1):
            # to aiohttp, 0 means no limit
            left = max(self._retry.total_timeout - (clock() - start), 0.001)
            failure: APIError | TransportError
            try:
                response = await self._attempt(call, attempt, min(self._timeout, left))
            except TransportError as error:
                failure, status, sent, retry_after = error, None, error.sent, None
            else:
                # a DELETE that is repeated may find that the first one was carried out
                if response.ok or (unsure and method == "DELETE" and response.status == 404):
                    return response
                failure = APIError.from_response(response)
                status, sent, retry_after = failure.status, True, failure.retry_after
            wait = self._retry.delay(
                attempt,
                method=method,
                status=status,
                sent=sent,
                retry_after=retry_after,
                elapsed=clock() - start,
            )
            if wait is None:
                raise failure
            unsure = unsure or (sent and status != 429)
            reason = status or type(failure).__name__
            log.warning("%s: %s; attempt %d follows in %.2f s", call, reason, attempt + 1, wait)
            await asyncio.sleep(wait)
        raise AssertionError  # pragma: no cover  # count() does not end

    async def _attempt(self, call: _Call, attempt: int, seconds: float) -> Response:
        clock = asyncio.get_running_loop().time
        start = clock()
        session = await self._session()
        status = request_id = None
        try:
            async with session.request(
                call.method,
                call.url,
                data=call.data,
                headers=call.headers,
                allow_redirects=False,
                raise_for_status=False,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as answer:
                status, request_id = answer.status, answer.headers.get("Twilio-Request-Id")
                return Response(
                    method=call.method,
                    path=call.url.raw_path,
                    status=status,
                    headers=answer.headers,
                    body=await answer.read(),
                    attempts=attempt,
                )
        except (aiohttp.ClientError, OSError) as error:
            late = isinstance(error, TimeoutError)
            reason = f"no whole answer within {seconds:.3g} s" if late else f"{type(error).__name__}: {error}"
            raise (RequestTimeoutError if late else TransportError)(
                message=reason,
                sent=not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError),
                method=call.method,
                path=call.url.raw_path,
                status=status,
                request_id=request_id,
                attempts=attempt,
            ) from error
        finally:
            log.debug(
                "%s %s in %.0f ms (attempt %d, request %s)",
                call,
                status or "no answer",
                (clock() - start) * 1000,
                attempt,
                request_id,
            )

    # ------------------------------------------------------------------------------------------- connections

    async def _session(self) -> aiohttp.ClientSession:
        if self._borrowed is not None:
            if self._borrowed.closed:
                raise RuntimeError(
                    "the borrowed aiohttp session is closed: keep it open as long as the client"
                )
            return self._borrowed
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None or pool[1].closed:
            for ended in [other for other in self._pools if other.is_closed()]:
                del self._pools[ended]
            keeper = _pool(self._max_connections)
            pool = self._pools[loop] = keeper, await anext(keeper)
        return pool[1]

    async def close(self) -> None:
        """Close the own connections of the running loop; a borrowed session stays open.

        The next request would open new ones.
        """
        if (pool := self._pools.pop(asyncio.get_running_loop(), None)) is not None:
            await pool[0].aclose()

    def __del__(self) -> None:
        if any(not session.closed for _, session in getattr(self, "_pools", {}).values()):
            warnings.warn(
                "a client was not closed: use 'async with', or await client.close()",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )

"""The session manager: owns or borrows the aiohttp session, authenticates, and makes the attempts of a call.

It sends bytes and returns a ``Response``; whether to try again is the policy's decision, and what an answer
means is for others to say. The line that sends a request is in ``SessionManager._attempt``.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import re
import warnings
from itertools import count
from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

from ._checks import check_seconds, check_whole
from ._version import __version__
from .converter import encode_fields, encode_flag
from .errors import APIError, RequestTimeoutError, TransportError
from .response import Response

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from .retry import RetryPolicy

log = logging.getLogger("conversations_async")

USER_AGENT: Final = (
    f"conversations-async/{__version__} aiohttp/{aiohttp.__version__} Python/{platform.python_version()}"
)

#: The edge that serves a region. A host that names a region without one is no longer supported
#: (facts of 2026-04), so a region without an edge gets its own.
_EDGES: Final = {"ie1": "dublin", "au1": "sydney", "jp1": "tokyo"}

_KEEPALIVE: Final = (
    15.0  # seconds; a longer one meets more connections that the other side has closed already
)
_DNS_TTL: Final = 300  # seconds


def vendor_origin(product: str, region: str | None = None, edge: str | None = None) -> str:
    """The origin of a product: ``https://conversations.twilio.com``, or the one of a region and an edge.

    Raises:
        ValueError: Region or edge is no name.
    """
    for name, value in ("region", region), ("edge", edge):
        if value is not None and not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value):
            raise ValueError(
                f"{name} (TWILIO_{name.upper()}) must be a name such as ie1 or dublin, got {value!r}"
            )
    if edge is not None:
        region = region or "us1"
    elif region is not None:
        edge = _EDGES.get(region)
    return "https://" + ".".join(part for part in (product, edge, region, "twilio.com") if part)


def _checked_origin(base_url: str) -> str:
    try:
        url = URL(base_url)
        origin = url.origin()
    except ValueError:
        url = origin = URL()
    # an origin with user and password would differ from the URL; "/" and "" do not
    if origin.scheme not in ("http", "https") or url != origin:
        # the value is not shown: it may hold a password
        raise ValueError(
            "base_url (CONVERSATIONS_BASE_URL) must be an origin such as http://127.0.0.1:8080,"
            " without credentials, path or query"
        )
    return str(origin)


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
        retry: Decides what happens after a failed attempt.
        timeout: Seconds that one attempt may take, the wait for a free connection included.
        max_connections: Connections of an own session at the most.
        base_url: The origin that every request is sent to, instead of the vendor's.
        region: The vendor's region, such as ``ie1``.
        edge: The vendor's edge location, such as ``dublin``.
        session: A session to borrow. It is never closed here, and its own limits hold.

    Raises:
        ValueError: An argument is out of range or malformed; the message names it.
    """

    def __init__(
        self,
        username: str,
        password: str,
        *,
        retry: RetryPolicy,
        timeout: float = 30.0,
        max_connections: int = 100,
        base_url: str | None = None,
        region: str | None = None,
        edge: str | None = None,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        check_seconds("timeout", timeout)
        check_whole("max_connections", max_connections, 1)
        vendor_origin("conversations", region, edge)
        self._base = None if base_url is None else _checked_origin(base_url)
        self._region = region
        self._edge = edge
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

    # ------------------------------------------------------------------------------------------------ places

    def origin(self, product: str) -> str:
        """Where requests for a product go: the base URL if there is one, the vendor's host otherwise."""
        return self._base or vendor_origin(product, self._region, self._edge)

    def own_link(self, product: str, link: str | None) -> str | None:
        """Return path and query of a link of the API to itself, byte for byte; None for any other link.

        With a base URL, links to the vendor's host count as the client's own: a proxy passes them through
        as they are, and they are followed through the proxy.
        """
        # what is no visible ASCII has no place in a link, and might be read differently further down
        if not link or not re.fullmatch(r"[!-~]+", link):
            return None
        try:
            url = URL(link, encoded=True)
            origin = str(url.origin()).lower()
        except ValueError:
            return None
        own = {self.origin(product), vendor_origin(product, self._region, self._edge)}
        return url.raw_path_qs if origin in own and url.raw_user is url.raw_password is None else None

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
        headers, data = self._headers, None
        if form is not None:
            data = encode_fields(form).encode()
            headers = headers | {"Content-Type": "application/x-www-form-urlencoded"}
        if (flag := encode_flag("webhook_enabled", webhook_enabled)) is not None:
            headers = headers | {"X-Twilio-Webhook-Enabled": flag}

        clock = asyncio.get_running_loop().time
        start = clock()
        unsure = False  # whether an attempt that failed may have done its work all the same
        for attempt in count(1):
            # to aiohttp, 0 means no limit
            left = max(self._retry.total_timeout - (clock() - start), 0.001)
            failure: APIError | TransportError
            try:
                response = await self._attempt(method, url, data, headers, attempt, min(self._timeout, left))
            except TransportError as error:
                failure, sent, retry_after = error, error.sent, None
            else:
                # a DELETE that is repeated may find that the first one was carried out
                if response.ok or (unsure and method == "DELETE" and response.status == 404):
                    return response
                failure = APIError.from_response(response)
                sent, retry_after = True, failure.retry_after
            wait = self._retry.delay(
                attempt,
                method=method,
                status=failure.status if isinstance(failure, APIError) else None,
                sent=sent,
                retry_after=retry_after,
                elapsed=clock() - start,
            )
            if wait is None:
                raise failure
            unsure = unsure or (sent and failure.status != 429)
            log.warning(
                "%s %s: %s; attempt %d follows in %.2f s",
                method,
                url.raw_path,
                failure.status or type(failure).__name__,
                attempt + 1,
                wait,
            )
            await asyncio.sleep(wait)
        raise AssertionError  # pragma: no cover  # count() does not end

    async def _attempt(
        self,
        method: str,
        url: URL,
        data: bytes | None,
        headers: Mapping[str, str],
        attempt: int,
        timeout: float,  # noqa: ASYNC109  # handed to aiohttp, which bounds the wait for a connection with it too
    ) -> Response:
        clock = asyncio.get_running_loop().time
        start = clock()
        session = await self._session()
        status = request_id = None
        try:
            async with session.request(
                method,
                url,
                data=data,
                headers=headers,
                allow_redirects=False,
                raise_for_status=False,
                timeout=aiohttp.ClientTimeout(total=timeout),
            ) as answer:
                status, request_id = answer.status, answer.headers.get("Twilio-Request-Id")
                return Response(
                    method=method,
                    path=url.raw_path,
                    status=status,
                    headers=answer.headers,
                    body=await answer.read(),
                    attempts=attempt,
                )
        except (aiohttp.ClientError, OSError) as error:
            raise _lost(error, method, url, status, request_id, attempt, timeout) from error
        finally:
            log.debug(
                "%s %s %s in %.0f ms (attempt %d, request %s)",
                method,
                url.raw_path,
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


def _lost(
    error: Exception,
    method: str,
    url: URL,
    status: int | None,
    request_id: str | None,
    attempt: int,
    timeout: float,
) -> TransportError:
    """Say what an exception of aiohttp means."""
    kind: type[TransportError] = TransportError
    if isinstance(error, TimeoutError):
        kind, message = RequestTimeoutError, f"no whole answer within {timeout:.3g} s"
    elif status is not None:
        message = f"the connection was lost within the answer ({type(error).__name__})"
    else:
        message = f"{type(error).__name__}: {error}"
    return kind(
        message=message,
        sent=not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError),
        method=method,
        path=url.raw_path,
        status=status,
        request_id=request_id,
        attempts=attempt,
    )

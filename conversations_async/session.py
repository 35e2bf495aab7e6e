"""The session manager: authenticates, and makes the attempts of a call.

It sends bytes and returns a ``Response``; whether to try again is the policy's decision, and what an answer
means is for others to say. The line that sends a request is in ``_attempt``.
"""

from __future__ import annotations

import asyncio
import logging
import math
import platform
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Final

import aiohttp
from attrs import field, frozen
from yarl import URL

from ._checks import check_seconds, check_whole
from ._version import __version__
from .connections import BorrowedConnections, ConnectionLostError, OwnConnections
from .converter import encode_fields, encode_flag
from .errors import APIError, RequestTimeoutError, TransportError
from .response import REQUEST_ID, Response

if TYPE_CHECKING:
    from .hosts import Hosts
    from .retry import RetryPolicy

log = logging.getLogger("conversations_async")

USER_AGENT: Final = (
    f"conversations-async/{__version__} aiohttp/{aiohttp.__version__} Python/{platform.python_version()}"
)


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


class SessionManager:
    """Sends authenticated requests, over its own connections or over those of a borrowed session.

    An own session is opened by the first request, in the loop that runs then; a client that is used under
    ``asyncio.run`` twice, or in two threads with a loop each, has one session for each loop. A loop that ends
    closes what was forgotten.

    Args:
        username: The account SID, or the SID of an API key.
        password: The auth token, or the secret of the API key.
        hosts: Where requests go.
        retry: Decides what happens after a failed attempt.
        timeout: Seconds that one attempt may take, the wait for a free connection included.
        max_connections: Connections of an own session at the most.
        session: A session to borrow. It is never closed here, and its connector sets the limits. By itself,
            aiohttp repeats a GET or DELETE once after a lost connection; that is no attempt here.

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
        self._connections = (
            OwnConnections(max_connections) if session is None else BorrowedConnections(session)
        )
        self._headers = {
            "Authorization": aiohttp.encode_basic_auth(username, password),
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
        }

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

        pool = await self._connections.pool()
        scope = asyncio.timeout(None)
        try:
            async with scope:
                pool.calls.add(scope)
                return await self._attempts(pool.session, call)
        except TimeoutError:
            if not scope.expired():
                raise  # one of our own
        finally:
            pool.calls.discard(scope)
        raise TransportError(message="the client was closed meanwhile", method=method, path=url.raw_path)

    async def _attempts(self, session: aiohttp.ClientSession, call: _Call) -> Response:
        clock = asyncio.get_running_loop().time
        start = clock()
        unsure = False  # whether an attempt that failed may have done its work all the same
        for attempt in count(1):
            # to aiohttp, 0 means no limit
            left = max(self._retry.total_timeout - (clock() - start), 0.001)
            failure: APIError | TransportError
            try:
                response = await _attempt(session, call, attempt, min(self._timeout, left))
            except TransportError as error:
                failure, status, sent, retry_after = error, None, error.sent, None
            else:
                # a DELETE that is repeated may find that the first one was carried out
                if response.ok or (unsure and call.method == "DELETE" and response.status == 404):
                    return response
                failure = APIError.from_response(response)
                status, sent, retry_after = failure.status, True, failure.retry_after
            wait = self._retry.delay(
                attempt,
                method=call.method,
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

    def enter(self) -> None:
        """Allow requests in the running loop, also after a ``close`` there."""
        self._connections.enter()

    async def leave(self) -> None:
        """Close, unless somebody else in the running loop has entered and not left."""
        await self._connections.leave()

    async def close(self) -> None:
        """End the calls of the running loop and close its connections; a borrowed session goes on."""
        await self._connections.close()


async def _attempt(session: aiohttp.ClientSession, call: _Call, attempt: int, seconds: float) -> Response:
    """Send one request and read its answer, within so many seconds."""
    clock = asyncio.get_running_loop().time
    start = clock()
    status = request_id = None
    # The wait for a connection is told from the rest only if its time ends first; nothing is rounded up.
    limits = aiohttp.ClientTimeout(total=seconds, connect=seconds * 0.95, ceil_threshold=math.inf)
    try:
        async with session.request(
            call.method,
            call.url,
            data=call.data,
            headers=call.headers,
            allow_redirects=False,
            auto_decompress=True,
            raise_for_status=False,
            timeout=limits,
        ) as answer:
            status, request_id = answer.status, answer.headers.get(REQUEST_ID)
            return Response(
                method=call.method,
                path=call.url.raw_path,
                status=status,
                headers=answer.headers,
                body=await answer.read(),
                attempts=attempt,
            )
    except (aiohttp.ClientError, OSError) as error:
        reason = _reason(error, seconds)
        kind = RequestTimeoutError if isinstance(error, TimeoutError) else TransportError
        sent = not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        # what is about an answer holds the request, with its credentials
        cause = None if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError) else error
    finally:
        log.debug(
            "%s %s in %.0f ms (attempt %d, request %s)",
            call,
            status or "no answer",
            (clock() - start) * 1000,
            attempt,
            request_id,
        )
    # raised here, where the exception of aiohttp is no longer its context
    raise kind(
        message=reason,
        sent=sent,
        method=call.method,
        path=call.url.raw_path,
        status=status,
        request_id=request_id,
        attempts=attempt,
    ) from cause


def _reason(error: Exception, seconds: float) -> str:
    """Say what an exception of aiohttp means; its own text may hold the address, or parts of the answer."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return f"no connection within {seconds * 0.95:.3g} s"
        case TimeoutError():
            return f"no whole answer within {seconds:.3g} s"
        case aiohttp.ClientConnectorError():
            return str(error)
        case ConnectionLostError():
            return f"the connection was lost ({error})"
    return f"the connection was lost, or the answer is no HTTP ({type(error).__name__})"

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
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final, TypeVar

import aiohttp
from attrs import field, frozen
from yarl import URL

from ._checks import check_seconds
from ._version import __version__
from .connections import ConnectionLostError, SharedConnections
from .converter import encode_fields, encode_flag
from .errors import APIError, RequestTimeoutError, TransportError, UploadError
from .response import REQUEST_ID, Response
from .upload import SourceError, Upload

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from aiohttp.abc import AbstractStreamWriter

    from .connections import Connections, Pool
    from .hosts import Hosts
    from .retry import RetryPolicy

T = TypeVar("T")

log = logging.getLogger("conversations_async")

_RATE_LIMITED: Final = 429

USER_AGENT: Final = (
    f"conversations-async/{__version__} aiohttp/{aiohttp.__version__} Python/{platform.python_version()}"
)


@frozen(kw_only=True)
class _Call:
    """What every attempt of a call sends."""

    method: str
    url: URL
    #: What of the address may be shown and logged.
    path: str
    headers: Mapping[str, str] = field(repr=False)
    data: bytes | Upload | None = field(repr=False, default=None)
    #: Whether the time allowed is that in which nothing moves, and not that of the whole.
    moving: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def repeatable(self, *, sent: bool, status: int | None) -> bool:
        """Say whether the body allows another attempt; an upload that may have arrived is not sent twice."""
        return not isinstance(self.data, Upload) or (
            self.data.whole and (not sent or status == _RATE_LIMITED)
        )


class SessionManager:
    """Sends authenticated requests, over its own connections or over those of a borrowed session.

    An own session is opened by the first request, in the loop that runs then; a client that is used under
    ``asyncio.run`` twice, or in two threads with a loop each, has one session for each loop. A loop that ends
    closes what was forgotten.

    Args:
        username: The account SID, or the SID of an API key.
        password: The auth token, or the secret of the API key.
        hosts: Where requests go.
        connections: What they go through. By itself, aiohttp repeats a GET or DELETE once after a lost
            connection; in a borrowed session, it still does, and that is no attempt here.
        retry: Decides what happens after a failed attempt.
        timeout: Seconds that one attempt may take, the wait for a free connection included.

    Raises:
        ValueError: An argument is out of range or malformed; the message names it.
    """

    def __init__(
        self,
        username: str,
        password: str,
        *,
        hosts: Hosts,
        connections: Connections,
        retry: RetryPolicy,
        timeout: float,
    ) -> None:
        check_seconds("timeout", timeout)
        self.hosts = hosts
        self._connections = connections
        self._retry = retry
        self._timeout = timeout
        self._credentials = username, password
        self._headers = {
            "Authorization": aiohttp.encode_basic_auth(username, password),
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
        }

    def view(
        self, credentials: tuple[str, str] | None, retry: RetryPolicy | None, timeout: float | None
    ) -> SessionManager:
        """Give one that uses the same connections and never closes them; what is None stays as it is."""
        username, password = credentials or self._credentials
        return SessionManager(
            username,
            password,
            hosts=self.hosts,
            connections=SharedConnections(self._connections),
            retry=self._retry if retry is None else retry,
            timeout=self._timeout if timeout is None else timeout,
        )

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
        call = _Call(method=method, url=url, path=url.raw_path, headers=headers, data=data)
        response, _ = await self._until_closed(call, partial(self._attempts, call))
        return response

    async def upload(self, url: URL, upload: Upload, *, content_type: str) -> Response:
        """Make one call that sends a body of any length.

        ``timeout`` then bounds each time in which nothing moves, and not the whole. An attempt that the body
        has begun to leave for is repeated only if the API refused it, and the body is still whole.

        Raises:
            APIError: As for ``request``.
            TransportError: As for ``request``.
            UploadError: The source failed; the connection is closed.
        """
        headers = self._headers | {"Content-Type": content_type}
        if upload.size is not None:
            headers["Content-Length"] = str(upload.size)
        call = _Call(method="POST", url=url, path=url.raw_path, headers=headers, data=upload, moving=True)
        response, _ = await self._until_closed(call, partial(self._attempts, call))
        return response

    @asynccontextmanager
    async def download(
        self, url: URL, *, path: str, size: int | None
    ) -> AsyncGenerator[AsyncGenerator[bytes]]:
        """Make one call without credentials, and give its body in chunks as they arrive.

        ``timeout`` then bounds each wait for a chunk, and not the whole.

        Args:
            url: The whole address, already encoded.
            path: What stands for its path in errors and logs: the address may be a secret.
            size: How many bytes there must be; None where nobody knows it.

        Raises:
            APIError: As for ``request``.
            TransportError: As for ``request``; also while chunks are read.
        """
        headers = {"User-Agent": USER_AGENT, "Accept": "*/*"}
        call = _Call(method="GET", url=url, path=path, headers=headers, moving=True)
        pool = await self._connections.pool()
        response, answer = await self._until_closed(call, partial(self._attempts, call, read=False), pool)
        try:
            async with aclosing(self._chunks(call, pool, response, answer, size)) as chunks:
                yield chunks
        finally:
            answer.close()

    async def _chunks(
        self,
        call: _Call,
        pool: Pool,
        response: Response,
        answer: aiohttp.ClientResponse,
        size: int | None,
    ) -> AsyncGenerator[bytes]:
        async def read(_: aiohttp.ClientSession) -> bytes:
            try:
                async with asyncio.timeout(self._timeout):
                    return await answer.content.readany()
            except (aiohttp.ClientError, OSError) as error:
                failure = _failure(error, call, response.attempts, self._timeout, answer)
            raise failure

        received = 0
        while chunk := await self._until_closed(call, read, pool):
            received += len(chunk)
            yield chunk
        if size not in (None, received):
            raise TransportError(
                message=f"the download ended after {received} of {size} bytes",
                method=call.method,
                path=call.path,
                status=response.status,
                attempts=response.attempts,
            )

    async def _until_closed(
        self,
        call: _Call,
        work: Callable[[aiohttp.ClientSession], Awaitable[T]],
        pool: Pool | None = None,
    ) -> T:
        """Do some work of a call, which ends when the client is closed."""
        pool = pool or await self._connections.pool()
        scope = asyncio.timeout(None)
        try:
            async with scope:
                pool.calls.add(scope)
                if not pool.session.closed:  # it may be, between two chunks
                    return await work(pool.session)
        except TimeoutError:
            if not scope.expired():
                raise  # one of our own
        finally:
            pool.calls.discard(scope)
        raise TransportError(message="the client was closed meanwhile", method=call.method, path=call.path)

    async def _attempts(
        self, call: _Call, session: aiohttp.ClientSession, *, read: bool = True
    ) -> tuple[Response, aiohttp.ClientResponse]:
        clock = asyncio.get_running_loop().time
        start = clock()
        unsure = False  # whether an attempt that failed may have done its work all the same
        for attempt in count(1):
            left = max(self._retry.total_timeout - (clock() - start), 0.001)
            failure: APIError | TransportError
            try:
                response, answer = await _attempt(session, call, attempt, min(self._timeout, left), read=read)
            except TransportError as error:
                failure, status, sent, retry_after = error, None, error.sent, None
            else:
                # a DELETE that is repeated may find that the first one was carried out
                if response.ok or (unsure and call.method == "DELETE" and response.status == 404):
                    return response, answer
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
            if wait is None or not call.repeatable(sent=sent, status=status):
                raise failure
            unsure = unsure or (sent and status != _RATE_LIMITED)
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


class _Body(aiohttp.AsyncIterablePayload):
    """The chunks of an upload, and the connection that they are written to."""

    def __init__(self, chunks: AsyncGenerator[bytes]) -> None:
        super().__init__(chunks)
        self._chunks = chunks
        self._transport: asyncio.WriteTransport | None = None

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write the chunks."""
        self._transport = writer.transport
        await super().write_with_length(writer, content_length)

    async def end(self) -> None:
        """Close the source, and for good the connection that aiohttp closes."""
        # which would stay open until all that it holds has gone, to a server that perhaps reads no more
        if (wire := self._transport) is not None and wire.is_closing() and wire.get_write_buffer_size():
            wire.abort()
        # where the source is waited for, aiohttp has cancelled that; and what it fails with now is too late
        with suppress(Exception):
            await self._chunks.aclose()


async def _attempt(
    session: aiohttp.ClientSession, call: _Call, attempt: int, seconds: float, *, read: bool
) -> tuple[Response, aiohttp.ClientResponse]:
    """Send one request and read its answer, within so many seconds; of an upload, each chunk has as many."""
    clock = asyncio.get_running_loop().time
    start = clock()
    deadline = asyncio.timeout(seconds)
    answer = body = None
    if isinstance(call.data, Upload):
        body = _Body(call.data.chunks(moved=lambda: deadline.reschedule(clock() + seconds)))
    # The wait for a connection is told from the rest only if its time ends first; nothing is rounded up.
    limits = aiohttp.ClientTimeout(total=None, connect=seconds * 0.95, ceil_threshold=math.inf)
    try:
        async with deadline:
            answer = await session.request(
                call.method,
                call.url,
                data=body or call.data,
                headers=call.headers,
                allow_redirects=False,
                auto_decompress=True,
                raise_for_status=False,
                timeout=limits,
            )
            response = Response(
                method=call.method,
                path=call.path,
                status=answer.status,
                headers=answer.headers,
                body=await answer.read() if read or answer.status >= 300 else b"",
                attempts=attempt,
            )
            return response, answer
    except (aiohttp.ClientError, OSError) as error:
        failure = _failure(error, call, attempt, seconds, answer)
    finally:
        log.debug(
            "%s %s in %.0f ms (attempt %d, request %s)",
            call,
            answer.status if answer else "no answer",
            (clock() - start) * 1000,
            attempt,
            answer.headers.get(REQUEST_ID) if answer else None,
        )
        if answer is not None and body is not None:
            answer.close()  # it may have come before all chunks were sent
        if body is not None:
            await body.end()
    # raised here, where the exception of aiohttp is no longer its context
    raise failure


def _failure(
    error: Exception, call: _Call, attempt: int, seconds: float, answer: aiohttp.ClientResponse | None
) -> TransportError:
    """Say what an exception of aiohttp means; its own text may hold the address, or parts of the answer."""
    kind: type[TransportError] = TransportError
    # what is about an answer holds the request, with its credentials; and about the wait for one, the address
    telling = aiohttp.ClientResponseError | aiohttp.ClientPayloadError | aiohttp.ConnectionTimeoutError
    cause = None if isinstance(error, telling) else error
    match error:
        case _ if isinstance(call.data, Upload) and call.data.fault is not None:
            kind, cause = UploadError, call.data.fault
            reason = (
                str(cause) if isinstance(cause, SourceError) else f"it failed with {type(cause).__name__}"
            )
            reason = f"the source of the upload is at fault: {reason}"
        case aiohttp.ConnectionTimeoutError():
            kind, reason = RequestTimeoutError, f"no connection within {seconds * 0.95:.3g} s"
        case TimeoutError():
            kind = RequestTimeoutError
            missing = "nothing moved for" if call.moving else "no whole answer within"
            reason = f"{missing} {seconds:.3g} s"
        case aiohttp.ClientConnectorError():
            reason = str(error)
        case ConnectionLostError():
            reason = f"the connection was lost ({error})"
        case _:
            reason = f"the connection was lost, or the answer is no HTTP ({type(error).__name__})"
    failure = kind(
        message=reason,
        sent=not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError),
        method=call.method,
        path=call.path,
        status=answer.status if answer else None,
        request_id=answer.headers.get(REQUEST_ID) if answer else None,
        attempts=attempt,
    )
    failure.__cause__ = cause
    return failure

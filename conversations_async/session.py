"""The session manager: authenticates, and makes the attempts of a call.

It sends bytes, and returns a ``Response`` or raises; whether to try again is the policy's decision, and what
the body of an answer means is for others to say. One attempt is ``transport.attempt``.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from contextlib import aclosing, asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Final

import aiohttp

from ._checks import check_seconds
from ._version import __version__
from .connections import SharedConnections
from .converter import encode_fields, encode_flag
from .errors import APIError, TransportError
from .retry import RATE_LIMITED, RetryPolicy
from .transport import Call, attempt, next_chunk, pause
from .upload import Upload

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from yarl import URL

    from .connections import Connections, Pool
    from .hosts import Hosts
    from .response import Response

log = logging.getLogger("conversations_async")

USER_AGENT: Final = (
    f"conversations-async/{__version__} aiohttp/{aiohttp.__version__} Python/{platform.python_version()}"
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
        if not isinstance(retry, RetryPolicy):
            raise ValueError(f"retry must be a RetryPolicy, got a {type(retry).__name__}")  # noqa: TRY004  # the contract
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
        call = Call(method=method, url=url, path=url.raw_path, headers=headers, data=data)
        response, _ = await self._attempts(call, await self._connections.pool())
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
        call = Call(method="POST", url=url, path=url.raw_path, headers=headers, data=upload, streamed=True)
        response, _ = await self._attempts(call, await self._connections.pool())
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
        headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        call = Call(method="GET", url=url, path=path, headers=headers, streamed=True)
        pool = await self._connections.pool()
        response, answer = await self._attempts(call, pool, read=False)
        try:
            async with aclosing(self._chunks(call, pool, response, answer, size)) as chunks:
                yield chunks
        finally:
            answer.close()

    async def _chunks(
        self,
        call: Call,
        pool: Pool,
        response: Response,
        answer: aiohttp.ClientResponse,
        size: int | None,
    ) -> AsyncGenerator[bytes]:
        received = 0
        while chunk := await next_chunk(pool, call, response.attempts, self._timeout, answer):
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

    async def _attempts(
        self, call: Call, pool: Pool, *, read: bool = True
    ) -> tuple[Response, aiohttp.ClientResponse]:
        clock = asyncio.get_running_loop().time
        start = clock()
        unsure = False  # whether an attempt that failed may have done its work all the same
        for number in count(1):
            # to aiohttp, 0 means no limit
            left = max(self._retry.total_timeout - (clock() - start), 0.001)
            seconds = self._timeout if call.streamed else min(self._timeout, left)
            failure: APIError | TransportError
            try:
                response, answer = await attempt(pool, call, number, seconds, read=read)
            except TransportError as error:
                failure, status, sent, retry_after = error, None, error.sent, None
            else:
                # a DELETE that is repeated may find that the first one was carried out
                if response.ok or (unsure and call.method == "DELETE" and response.status == 404):
                    return response, answer
                failure = APIError.from_response(response)
                status, sent, retry_after = failure.status, True, failure.retry_after
            wait = self._retry.delay(
                number,
                method=call.method,
                status=status,
                sent=sent,
                retry_after=retry_after,
                elapsed=clock() - start,
            )
            # an upload that may have arrived is not sent twice, whatever the policy says of POST
            refused = status == RATE_LIMITED or not sent
            if (
                wait is None
                or pool.closed
                or (isinstance(call.data, Upload) and not (refused and call.data.replayable))
            ):
                raise failure
            unsure = unsure or not refused
            reason = status or type(failure).__name__
            log.warning("%s: %s; attempt %d follows in %.2f s", call, reason, number + 1, wait)
            await pause(pool, call, number, wait)
        raise AssertionError  # pragma: no cover  # count() does not end

    def enter(self) -> None:
        """Allow requests in the running loop, also after a ``close`` there."""
        self._connections.enter()

    async def leave(self) -> None:
        """Close, unless somebody else in the running loop has entered and not left."""
        await self._connections.leave()

    async def close(self) -> None:
        """End the calls of the running loop and close its connections, unless these are somebody else's."""
        await self._connections.close()

    def close_idle(self) -> None:
        """Close what is open in loops that do not run now, unless it is somebody else's."""
        self._connections.close_idle()

"""The session manager: authenticates, and makes the attempts of a call.

It sends bytes, and returns a ``Response`` or raises; whether to try again is the policy's decision, and what
the body of an answer means is for others to say. One attempt is ``transport.Attempt``.
"""

from __future__ import annotations

import asyncio
import logging
import math
import platform
from contextlib import aclosing, asynccontextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING, Final

import aiohttp
from attrs import evolve

from ._sealing import forget
from ._version import __version__
from .connections import SharedConnections
from .converter import encode_fields, encode_flag
from .errors import APIError, RateLimitError, RequestTimeoutError, ResponseTooLargeError, TransportError
from .limits import leave
from .retry import RATE_LIMITED, RetryBudget, is_refusal, may_have_acted
from .transport import Attempt, Call, take_turn
from .upload import Upload

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from yarl import URL

    from .connections import Connections, Pool
    from .errors import ConversationsError
    from .hosts import Hosts
    from .options import Options
    from .response import Response
    from .retry import RetryPolicy

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
        account: The account SID, for which writes are counted where they are limited.
        hosts: Where requests go.
        connections: What they go through. By itself, aiohttp repeats a GET or DELETE once after a lost
            connection; in a borrowed session, it still does, and that is no attempt here.
        options: How they are made.
        budget: The retries that a client and its views have on credit together; None begins with all.
        earns: Whether calls earn retries; those that are there because another one failed do not.
    """

    def __init__(
        self,
        username: str,
        password: str,
        *,
        account: str,
        hosts: Hosts,
        connections: Connections,
        options: Options,
        budget: RetryBudget | None = None,
        earns: bool = True,
    ) -> None:
        self.hosts = hosts
        self.options = options
        self._connections = connections
        self._budget = budget or RetryBudget()
        self._earns = earns
        self._account = account
        self._credentials = username, password
        self._headers = {
            "Authorization": aiohttp.encode_basic_auth(username, password),
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
        }

    def view(
        self,
        account: str,
        credentials: tuple[str, str] | None,
        retry: RetryPolicy | None,
        timeout: float | None,
        *,
        earns: bool = True,
    ) -> SessionManager:
        """Give one that uses the same connections and never closes them; what is None stays as it is.

        Raises:
            ValueError: An option is out of range, or none of its kind; the message names it.
        """
        username, password = credentials or self._credentials
        return SessionManager(
            username,
            password,
            account=account,
            hosts=self.hosts,
            connections=SharedConnections(self._connections),
            options=evolve(
                self.options,
                retry=self.options.retry if retry is None else retry,
                timeout=self.options.timeout if timeout is None else timeout,
            ),
            budget=self._budget,
            earns=earns,
        )

    def retrying(self, retry: RetryPolicy, *, again: bool) -> SessionManager:
        """Give a view with another policy; calls that are made again, after a failure, earn no retries."""
        return self.view(self._account, None, retry, None, earns=not again)

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

        ``timeout`` then bounds each time in which nothing moves, and not the whole; the policy's total ends
        an attempt only before something has moved. An attempt that the body has begun to leave for is
        repeated only if the API refused it, and the body is still whole.

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
    async def download(self, url: URL, path: str, size: int | None) -> AsyncGenerator[AsyncGenerator[bytes]]:
        """Make one call without credentials, and give its body in chunks as they arrive.

        Once the answer has begun, ``timeout`` bounds each wait for a chunk, and nothing bounds the whole.

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
        response, attempt = await self._attempts(call, pool, read=False)
        try:
            async with aclosing(_chunks(attempt, response, size)) as chunks:
                yield chunks
        finally:
            attempt.end()

    async def _attempts(self, call: Call, pool: Pool, *, read: bool = True) -> tuple[Response, Attempt]:
        clock = asyncio.get_running_loop().time
        policy = self.options.retry
        start = clock()
        # whether an attempt was sent, and whether it may have acted, though it failed
        reached = unsure = False
        failure: APIError | TransportError | None = None
        lane = pool.lane(self._account, call.method, call.url.raw_path)
        if self._earns:
            self._budget.earn(policy.budget)
        for number in count(1):
            if lane is not None:
                rest = policy.total_timeout - (clock() - start)
                await take_turn(pool, lane, call, rest, attempts=number - 1, failure=failure)
            # to aiohttp, 0 means no limit
            left = max(policy.total_timeout - (clock() - start), 0.001)
            attempt = Attempt(pool, call, self.options, number, min(self.options.timeout, left))
            try:
                response = await attempt.send(read=read)
            except TransportError as error:
                failure, status, sent, retry_after = error, None, error.sent, None
            else:
                # a DELETE that is repeated may find that the first one was carried out
                if response.ok or (unsure and call.method == "DELETE" and response.status == 404):
                    return response, attempt
                failure = APIError.from_response(response)
                status, sent, retry_after = failure.status, True, failure.retry_after
            finally:
                if lane is not None:
                    leave(lane)
            wait = policy.delay(
                number,
                method=call.method,
                status=status,
                sent=sent,
                retry_after=retry_after,
                elapsed=clock() - start,
            )
            final = _is_final(failure, attempt)
            reached = reached or sent
            unsure = unsure or may_have_acted(call.method, failure.status, sent=sent)
            _tell(failure, sent=reached, ambiguous=unsure)
            if wait is None or final:
                _explain(failure, policy.total_timeout - (clock() - start))
                raise failure
            self.spend_retry(failure)
            reason = status or failure.message
            log.warning("%s: %s; attempt %d follows in %.2f s", call, reason, number + 1, wait)
            await attempt.pause(wait, failure, until=start + policy.total_timeout)
        raise AssertionError  # pragma: no cover  # count() does not end

    def spend_retry(self, failure: ConversationsError) -> None:
        """Take one of the retries that all calls have on credit, to try again after a failure.

        Raises:
            ConversationsError: The failure: none is left.
        """
        if not self._budget.spend(self.options.retry.budget):
            failure.add_note("it is not tried again: the retry budget is used up (RetryPolicy.budget)")
            raise failure

    async def pause(self, seconds: float) -> None:
        """Wait so many seconds, or until the client is closed."""
        pool = await self._connections.pool()
        with suppress(TimeoutError):
            async with pool.wait(seconds):
                await asyncio.Event().wait()  # which nobody sets

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


def _is_final(failure: APIError | TransportError, attempt: Attempt) -> bool:
    """Say whether to try again is of no use, or not safe, whatever the policy says of the method."""
    unsent = isinstance(failure, TransportError) and not failure.sent
    limited = failure.status == RATE_LIMITED
    return (
        attempt.pool.closed
        or isinstance(failure, ResponseTooLargeError)
        or isinstance(failure.__cause__, aiohttp.ClientConnectorCertificateError)
        # it had all the time that was left, and needed more
        or (isinstance(failure, RequestTimeoutError) and attempt.seconds < attempt.options.timeout)
        # a proxy makes no tunnel, whoever asks again
        or (unsent and is_refusal(failure.status) and not limited)
        # an upload that may have arrived is not sent twice
        or (
            isinstance(attempt.call.data, Upload)
            and not ((limited or unsent) and attempt.call.data.replayable)
        )
    )


def _tell(failure: APIError | TransportError, *, sent: bool, ambiguous: bool) -> None:
    """Let a failure say what is true of all attempts of its call."""
    failure.ambiguous = ambiguous
    if isinstance(failure, TransportError):
        failure.sent = sent


def _explain(failure: APIError | TransportError, left: float) -> None:
    """Note why there is no other attempt, where the API has asked for a later one."""
    if isinstance(failure, RateLimitError) and left <= (failure.retry_after or 0):
        failure.add_note(
            f"it is not tried again: Retry-After is {failure.retry_after:g} s,"
            f" and {left:.3g} s of total_timeout are left"
        )


async def _chunks(attempt: Attempt, response: Response, size: int | None) -> AsyncGenerator[bytes]:
    received, chunk = 0, b""
    most = math.inf if size is None else size
    try:
        while received <= most and (chunk := await attempt.next_chunk()):
            received += len(chunk)
            yield chunk
        _check_size(response, received, size)
    except BaseException as error:
        chunk = b""
        forget(error)
        raise


def _check_size(response: Response, received: int, size: int | None) -> None:
    """Refuse a download that is not of its size.

    Raises:
        TransportError: It is not.
    """
    if size is None or received == size:
        return
    fault = f"ended after {received} of" if received < size else "has more than"
    raise TransportError(
        message=f"the download {fault} {size} bytes",
        method=response.method,
        path=response.path,
        status=response.status,
        attempts=response.attempts,
    )

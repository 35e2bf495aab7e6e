"""One attempt of a call: send the request, read the answer, say what went wrong. Nothing is decided here.

The line that sends a request is in ``attempt``.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import aiohttp
from attrs import field, frozen
from yarl import URL

from .connections import ConnectionLostError
from .errors import RequestTimeoutError, TransportError, UploadError
from .response import REQUEST_ID, Response
from .upload import SourceError, Upload

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aiohttp.abc import AbstractStreamWriter

    from .connections import Pool

log = logging.getLogger("conversations_async")

#: Seconds that the source of an upload has to close, however the upload ends.
_GRACE: Final = 1.0


@frozen(kw_only=True)
class Call:
    """What every attempt of a call sends."""

    method: str
    url: URL
    #: What of the address may be shown and logged.
    path: str
    headers: Mapping[str, str] = field(repr=False)
    data: bytes | Upload | None = field(repr=False, default=None)
    #: Whether the body, or that of the answer, may be of any length: what is bounded is then the time in
    #: which nothing moves, and not that of the whole.
    streamed: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Body(aiohttp.AsyncIterablePayload):
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
        """Close the source, which has a second for it, and for good the connection that aiohttp closes."""
        # which would stay open until all that it holds has gone, to a server that perhaps reads no more
        if (wire := self._transport) is not None and wire.is_closing() and wire.get_write_buffer_size():
            wire.abort()
        # where the source is waited for, aiohttp has cancelled that; and what it fails with now is too late
        with suppress(Exception):
            async with asyncio.timeout(_GRACE):
                await self._chunks.aclose()


async def attempt(
    pool: Pool, call: Call, number: int, seconds: float, *, read: bool
) -> tuple[Response, aiohttp.ClientResponse]:
    """Send one request and read its answer, within so many seconds; of an upload, each chunk has as many."""
    clock = asyncio.get_running_loop().time
    start = clock()
    wait = pool.wait(seconds)
    answer = body = None

    def moved() -> None:
        if answer is None:  # an answer that has begun has to end, whatever is still being sent
            wait.extend(seconds)

    if isinstance(call.data, Upload):
        body = Body(call.data.chunks(moved))
    try:
        async with wait:
            answer = await pool.session.request(
                call.method,
                call.url,
                data=body or call.data,
                headers=call.headers,
                allow_redirects=False,
                auto_decompress=True,
                raise_for_status=False,
                timeout=_limits(seconds),
            )
            response = Response(
                method=call.method,
                path=call.path,
                status=answer.status,
                headers=answer.headers,
                body=await answer.read() if read or answer.status >= 300 else b"",
                attempts=number,
            )
            return response, answer
    except (aiohttp.ClientError, OSError) as error:
        failure = _failure(error, pool, call, number, seconds, answer)
    except asyncio.CancelledError:
        if not _cancelled_by_closing(pool):
            raise
        failure = _closed(call, number, "session")
    finally:
        if log.isEnabledFor(logging.DEBUG):
            log.debug(
                "%s %s in %.0f ms (attempt %d, request %s)",
                call,
                answer.status if answer else "no answer",
                (clock() - start) * 1000,
                number,
                answer.headers.get(REQUEST_ID) if answer else None,
            )
        if body is not None:
            await body.end()
    # raised here, where the exception of aiohttp is no longer its context
    raise failure


@lru_cache  # it takes longer to make one than to find it, and there are few
def _limits(seconds: float) -> aiohttp.ClientTimeout:
    # The wait for a connection is told from the rest only if its time ends first; nothing is rounded up.
    return aiohttp.ClientTimeout(total=None, connect=seconds * 0.95, ceil_threshold=math.inf)


async def next_chunk(
    pool: Pool, call: Call, number: int, seconds: float, answer: aiohttp.ClientResponse
) -> bytes:
    """Read what arrives next of an answer, within so many seconds; nothing, at its end."""
    if pool.closed:  # it may be, between two chunks
        raise _closed(call, number)
    try:
        async with pool.wait(seconds):
            return await answer.content.readany()
    except (aiohttp.ClientError, OSError) as error:
        failure = _failure(error, pool, call, number, seconds, answer)
    raise failure


async def pause(pool: Pool, call: Call, number: int, seconds: float) -> None:
    """Wait so many seconds; to close the client ends that."""
    with suppress(TimeoutError):
        async with pool.wait(seconds):
            await asyncio.Event().wait()  # which nobody sets
    if pool.closed:
        raise _closed(call, number)


def _cancelled_by_closing(pool: Pool) -> bool:
    """Say whether aiohttp, and no caller, has cancelled what waits for a connection of a closed session."""
    task = asyncio.current_task()
    return pool.session.closed and not (task and task.cancelling())


def _closed(call: Call, number: int, what: str = "client") -> TransportError:
    return TransportError(
        message=f"the {what} was closed meanwhile", method=call.method, path=call.path, attempts=number
    )


def _failure(
    error: Exception,
    pool: Pool,
    call: Call,
    number: int,
    seconds: float,
    answer: aiohttp.ClientResponse | None,
) -> TransportError:
    """Say what an exception of aiohttp means; its own text may hold the address, or parts of the answer."""
    if isinstance(error, TimeoutError) and pool.closed:
        return _closed(call, number)
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
            kind = RequestTimeoutError
            reason = f"no connection within {seconds * 0.95:.3g} s: all may be in use (max_connections)"
        case TimeoutError():
            kind = RequestTimeoutError
            missing = "nothing moved for" if call.streamed else "no whole answer within"
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
        attempts=number,
    )
    failure.__cause__ = cause
    return failure

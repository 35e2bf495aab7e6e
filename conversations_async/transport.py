"""One attempt of a call: wait for a turn, send the request, read the answer. Nothing is decided here.

The line that sends a request is in ``Attempt.send``.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, cast

import aiohttp
from attrs import define, field, frozen
from yarl import URL

from ._masking import mask_path
from .connections import Pool
from .errors import RequestTimeoutError, TransportError, visible
from .failures import ConnectionLostError, TooLargeError, closed, failure_of, was_sent
from .options import Options
from .response import REQUEST_ID, Response
from .upload import Upload

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aiohttp.abc import AbstractStreamWriter

    from .connections import Wait
    from .errors import ConversationsError
    from .proxies import Proxy

log = logging.getLogger("conversations_async")

#: Seconds that the source of an upload has to close, however the upload ends.
_GRACE: Final = 1.0
#: The part of the time of an attempt in which its connection has to be there. The rest is for an answer: what
#: is sent has some time for one, and what was never sent is told from what was.
_CONNECT: Final = 0.95
#: Bytes that are read of a body at a time; aiohttp keeps about as many ready.
_BLOCK: Final = 1 << 18


@frozen(kw_only=True)
class Call:
    """What every attempt of a call sends."""

    method: str
    url: URL = field(repr=False)
    #: What of the address may be shown and logged, but for telephone numbers.
    path: str = field(repr=mask_path)
    headers: Mapping[str, str] = field(repr=False)
    data: bytes | Upload | None = field(repr=False, default=None)
    #: Whether the body, or that of the answer, may be of any length: what is bounded is then the time in
    #: which nothing moves, and not that of the whole.
    streamed: bool = False

    def __str__(self) -> str:
        return f"{self.method} {mask_path(self.path)}"


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


@define(eq=False)
class Attempt:
    """One attempt of a call; what is held of an answer that is to be read later is held here."""

    pool: Pool
    call: Call
    options: Options
    #: Which attempt of the call it is, from 1.
    number: int
    #: Seconds that it may take. Where chunks have begun to move, up or down, each has the whole ``timeout``.
    seconds: float
    #: Whether it has had its turn, and may have been sent.
    placed: bool = field(default=False, init=False)
    answer: aiohttp.ClientResponse | None = field(default=None, init=False, repr=False)

    @property
    def connect(self) -> float:
        """The seconds within which its connection has to be there."""
        return self.seconds * _CONNECT

    async def send(self, *, read: bool) -> Response:
        """Send the request, and read its answer; one of 2xx that is not to be read is open until ``end``."""
        clock = asyncio.get_running_loop().time
        start = clock()
        wait = self.pool.wait(self.seconds)
        body = _body_of(self, wait)
        kept = False
        failure: TransportError | ValueError
        try:
            async with wait:
                limits = await self._take_slot()
                self.answer = answer = await self.pool.session.request(
                    self.call.method,
                    self.call.url,
                    data=body or self.call.data,
                    allow_redirects=False,
                    auto_decompress=True,
                    raise_for_status=False,
                    ssl=self.options.ssl or True,
                    timeout=limits,
                    **_addressed(self.call, self.options.proxies.find(self.call.url)),
                )
                kept = not read and 200 <= answer.status < 300
                return Response(
                    method=self.call.method,
                    path=self.call.path,
                    status=answer.status,
                    headers=answer.headers,
                    body=b"" if kept else await _read(answer, self.options.max_response_size),
                    attempts=self.number,
                )
        except (aiohttp.ClientError, OSError) as error:
            failure = failure_of(error, self)
        except asyncio.CancelledError:
            if not self._cancelled_by_closing():
                raise
            failure = closed(self, "session")
        except ValueError:
            if not self.pool.session.trust_env:
                raise
            failure = ValueError(
                "session was made with trust_env=True, and its environment does not do: there is a netrc file"
                " with credentials for the host, which the client brings itself, or a malformed proxy"
            )
        finally:
            self._log(clock() - start)
            if not kept:
                self.end()
            if body is not None:
                await body.end()
        # raised here, where the exception of aiohttp is no longer its context
        raise failure

    async def _take_slot(self) -> aiohttp.ClientTimeout:
        """Wait for one's turn, and say how much time is left to connect."""
        connect = self.connect
        if self.pool.slots.locked():
            async with asyncio.timeout(connect) as queue:
                await self.pool.slots.acquire()
            # to aiohttp, 0 means no limit
            connect = max((queue.when() or 0) - asyncio.get_running_loop().time(), 0.001)
        else:
            await self.pool.slots.acquire()
        if self.pool.session.closed:  # a borrowed one, by its owner, while this one waited
            self.pool.slots.release()
            raise closed(self, "session")
        self.placed = True
        return _limits(connect)

    async def next_chunk(self) -> bytes:
        """Read what arrives next of the answer, within the time allowed; nothing, at its end."""
        if self.pool.closed or self.answer is None:  # it may be, between two chunks
            raise closed(self)
        try:
            self.seconds = self.options.timeout
            async with self.pool.wait(self.seconds):
                return await _next_block(self.answer.content)
        except (aiohttp.ClientError, OSError) as error:
            failure = failure_of(error, self)
        raise failure

    async def pause(self, seconds: float, failure: ConversationsError, *, until: float) -> None:
        """Wait so many seconds after a failure, which is raised if that was too long.

        Raises:
            TransportError: The client was closed.
        """
        with suppress(TimeoutError):
            async with self.pool.wait(seconds):
                await asyncio.Event().wait()  # which nobody sets
        if self.pool.closed:
            end = closed(self)
            end.sent, end.ambiguous = was_sent(failure), failure.ambiguous
            raise end from failure
        if asyncio.get_running_loop().time() >= until:  # a busy loop may wake up late
            raise failure

    def end(self) -> None:
        """Let go of the answer, and let the next one in the queue have the connection."""
        if self.answer is not None:
            self.answer.close()  # which does nothing to one that was read whole
        if self.placed:
            self.placed = False
            self.pool.slots.release()

    def moved(self, wait: Wait) -> None:
        """Allow the next chunk of an upload its time."""
        if self.answer is None:  # an answer that has begun has to end, whatever is still being sent
            self.seconds = self.options.timeout
            wait.extend(self.seconds)

    def _log(self, seconds: float) -> None:
        if log.isEnabledFor(logging.DEBUG):
            answer = self.answer
            log.debug(
                "%s %s in %.0f ms (attempt %d, request %s)",
                self.call,
                answer.status if answer else "no answer",
                seconds * 1000,
                self.number,
                visible(answer.headers.get(REQUEST_ID)) if answer else None,
            )

    def _cancelled_by_closing(self) -> bool:
        """Say whether aiohttp, and no caller, has cancelled what waits for a session that was closed."""
        task = asyncio.current_task()
        return self.pool.session.closed and not (task and task.cancelling())


async def take_turn(
    pool: Pool,
    lane: asyncio.Semaphore,
    call: Call,
    seconds: float,
    *,
    attempts: int,
    failure: ConversationsError | None,
) -> None:
    """Wait so many seconds for a place in a lane, after so many attempts and the failure of the last one.

    Raises:
        RequestTimeoutError: None was free in time.
        TransportError: The client was closed.
    """
    placed = False
    with suppress(TimeoutError):
        async with pool.wait(seconds):
            placed = await lane.acquire()
    if placed and not pool.closed:
        return
    if placed:  # in the moment in which the client was closed
        lane.release()
    closed = "the client was closed meanwhile" if pool.closed else None
    late = f"its turn did not come within {seconds:.3g} s: more writes than limits allow"
    kind = RequestTimeoutError if closed is None else TransportError
    raise kind(
        message=closed or late,
        sent=failure is not None and was_sent(failure),
        method=call.method,
        path=call.path,
        attempts=attempts,
        ambiguous=failure is not None and failure.ambiguous,
    ) from failure


def _body_of(attempt: Attempt, wait: Wait) -> Body | None:
    """Make the body of an upload, each chunk of which is allowed its time."""
    if not isinstance(attempt.call.data, Upload):
        return None
    return Body(attempt.call.data.chunks(partial(attempt.moved, wait)))


def _addressed(call: Call, proxy: Proxy | None) -> dict[str, Any]:
    """Give the arguments of aiohttp that say who asks, and through which proxy."""
    if proxy is None:
        return {"headers": call.headers}
    if proxy.authorization is None:
        return {"headers": call.headers, "proxy": proxy.url}
    told = {"Proxy-Authorization": proxy.authorization}
    # to https there is a tunnel, and the proxy is told when it is made; else it reads the request itself
    if call.url.scheme == "https":
        return {"headers": call.headers, "proxy": proxy.url, "proxy_headers": told}
    return {"headers": {**call.headers, **told}, "proxy": proxy.url}


class _Bounded:
    """What aiohttp reads a body from, as far as it may go; counted is what has been decompressed."""

    def __init__(self, content: aiohttp.StreamReader, most: int) -> None:
        self._content = content
        self._most = most

    async def read(self) -> bytes:
        """Read to the end."""
        blocks = []
        size = 0
        while block := await _next_block(self._content):
            size += len(block)
            if size > self._most:
                raise TooLargeError
            blocks.append(block)
        return b"".join(blocks)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)


async def _read(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """Read a body of at most so many bytes."""
    if not (answer.content.is_eof() and answer.content.total_bytes <= most):  # not all is there already
        # a 304 has the length of an answer that is not sent: that is for what is to come
        if (answer.content_length or 0) > most and not answer.content.is_eof():
            raise TooLargeError
        # not by its content alone: to read an answer is also to tell whoever traces the session
        answer.content = cast("aiohttp.StreamReader", _Bounded(answer.content, most))
    return await answer.read()


async def _next_block(content: aiohttp.StreamReader) -> bytes:
    """Read what has arrived of a body, or what arrives next; nothing, at its end."""
    try:
        # not all that there is: aiohttp 3.14.0 then unpacks whatever has arrived, a thousand times its size
        return await content.read(_BLOCK)
    except RuntimeError as error:  # so aiohttp says that the connection was lost while nobody read from it
        raise ConnectionLostError(type(error).__name__) from None


@lru_cache  # it takes longer to make one than to find it, and there are few
def _limits(connect: float) -> aiohttp.ClientTimeout:
    # nothing is rounded up
    return aiohttp.ClientTimeout(total=None, connect=connect, ceil_threshold=math.inf)

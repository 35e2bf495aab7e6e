"""Many streams as one: some of them are read at a time, and one that fails does not end the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from contextlib import AsyncExitStack, aclosing
from functools import partial
from inspect import iscoroutine, iscoroutinefunction
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakSet

from ._checks import check_whole
from ._sealing import forget
from .errors import MergeError
from .pagination import Page, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    OnError = Callable[[Stream[Any] | None, Exception], None]

T = TypeVar("T")


def merge_streams(
    streams: Iterable[Stream[T]] | AsyncIterable[Stream[T]],
    *,
    concurrency: int = 10,
    on_error: OnError | None = None,
) -> Stream[T]:
    """Make one stream of many, of which ``concurrency`` are read at a time.

    Pages are handed on as they arrive: the items of one stream come in its order, those of different streams
    in none. A slow stream does not hold up the others; all wait for a slow consumer. A page is consumed when
    the item after its last one, or the next page, is asked for. Only then does its stream go on, and only
    when the last page of a stream is consumed is the next stream taken. So a consumer that is slow, or stops,
    has at the most ``concurrency * (1 + read_ahead)`` pages read or requested and not consumed, besides what
    ``streams`` itself reads ahead. A merge among ``streams`` has as many as its own bound allows.

    Each open stream has one request on its way at a time. Beyond the number of requests that the account may
    make at a time, the API answers 429 (20429), and streams fail when their attempts are used up. Beyond the
    client's ``max_connections``, requests wait for a connection, and that counts against its ``timeout``.

    Whoever stops early leaves no task and no connection behind, as with any stream: the streams that are open
    are closed, and so is ``streams`` if it is a generator, once an item was asked for. What failed until then
    is told only to ``on_error``.

    mypy does not find the union of several kinds of streams by itself; annotate the list:
    ``streams: list[Stream[Message | Receipt]] = […]``.

    Args:
        streams: The streams: a list, say, or a generator, with which the merge can be read only once. The
            same one may come twice.
        concurrency: How many streams are open at a time, at least 1.
        on_error: Called with a stream that failed, and its error, after the items that were read of it; the
            others go on. The stream is None where ``streams`` itself failed, which ends only itself. What
            ``on_error`` raises ends everything. If it is None, errors are kept, and raised together at the
            end.

    Raises:
        MergeError: After the last item: a stream, or ``streams`` itself, failed, and ``on_error`` is None. It
            holds whatever exceptions they raised.
        ValueError: An argument is out of range, or no such thing (raised by the call); or ``streams`` gave
            what is no stream (raised as soon as it comes, and everything ends).
        RuntimeError: The merge is read again, and ``streams`` is a generator, or another iterator.
    """
    if isinstance(streams, Stream):
        raise ValueError("streams must be an iterable of streams, got one of them: use a list")  # noqa: TRY004  # the contract
    if not isinstance(streams, Iterable | AsyncIterable):
        raise ValueError(f"streams must be an iterable, got a {type(streams).__name__}")  # noqa: TRY004  # the contract
    check_whole("concurrency", concurrency, 1)
    if on_error is not None and (not callable(on_error) or iscoroutinefunction(on_error)):
        raise ValueError("on_error must be a function of a stream and an error, and no coroutine function")
    once = isinstance(streams, Iterator | AsyncIterator)
    return _Merged(partial(_Merge, streams, concurrency, on_error), once=once)


class _Merged(Stream[T]):
    """The stream that others make; each iteration is a merge of its own."""

    def __init__(self, merge: Callable[[], _Merge[T]], *, once: bool) -> None:
        self._merge = merge
        self._once = once
        self._begun = False
        self._open = WeakSet()

    def __repr__(self) -> str:
        return "<Stream of several>"

    def pages(self) -> AsyncGenerator[Page[T]]:
        """Yield page after page, of one stream and another; a cursor is for the list that its page is of."""
        if self._begun and self._once:
            raise RuntimeError("an iterator of streams is read only once: give a list, or merge anew")
        self._begun = True
        return self._opened(self._merge().pages())


class _Merge(Generic[T]):
    """One merge: a task that takes streams, and for each open stream a task that reads it."""

    def __init__(
        self,
        streams: Iterable[Stream[T]] | AsyncIterable[Stream[T]],
        concurrency: int,
        on_error: OnError | None,
    ) -> None:
        self._streams = streams
        self._on_error = on_error
        self._places = asyncio.Semaphore(concurrency)
        #: What the consumer is to see: a page, and what lets its stream go on; a task that ended; what is
        #: wrong with ``streams``.
        self._arrived = asyncio.Queue[tuple[Page[T], asyncio.Event] | asyncio.Task[None] | ValueError]()
        #: Tasks whose end the consumer has not seen, and the streams that they read.
        self._running: dict[asyncio.Task[None], Stream[T] | None] = {}
        self._ended = 0
        self._failed: list[tuple[Stream[Any] | None, Exception]] = []

    async def pages(self) -> AsyncGenerator[Page[T]]:
        """Yield page after page, and leave nothing."""
        arrival = page = None
        self._start(self._take(), None)
        try:
            while self._running:
                arrival = await self._arrived.get()
                if isinstance(arrival, tuple):
                    page, consumed = arrival
                    yield page
                    consumed.set()
                else:
                    self._see(arrival)
            self._end()
        except BaseException as error:
            arrival = page = None
            forget(error)
            raise
        finally:
            for task in self._running:
                task.cancel()
            # gathered, so that an error which nobody came to see is not reported as forgotten
            await asyncio.gather(*self._running, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None], stream: Stream[T] | None) -> None:
        task = asyncio.create_task(work)
        self._running[task] = stream
        task.add_done_callback(self._arrived.put_nowait)

    async def _take(self) -> None:
        mistake = None
        async with aclosing(_each(self._streams)) as each:
            await self._places.acquire()
            async for stream in each:
                if not isinstance(stream, Stream):
                    what = type(stream).__name__
                    mistake = ValueError(f"streams must be an iterable of streams, and it gave a {what}")
                    break
                self._start(self._read(stream), stream)
                await self._places.acquire()  # before the next one is taken
        if mistake is not None:
            self._arrived.put_nowait(mistake)

    async def _read(self, stream: Stream[T]) -> None:
        async with aclosing(stream.pages()) as pages:
            async for page in pages:
                consumed = asyncio.Event()
                self._arrived.put_nowait((page, consumed))
                await consumed.wait()
        self._places.release()

    def _see(self, arrival: asyncio.Task[None] | ValueError) -> None:
        if isinstance(arrival, ValueError):
            raise arrival
        stream = self._running.pop(arrival)
        if stream is not None:
            self._ended += 1
        error = arrival.exception()  # a task that was cancelled raises it here
        if error is None:
            return
        if not isinstance(error, Exception):
            raise error
        forget(error)  # before anybody sees it; and the frames hold a page, and errors may be many
        if stream is not None:
            # only now that the consumer has come so far: streams that fail are not opened without end
            self._places.release()
        if self._on_error is not None:
            said: object = self._on_error(stream, error)
            if iscoroutine(said):
                said.close()
                raise ValueError("on_error must be no coroutine function") from error
            return
        self._failed.append((stream, error))

    def _end(self) -> None:
        """Raise what failed, all together."""
        if not self._failed:
            return
        errors = [error for _, error in self._failed]
        failed = sum(stream is not None for stream, _ in self._failed)
        what = [f"{failed} of {self._ended} streams failed"] if failed else []
        if failed < len(errors):
            what.append(f"the iterable of streams failed after {self._ended}")
        first = f"the first error is {type(errors[0]).__name__}: {errors[0]}"
        raise MergeError(message=f"{' and '.join(what)}; {first}", exceptions=errors)


async def _each(streams: Iterable[object] | AsyncIterable[object]) -> AsyncGenerator[object]:
    """Yield from either kind of iterable; a generator is closed with this one."""
    async with AsyncExitStack() as stack:
        if isinstance(streams, AsyncIterable):
            later = aiter(streams)
            if isinstance(later, AsyncGenerator):
                stack.push_async_callback(later.aclose)
            async for stream in later:
                yield stream
        else:
            now = iter(streams)
            if isinstance(now, Generator):
                stack.callback(now.close)
            for stream in now:
                yield stream

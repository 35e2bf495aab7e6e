"""Page and Stream: one list of the API, read page after page, ahead of whoever consumes it."""

from __future__ import annotations

import asyncio
import builtins
from contextlib import aclosing
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakSet

from attrs import evolve, frozen

from .errors import PaginationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from typing import Any

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@frozen(kw_only=True)
class Page(Generic[T]):
    """One page of a list."""

    items: builtins.list[T]
    #: The number of the page, from 0, as the API counts; it positions nothing.
    index: int | None
    #: How many items the API puts on a page.
    page_size: int | None
    #: Where the list goes on: give it to ``stream(cursor=…)``, in this process or another. None at the end.
    cursor: str | None
    #: The address of the next page as the API gave it; only ``cursor`` is safe to follow.
    next_page_url: str | None


class Stream(Generic[T_co]):
    """One list of the API, or several that were merged, that reads itself: ``async for item in stream``.

    Nothing is requested before the first item is asked for, and each ``async for`` begins at the first page.
    Whoever stops early (``break``, ``aclose()``, cancellation) leaves no task and no connection behind.

    Iterating raises what a request raises, and ``PaginationError`` where the API links to a page of another
    origin, or to one that was read already; the items that were read before come first. See
    ``merge_streams`` for what a merge raises.
    """

    def __init__(
        self,
        read: Callable[[str], Awaitable[Page[T_co]]],
        link: str,
        *,
        limit: int | None = None,
        read_ahead: int = 1,
        key: str,
    ) -> None:
        self._read = read  # requests and decodes one page: Repository._read
        self._link = link
        self._limit = limit
        self._read_ahead = read_ahead
        self._key = key
        self._open: WeakSet[AsyncGenerator[Any]] = WeakSet()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._link.partition('?')[0]}>"

    def __aiter__(self) -> AsyncGenerator[T_co]:
        """Yield item after item, up to the limit."""
        return self._opened(self._items())

    def pages(self) -> AsyncGenerator[Page[T_co]]:
        """Yield page after page; the last one is cut where the limit is reached, and so is its cursor.

        Whoever stops early and keeps the generator under a name has to close it, or the stream.
        """
        pages = self._follow()
        return self._opened(_ahead(pages, self._read_ahead) if self._read_ahead else pages)

    async def aclose(self) -> None:
        """Close every iteration of this stream that is still open.

        Raises:
            RuntimeError: Another task waits for an item right now; cancel that task instead.
        """
        busy = None
        for generator in builtins.list(self._open):
            try:
                await generator.aclose()
            except RuntimeError as error:
                busy = error
        if busy is not None:
            raise busy

    async def list(self) -> builtins.list[T_co]:
        """Read everything, up to the limit, into a list."""
        return [item async for item in self]

    def _opened(self, generator: AsyncGenerator[Any]) -> AsyncGenerator[Any]:
        self._open.add(generator)
        return generator

    async def _items(self) -> AsyncGenerator[T_co]:
        async with aclosing(self.pages()) as pages:
            async for page in pages:
                for item in page.items:
                    yield item

    async def _follow(self) -> AsyncGenerator[Page[T_co]]:
        link, left = self._link, self._limit
        # hashes of links: a list may have many pages, and a link has hundreds of characters
        read = set[int]()
        while True:
            page = await self._read(link)
            read.add(hash(link))
            if left is not None:
                if len(page.items) > left:
                    items = page.items[:left]
                    place, skipped, _ = split_cursor(link)
                    cursor = f"{place}#{skipped + left},{getattr(items[-1], self._key) or ''}"
                    page = evolve(page, items=items, cursor=cursor)
                left -= len(page.items)
            yield page
            if left == 0 or not page.next_page_url:
                return
            if page.cursor is None:
                raise _refused(link, "the next page is said to be at another origin")
            link = page.cursor
            if hash(link) in read:
                raise _refused(link, "the next page is said to be one that was read already")


async def _ahead(pages: AsyncGenerator[Page[T]], depth: int) -> AsyncGenerator[Page[T]]:
    """Have up to ``depth`` pages read before they are asked for, by a task that ends with this generator."""
    arrived = asyncio.Queue[Page[T] | None]()
    room = asyncio.Semaphore(depth)

    async def fetch() -> None:
        try:
            async with aclosing(pages):
                async for page in pages:
                    arrived.put_nowait(page)
                    await room.acquire()
        finally:
            arrived.put_nowait(None)

    task = asyncio.create_task(fetch())
    try:
        while (page := await arrived.get()) is not None:
            yield page
            room.release()
        await task  # raises what the task met
    finally:
        task.cancel()
        # gathered, so that an error which nobody came to see is not reported as forgotten
        await asyncio.gather(task, return_exceptions=True)


def split_cursor(cursor: str) -> tuple[str, int, str]:
    """Divide a cursor: the place of a page, how many of its items are consumed, and the last one's SID."""
    place, _, consumed = cursor.partition("#")
    count, _, sid = consumed.partition(",")
    return place, int(count or 0), sid


def _refused(link: str, reason: str) -> PaginationError:
    return PaginationError(message=reason, method="GET", path=link.partition("?")[0])

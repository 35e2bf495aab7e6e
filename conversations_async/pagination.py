"""Page and Stream: one list of the API, read page after page, ahead of whoever consumes it."""

from __future__ import annotations

import asyncio
import builtins
from contextlib import aclosing
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakSet

from attrs import evolve, frozen

from ._masking import mask_path
from ._sealing import Sealed, forget
from .errors import PaginationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from typing import Any

#: Pages without an item that are read one after the other, before a list counts as one without an end.
_EMPTY_MAX = 100

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


class Stream(Sealed, Generic[T_co]):
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
        return f"<{type(self).__name__} of {_place(self._link)}>"

    def __aiter__(self) -> AsyncGenerator[T_co]:
        """Yield item after item, up to the limit."""
        return self._opened(self._items())

    def pages(self) -> AsyncGenerator[Page[T_co]]:
        """Yield page after page; the last one is cut where the limit is reached, and so is its cursor.

        Whoever stops early and keeps the generator under a name has to close it, or the stream.
        """
        pages = self._follow()
        return self._opened(_Ahead(pages, self._read_ahead).pages() if self._read_ahead else pages)

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
        page = item = None
        try:
            async with aclosing(self.pages()) as pages:
                async for page in pages:
                    for item in page.items:
                        yield item
        except BaseException:
            page = item = None  # the frames beneath hold nothing: see pages()
            raise

    async def _follow(self) -> AsyncGenerator[Page[T_co]]:
        chain, left, page = _Chain(self._link), self._limit, None
        try:
            while True:
                page = await self._read(chain.link)
                if left is not None:
                    page = self._cut(page, chain.link, left)
                    left -= len(page.items)
                yield page
                if left == 0 or not page.next_page_url:
                    return
                chain.step(page)
        except BaseException as error:
            page = None
            forget(error)
            raise

    def _cut(self, page: Page[T_co], link: str, left: int) -> Page[T_co]:
        if len(page.items) <= left:
            return page
        items = page.items[:left]
        place, skipped, _ = split_cursor(link)
        cursor = f"{place}#{skipped + left},{getattr(items[-1], self._key) or ''}"
        return evolve(page, items=items, cursor=cursor)


class _Chain:
    """The links from page to page, as far as they lead on."""

    def __init__(self, link: str) -> None:
        self.link = link
        # hashes of links: a list may have many pages, and a link has hundreds of characters
        self._read = set[int]()
        self._empty = 0

    def step(self, page: Page[Any]) -> None:
        """Go on from a page, which names a next one."""
        self._empty = 0 if page.items else self._empty + 1
        if self._empty == _EMPTY_MAX:
            raise self._refused(f"{self._empty} pages in a row were empty, and the list is said to go on")
        if page.cursor is None:
            raise self._refused("the next page is said to be at another origin")
        self._read.add(hash(self.link))
        if hash(page.cursor) in self._read:
            raise self._refused("the next page is said to be one that was read already")
        self.link = page.cursor

    def _refused(self, reason: str) -> PaginationError:
        return PaginationError(message=reason, method="GET", path=_place(self.link))


class _Ahead(Generic[T]):
    """Has up to ``depth`` pages read before they are asked for, by a task that ends with the iteration."""

    def __init__(self, pages: AsyncGenerator[Page[T]], depth: int) -> None:
        self._pages = pages
        self._arrived = asyncio.Queue[Page[T] | None]()
        self._room = asyncio.Semaphore(depth)

    async def pages(self) -> AsyncGenerator[Page[T]]:
        """Yield page after page."""
        page = None
        task = asyncio.create_task(self._fetch())
        try:
            while (page := await self._arrived.get()) is not None:
                yield page
                self._room.release()
            await task  # raises what the task met
        except BaseException as error:
            page = None
            forget(error)
            raise
        finally:
            task.cancel()
            # gathered, so that an error which nobody came to see is not reported as forgotten
            await asyncio.gather(task, return_exceptions=True)

    async def _fetch(self) -> None:
        try:
            async with aclosing(self._pages) as pages:
                async for page in pages:
                    self._arrived.put_nowait(page)
                    await self._room.acquire()
        finally:
            self._arrived.put_nowait(None)


def split_cursor(cursor: str) -> tuple[str, int, str]:
    """Divide a cursor: the place of a page, how many of its items are consumed, and the last one's SID."""
    place, _, consumed = cursor.partition("#")
    count, _, sid = consumed.partition(",")
    return place, int(count or 0), sid


def _place(link: str) -> str:
    """Give what of a link may be shown."""
    return mask_path(link.partition("?")[0])

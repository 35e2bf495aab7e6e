"""What an upload sends: bytes, a file, or somebody's stream, as chunks whose sum is checked.

Neither a file nor a stream is ever held whole. Nothing is sent here.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator
from contextlib import aclosing
from functools import partial
from typing import Final

import aiohttp
from attrs import define, field

from ._checks import check_whole

#: Bytes, at the most; each chunk of a file is a hop to a thread and back.
_CHUNK: Final = 256 * 1024

UploadSource = bytes | bytearray | memoryview | str | os.PathLike[str] | AsyncIterable[bytes]


class SourceError(Exception):
    """The source ended early, went on for too long, or gave something else than bytes."""


@define(eq=False)
class Upload:
    """The body of one upload."""

    _read: Callable[[], AsyncGenerator[bytes]]
    #: In bytes; None where nobody knows it.
    size: int | None
    #: Whether the source can be read from its beginning again.
    rereadable: bool
    _begun: bool = field(default=False, init=False)
    #: What the source did wrong.
    fault: Exception | None = field(default=None, init=False)

    @property
    def replayable(self) -> bool:
        """Whether all of it can be sent; a stream that was asked for its first chunk cannot any more."""
        return self.rereadable or not self._begun

    @classmethod
    async def of(cls, source: UploadSource, size: int | None) -> Upload:
        """Look at a source.

        Raises:
            OSError: A file cannot be read.
            ValueError: It is no source, or not of that size.
        """
        if size is not None:
            check_whole("size", size, 0)
        if isinstance(source, AsyncIterable):
            return cls(partial(_from_stream, source), size, rereadable=False)
        if isinstance(source, bytes | bytearray | memoryview):
            found, read = memoryview(source).nbytes, partial(_from_bytes, memoryview(source))
        elif isinstance(source, str | os.PathLike):
            found, read = await asyncio.to_thread(_size_of, source), partial(_from_file, source)
        else:
            raise ValueError(  # noqa: TRY004  # the contract
                "source must be bytes, the path of a file (not an open one) or an async iterable of bytes,"
                f" got a {type(source).__name__}"
            )
        if size not in (None, found):
            raise ValueError(f"size is {size}, but the source has {found} bytes")
        return cls(read, found, rereadable=True)

    async def chunks(self, moved: Callable[[], None]) -> AsyncGenerator[bytes]:
        """Yield the source, chunk by chunk, and tell when one has gone.

        Raises:
            SourceError: It has not the size that it should have; its last chunk was not yielded then.
        """
        self._begun = True
        async with aclosing(self._weighed()) as chunks:
            async for chunk in chunks:
                yield chunk
                moved()

    async def _weighed(self) -> AsyncGenerator[bytes]:
        found, last = 0, b""
        try:
            async with aclosing(self._read()) as chunks:
                async for chunk in chunks:
                    found += len(chunk)
                    self._weigh(found)
                    if found == self.size:
                        last = chunk  # the source may yet go on, or fail: what was sent whole has arrived
                    else:
                        yield chunk
            self._weigh(found, ended=True)
        except Exception as error:
            self.fault = error
            raise
        if last:
            yield last

    def _weigh(self, found: int, *, ended: bool = False) -> None:
        if self.size is not None and found > self.size:
            raise SourceError(f"it has more than {self.size} bytes")
        if self.size is not None and ended and found < self.size:
            raise SourceError(f"it ended after {found} of {self.size} bytes")


def _pieces(view: memoryview) -> Iterator[bytes]:
    # a view that is no row of bytes cannot always be cast or cut: it is copied
    row = view if view.format == "B" and view.ndim == 1 else memoryview(view.tobytes())
    for start in range(0, len(row), _CHUNK):
        yield bytes(row[start : start + _CHUNK])


async def _from_bytes(view: memoryview) -> AsyncGenerator[bytes]:
    for piece in _pieces(view):
        yield piece


def _size_of(path: str | os.PathLike[str]) -> int:
    status = os.stat(path)  # noqa: PTH116  # it takes both kinds of path
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("source must be the path of a regular file")
    with open(path, "rb"):  # noqa: PTH123  # likewise
        return status.st_size  # it can be opened: better known before anything is sent


async def _from_file(path: str | os.PathLike[str]) -> AsyncGenerator[bytes]:
    # opened here, and not in a thread: what a thread opens after a cancellation, nobody would close
    with open(path, "rb") as file:  # noqa: ASYNC230, PTH123  # see above; it takes both kinds of path
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk


async def _from_reader(reader: asyncio.StreamReader | aiohttp.StreamReader) -> AsyncGenerator[bytes]:
    while chunk := await reader.read(_CHUNK):
        yield chunk


async def _from_stream(stream: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    if isinstance(stream, asyncio.StreamReader | aiohttp.StreamReader):
        stream = _from_reader(stream)  # these iterate over lines, and a file may have none
    iterator = aiter(stream)
    try:
        async for chunk in iterator:
            if not isinstance(chunk, bytes | bytearray | memoryview):
                raise SourceError(f"it gave a {type(chunk).__name__}, not bytes")
            # a large chunk moves piece by piece; of an empty one, which would end the body, there is none
            for piece in _pieces(memoryview(chunk)):
                yield piece
    finally:
        if isinstance(iterator, AsyncGenerator):
            await iterator.aclose()

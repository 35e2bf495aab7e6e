"""What an upload sends: sources as chunks, the size that they must have, and who closes them."""

from __future__ import annotations

import array
import asyncio
import ctypes
import io
import os
from contextlib import suppress
from types import NoneType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations_async.upload import SourceError, Upload

from .support import deterministic

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

CHUNK = 256 * 1024
DATA = bytes(range(256)) * 2500  # more than two chunks, and no whole number of them


async def stream(*chunks: Any, closed: list[str] | None = None) -> AsyncGenerator[Any]:
    """Give chunks, or raise the exception that is among them."""
    try:
        for chunk in chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk
    finally:
        if closed is not None:
            closed.append("closed")


class Rope:
    """What is iterated by a generator, and is none."""

    def __init__(self, *chunks: Any) -> None:
        self.chunks = chunks
        self.closed: list[str] = []

    def __aiter__(self) -> AsyncIterator[Any]:
        return stream(*self.chunks, closed=self.closed)


class Once:
    """An iterator that nobody can close."""

    def __init__(self, *chunks: Any) -> None:
        self.chunks = iter(chunks)

    def __aiter__(self) -> Once:
        return self

    async def __anext__(self) -> Any:
        for chunk in self.chunks:
            return chunk
        raise StopAsyncIteration


async def read(source: Any, size: int | None = None) -> tuple[list[bytes], Exception | None]:
    """Read a source, or an upload of one, as far as it goes, and say what was wrong with it."""
    upload = source if isinstance(source, Upload) else await Upload.of(source, size)
    chunks = []
    with suppress(Exception):
        async for chunk in upload.chunks(lambda: None):
            chunks.append(chunk)
    return chunks, upload.fault


GRID = memoryview(DATA[:24]).cast("B", [4, 6])
NUMBERS = memoryview(array.array("i", [1, -2, 3]))
VIEWS = {
    "bytes": memoryview(DATA),
    "none": memoryview(b""),
    "every other": memoryview(DATA)[::2],
    "backwards": memoryview(DATA)[::-1],
    "rows": GRID,
    "rows backwards": GRID[::-1],
    "signed": memoryview(DATA).cast("b"),
    "numbers": NUMBERS,
    "many numbers": memoryview(array.array("q", range(100_000))),
    "every other number": NUMBERS[::2],
    "rows of nothing": memoryview((ctypes.c_int * 0 * 3)()),
    "one number": memoryview(ctypes.c_int(7)),
    "big-endian numbers": memoryview((ctypes.c_int.__ctype_be__ * 2)(1, 2)),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
async def test_a_view_is_read_as_its_bytes(view: memoryview) -> None:
    """Whatever its shape, strides and format, a view gives what ``bytes`` makes of it, twice if need be."""
    upload = await Upload.of(view, view.nbytes)
    for _ in range(2):
        chunks, fault = await read(upload)
        assert (b"".join(chunks), fault) == (bytes(view), None)
        assert max(map(len, chunks), default=0) <= CHUNK
    assert (upload.size, upload.replayable) == (view.nbytes, True)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
async def test_bytes_and_files_come_in_chunks(size: int, tmp_path: Path) -> None:
    """All chunks but the last are of one size, none is empty, and the size need not be stated."""
    data = (DATA * 2)[:size]
    path = tmp_path / "file"
    path.write_bytes(data)
    for source in data, bytearray(data), path, str(path):
        chunks, fault = await read(source)
        assert [len(chunk) for chunk in chunks[:-1]] == [CHUNK] * (len(chunks) - 1)
        assert (b"".join(chunks), all(chunks), fault) == (data, True, None)


@given(chunks=st.lists(st.binary(max_size=3), max_size=6), size=st.none() | st.integers(0, 9))
@deterministic
def test_a_stream_has_the_size_that_was_stated(chunks: list[bytes], size: int | None) -> None:
    """A stream of that size arrives; of any other one so little that nobody can take it for the whole."""
    for source in stream(*chunks), Rope(*chunks), Once(*map(bytearray, chunks)):
        sent, fault = asyncio.run(read(source, size))
        data = b"".join(sent)
        assert all(sent)
        assert b"".join(chunks).startswith(data)
        if size in (None, sum(map(len, chunks))):
            assert (data, fault) == (b"".join(chunks), None)
        else:
            assert isinstance(fault, SourceError)
            assert size == len(data) == 0 or len(data) < (size or 0)


async def test_a_large_chunk_of_a_stream_moves_in_pieces() -> None:
    """What a stream gives at once is not sent at once: that it moves can be told in between."""
    moves: list[int] = []
    upload = await Upload.of(stream(DATA, memoryview(DATA)[::2]), None)
    chunks = [chunk async for chunk in upload.chunks(lambda: moves.append(1))]
    assert b"".join(chunks) == DATA + DATA[::2]
    assert max(map(len, chunks)) == CHUNK
    assert len(moves) == len(chunks) == 5


async def test_a_buffer_may_be_used_again() -> None:
    """A stream may give the same buffer each time, filled anew and of another size."""

    async def refilled() -> AsyncGenerator[bytearray]:
        buffer = bytearray()
        for number in range(4):
            buffer[:] = bytes([number]) * (number + 1)
            yield buffer

    assert b"".join((await read(refilled(), 10))[0]) == b"\0\1\1\2\2\2\3\3\3\3"


@pytest.mark.parametrize("error", [None, ValueError("broken")])
@pytest.mark.parametrize("size", [None, 3, 5, 9])
async def test_what_is_iterated_is_closed(error: Exception | None, size: int | None) -> None:
    """A generator is closed whatever happens, and at once: no task is left to do it later."""
    closed: list[str] = []
    rope = Rope(b"abc", error or b"d", b"ef")
    for source in stream(*rope.chunks, closed=closed), rope:
        _, fault = await read(source, size)
        assert isinstance(fault, ValueError if error else SourceError if size else NoneType)
    assert closed == rope.closed == ["closed"]
    assert len(asyncio.all_tasks()) == 1


async def test_what_is_given_up_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing the chunks closes the source: a generator is done, and a file is closed."""
    files: list[io.BufferedReader] = []

    def opened(*args: Any) -> io.BufferedReader:
        files.append(open(*args))  # noqa: PTH123, SIM115  # this is what it stands for
        return files[-1]

    monkeypatch.setattr("conversations_async.upload.open", opened, raising=False)
    (tmp_path / "file").write_bytes(DATA)
    closed: list[str] = []
    for source in tmp_path / "file", stream(DATA, closed=closed):
        chunks = (await Upload.of(source, None)).chunks(lambda: None)
        await anext(chunks)
        await chunks.aclose()
    assert [file.closed for file in files] == [True, True]
    assert closed == ["closed"]
    assert len(asyncio.all_tasks()) == 1


async def test_a_stream_is_whole_until_it_is_begun() -> None:
    """Only a source that can be read again is whole after its first chunk was asked for."""
    for source, again in (stream(b"abc"), False), (Rope(b"abc"), False), (b"abc", True):
        upload = await Upload.of(source, None)
        chunks = upload.chunks(lambda: None)
        assert upload.replayable
        await anext(chunks)
        assert upload.replayable == again
        await chunks.aclose()


@pytest.mark.parametrize("chunk", ["text", None, 5, [b"a"]], ids=repr)
async def test_a_stream_gives_bytes(chunk: Any) -> None:
    """Anything else is the stream's fault, and named by its type."""
    chunks, fault = await read(stream(b"abc", chunk))
    assert chunks == [b"abc"]
    assert str(fault) == f"it gave a {type(chunk).__name__}, not bytes"


@pytest.mark.parametrize("size", [2, 600_000, 700_000])
async def test_a_file_may_change_meanwhile(size: int, tmp_path: Path) -> None:
    """A file that has shrunk or grown since it was looked at is at fault, and was not sent whole."""
    path = tmp_path / "file"
    path.write_bytes(DATA)
    upload = await Upload.of(path, len(DATA))
    os.truncate(path, size)
    chunks, fault = await read(upload)
    assert isinstance(fault, SourceError)
    assert sum(map(len, chunks)) < len(DATA)


async def test_a_file_that_is_gone_meanwhile(tmp_path: Path) -> None:
    """The error of the file system is the fault."""
    path = tmp_path / "file"
    path.write_bytes(DATA)
    upload = await Upload.of(path, None)
    path.unlink()
    assert isinstance((await read(upload))[1], FileNotFoundError)


@pytest.mark.parametrize(
    "source", [None, 5, [b"a"], iter([b"a"]), io.BytesIO(b"a"), io.StringIO("a"), Upload, array.array("b")]
)
async def test_what_is_no_source(source: Any) -> None:
    """What would block, or has no bytes, is refused by its type."""
    with pytest.raises(ValueError, match=f"^source must be .* got a {type(source).__name__}$"):
        await Upload.of(source, None)


@pytest.mark.parametrize("size", [-1, True, 3.0, "3", 2, 4, 0])
async def test_a_size_that_cannot_be(size: Any) -> None:
    """A size is a whole number from 0, and that of the source where this is known."""
    with pytest.raises(ValueError, match=r"^size "):
        await Upload.of(b"abc", size)


async def test_what_is_no_regular_file(tmp_path: Path) -> None:
    """A directory and a pipe are refused at once, and what is missing is missing."""
    os.mkfifo(tmp_path / "pipe")
    async with asyncio.timeout(5):
        for path in tmp_path, str(tmp_path), tmp_path / "pipe":
            with pytest.raises(ValueError, match=r"^source must be the path of a regular file$"):
                await Upload.of(path, None)
        for name in str(tmp_path / "missing"), "":
            with pytest.raises(FileNotFoundError):
                await Upload.of(name, None)
        with pytest.raises(ValueError, match="null"):
            await Upload.of("a\0b", None)

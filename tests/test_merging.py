"""merge_streams: what comes, in which order, how much waits, what fails, and what is left behind."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from conversations_async import (
    ConversationsClient,
    ConversationsError,
    MergeError,
    NotFoundError,
    Page,
    RetryPolicy,
    ServerError,
    Stream,
    merge_streams,
)

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION
from .servers import Scripted, answer, page
from .support import deterministic, is_one_line

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable


@frozen
class Item:
    """The n-th item of a list."""

    name: str
    index: int


class Listed(Stream[Item]):
    """A stream of a list in memory, which says whether it is being read."""

    def __init__(self, memory: Memory, name: str, **options: Any) -> None:
        super().__init__(memory.read, f"/{name}?0", **options)
        self.memory = memory
        self.name = name

    async def pages(self) -> AsyncGenerator[Page[Item]]:
        """Yield page after page."""
        self.memory.open += 1
        self.memory.most_open = max(self.memory.most_open, self.memory.open)
        try:
            async with aclosing(super().pages()) as pages:
                async for page in pages:
                    yield page
                    del page  # what a caller's own frames hold, an error keeps
        finally:
            self.memory.open -= 1


@define
class Memory:
    """Lists in memory: it counts the pages that are asked for, and the streams that are open."""

    sizes: dict[str, Sequence[int]] = field(factory=dict)
    #: The page that fails instead, and how.
    errors: dict[str, tuple[int, BaseException]] = field(factory=dict)
    #: How many turns of the loop a page takes.
    turns: dict[str, int] = field(factory=dict)
    requests: int = 0
    open: int = 0
    most_open: int = 0

    async def read(self, link: str) -> Page[Item]:
        """Give a page, in a while."""
        name, _, number = link.removeprefix("/").partition("?")
        sizes, index = self.sizes[name], int(number)
        self.requests += 1
        for _ in range(self.turns[name]):
            await asyncio.sleep(0)
        bad, error = self.errors.get(name, (None, None))
        if bad == index and error is not None:
            raise error
        start = sum(sizes[:index])
        items = [Item(name, start + place) for place in range(sizes[index])]
        following = f"/{name}?{index + 1}" if index + 1 < len(sizes) else None
        return Page(items=items, index=index, page_size=50, cursor=following, next_page_url=following)

    def stream(
        self,
        name: str,
        *sizes: int,
        error: BaseException | None = None,
        at: int = 0,
        turns: int = 1,
        read_ahead: int = 1,
    ) -> Listed:
        """Make the stream of a list with pages of such sizes, one of which may fail."""
        self.sizes[name] = sizes
        self.turns[name] = turns
        if error is not None:
            self.errors[name] = at, error
        return Listed(self, name, read_ahead=read_ahead, key="sid")

    def streams(self, number: int, *sizes: int, **options: Any) -> list[Listed]:
        """Make some that are alike."""
        return [self.stream(f"{place}", *sizes, **options) for place in range(number)]


def error(path: str = "/v1/x", status: int = 404) -> ConversationsError:
    """Make what a request raises."""
    cls = NotFoundError if status == 404 else ServerError
    return cls(message="no", status=status, method="GET", path=path)


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(100):
        await asyncio.sleep(0)


def others() -> set[asyncio.Task[Any]]:
    """Give the tasks that are not over, apart from the one that asks."""
    return asyncio.all_tasks() - {asyncio.current_task()}


@asynccontextmanager
async def nothing_left(memory: Memory) -> AsyncGenerator[None]:
    """Require that no task, open stream or forgotten error is left of what is done within."""
    forgotten: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: forgotten.append(context))
    before = others()
    yield
    await settle()
    gc.collect(1)  # what is young
    await settle()
    assert others() <= before
    assert memory.open == 0
    assert forgotten == []


@pytest.fixture
async def memory() -> AsyncIterator[Memory]:
    """Give lists in memory; when the test is over, nothing of them is open."""
    memory = Memory()
    async with nothing_left(memory):
        yield memory


async def listed(items: AsyncIterable[Item]) -> dict[str, list[int]]:
    """Read to the end: the indexes of each list's items, as they came."""
    found: dict[str, list[int]] = {}
    async for item in items:
        found.setdefault(item.name, []).append(item.index)
    return found


async def later(streams: Iterable[Any]) -> AsyncGenerator[Any]:
    """Give streams one after another, each in a while."""
    for stream in streams:
        await asyncio.sleep(0)
        yield stream


class Handwritten:
    """An asynchronous iterator that is no generator."""

    def __init__(self, streams: Iterable[Any]) -> None:
        self._streams = iter(streams)

    def __aiter__(self) -> Handwritten:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self._streams)
        except StopIteration:
            raise StopAsyncIteration from None


# ----------------------------------------------------------------------------------------------- what comes


async def test_all_messages_of_all_conversations(client: ConversationsClient) -> None:
    """Every message of every conversation comes once, those of one conversation in their order."""
    expected: dict[str, list[int]] = {}
    for number in range(7):
        sid = (await client.conversations.create()).sid
        for _ in range(number):
            await client.messages(sid).create(body="x")
        expected[sid] = list(range(number))
    streams = (
        client.messages(found.sid).stream(page_size=2) async for found in client.conversations.stream()
    )
    found: dict[str, list[int | None]] = {sid: [] for sid in expected}
    async for message in merge_streams(streams, concurrency=3):
        assert message.conversation_sid is not None
        found[message.conversation_sid].append(message.index)
    assert found == expected


async def test_a_conversation_that_is_gone(client: ConversationsClient) -> None:
    """A list that the API refuses is told by its path, and the others are read."""
    sid = (await client.conversations.create()).sid
    await client.messages(sid).create(body="here")
    streams = [client.messages(place).stream() for place in (CONVERSATION, sid)]
    bodies = []
    with pytest.raises(MergeError) as caught:
        async for message in merge_streams(streams):
            bodies.append(message.body)
    assert bodies == ["here"]
    (failed,) = caught.value.exceptions
    assert isinstance(failed, NotFoundError)
    assert failed.path == f"/v1/Conversations/{CONVERSATION}/Messages"
    assert str(caught.value).startswith(
        f"1 of 2 streams failed; the first error is NotFoundError: GET {failed.path}:"
    )
    assert is_one_line(str(caught.value))


async def test_limits_hold_for_each_stream(client: ConversationsClient) -> None:
    """A stream's ``limit`` bounds what comes of it."""
    for name in ("a", "b"):
        await client.conversations.create(unique_name=name)
        for _ in range(5):
            await client.messages(name).create(body=name)
    streams = [client.messages(name).stream(page_size=2, limit=3) for name in ("a", "b")]
    bodies = [message.body async for message in merge_streams(streams)]
    assert sorted(filter(None, bodies)) == ["a"] * 3 + ["b"] * 3


async def test_more_streams_than_connections() -> None:
    """What the client has no connection for waits, and comes all the same."""
    async with Scripted.of([answer(200, page("messages", [{"sid": "IM1"}]))]) as server:
        options: dict[str, Any] = {"base_url": server.url, "max_connections": 2}
        async with ConversationsClient(
            ACCOUNT_SID, AUTH_TOKEN, retry=RetryPolicy(max_attempts=1), **options
        ) as client:
            streams = [client.messages(f"{number}").stream() for number in range(20)]
            messages = [message async for message in merge_streams(streams, concurrency=20)]
        assert len(messages) == len(server.requests) == 20
        assert server.most_connections == 2


@pytest.mark.parametrize("kind", [list, tuple, iter, dict.fromkeys, later, Handwritten])
async def test_streams_come_from_any_iterable(memory: Memory, kind: Callable[[Any], Any]) -> None:
    """Lists, iterators, other iterables, and asynchronous ones will do."""
    streams = memory.streams(3, 2, 0, 1)
    found = await listed(merge_streams(kind(streams), concurrency=2))
    assert found == {"0": [0, 1, 2], "1": [0, 1, 2], "2": [0, 1, 2]}


@pytest.mark.parametrize("kind", [list, later])
async def test_no_streams_are_no_items(memory: Memory, kind: Callable[[Any], Any]) -> None:
    """To merge nothing is no error."""
    assert await listed(merge_streams(kind([]))) == {}


async def test_the_same_stream_twice(memory: Memory) -> None:
    """Each time that a stream is given, it is read from its first page."""
    stream = memory.stream("x", 1, 1)
    found = await listed(merge_streams([stream, stream]))
    assert sorted(found["x"]) == [0, 0, 1, 1]


async def test_streams_take_turns(memory: Memory) -> None:
    """One that is fast, reads far ahead and never waits gets no more turns than the others."""
    fast = memory.stream("fast", *[1] * 20, turns=0, read_ahead=20)
    streams = [fast, memory.stream("a", *[1] * 20), memory.stream("b", *[1] * 20)]
    names = []
    async for item in merge_streams(streams):
        names.append(item.name)
        await settle()
    for turn in range(0, len(names), 3):
        assert set(names[turn : turn + 3]) == {"fast", "a", "b"}


def test_a_merge_belongs_to_no_loop_before_it_is_read() -> None:
    """It can be made where no loop runs, and its streams can be merged again in another loop."""
    memory = Memory()
    streams = memory.streams(3, 1, 1)
    for merged in [merge_streams(streams), merge_streams(streams)]:
        assert asyncio.run(listed(merged)) == {"0": [0, 1], "1": [0, 1], "2": [0, 1]}
    assert memory.open == 0


# ------------------------------------------------------------------------------------------- how much waits


async def test_nothing_happens_before_the_first_item_is_asked_for(memory: Memory) -> None:
    """To make a merge takes no stream and requests nothing."""

    def streams() -> Generator[Listed]:
        taken.append(1)
        yield memory.stream("x", 1)

    taken: list[int] = []
    items = aiter(merge_streams(streams()))
    await settle()
    assert (taken, memory.requests) == ([], 0)
    await anext(items)
    await items.aclose()
    assert taken == [1]


@pytest.mark.parametrize("concurrency", [1, 2, 5, 6, 7, 10**9])
async def test_so_many_streams_are_open_at_a_time(memory: Memory, concurrency: int) -> None:
    """The places are all used, and never more of them."""
    found = await listed(merge_streams(memory.streams(6, 1, 1), concurrency=concurrency))
    assert len(found) == 6
    assert memory.most_open == min(concurrency, 6)


@pytest.mark.parametrize("concurrency", [1, 2, 3])
async def test_a_stream_is_taken_when_there_is_a_place(memory: Memory, concurrency: int) -> None:
    """The next stream is asked for only when the last page of one is consumed."""

    async def streams() -> AsyncGenerator[Listed]:
        for number in count():
            taken.append(number)
            yield memory.stream(f"{number}", 2)

    taken: list[int] = []
    async with aclosing(aiter(merge_streams(streams(), concurrency=concurrency))) as items:
        for asked in range(10):
            await anext(items)
            await settle()
            assert len(taken) == concurrency + asked // 2


@pytest.mark.parametrize("read_ahead", [0, 1, 3])
@pytest.mark.parametrize("concurrency", [1, 2, 5])
async def test_whoever_is_slow_has_a_bounded_number_of_pages(
    memory: Memory, concurrency: int, read_ahead: int
) -> None:
    """Of each open stream, one page and those read ahead; the next when an item beyond it is asked for."""
    streams = memory.streams(7, *[2] * 20, read_ahead=read_ahead)
    async with aclosing(aiter(merge_streams(streams, concurrency=concurrency))) as items:
        for asked in range(20):
            await anext(items)
            await settle()
            assert memory.requests == concurrency * (1 + read_ahead) + asked // 2


@pytest.mark.parametrize("failing", [False, True])
async def test_streams_without_items_do_not_run_away(memory: Memory, *, failing: bool) -> None:
    """A consumer that stops also stops the opening of streams that are empty, or fail."""

    async def streams() -> AsyncGenerator[Listed]:
        yield memory.stream("full", 1, 1)
        for number in count():
            yield memory.stream(f"{number}", 0, error=error() if failing else None)

    async with aclosing(aiter(merge_streams(streams(), concurrency=3, on_error=lambda *_: None))) as items:
        await anext(items)
        before = memory.requests
        await settle()
        assert memory.requests - before <= 4
        before = memory.requests
        await settle()
        assert memory.requests == before


# --------------------------------------------------------------------------------------------- what fails


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("read_ahead", [0, 1, 2])
async def test_one_that_fails_does_not_end_the_others(memory: Memory, at: int, read_ahead: int) -> None:
    """Its items that were read come first, those of the others come too, then the error does."""
    bad = memory.stream("bad", 1, 1, 1, error=error(), at=at, read_ahead=read_ahead)
    items = aiter(merge_streams([bad, *memory.streams(4, 2, 2)], concurrency=2))
    found = []
    with pytest.raises(MergeError) as caught:
        async for item in items:
            found.append(item)
    assert [item.index for item in found if item.name == "bad"] == list(range(at))
    assert len(found) == at + 16
    assert caught.value.exceptions == (memory.errors["bad"][1],)


async def test_all_errors_are_raised_together(memory: Memory) -> None:
    """They come in the order in which they failed, and the text says how many of how many, and the first."""
    errors = [error("/v1/a", 500), KeyError("b")]
    streams = [
        memory.stream("late", 1, error=errors[1], turns=20),
        *memory.streams(3, 1),
        memory.stream("early", 1, error=errors[0]),
    ]
    with pytest.raises(ConversationsError) as caught:
        await listed(merge_streams(streams))
    assert isinstance(caught.value, MergeError)
    assert caught.value.exceptions == tuple(errors)
    assert (
        str(caught.value) == "2 of 5 streams failed; the first error is ServerError: GET /v1/a: HTTP 500: no"
    )


async def test_on_error_is_told_as_they_happen(memory: Memory) -> None:
    """It gets the stream and its error after the items that were read, and the merge ends well."""
    told: list[tuple[object, ...]] = []
    bad = memory.stream("bad", 1, 1, error=error(), at=1)
    seen: list[str] = []
    async for item in merge_streams(
        [bad, memory.stream("good", *[1] * 9)], on_error=lambda *args: told.append(args)
    ):
        if not told:
            seen.append(item.name)
    assert told == [(bad, memory.errors["bad"][1])]
    assert 2 <= len(seen) < 9
    assert "bad" in seen


async def test_what_on_error_raises_ends_everything(memory: Memory) -> None:
    """It comes to the consumer as it is."""

    def stop(stream: Stream[Any] | None, error: Exception) -> None:
        raise LookupError(str(error))

    streams = [memory.stream("bad", 1, error=error()), *memory.streams(5, *[1] * 9)]
    with pytest.raises(LookupError, match="HTTP 404"):
        await listed(merge_streams(streams, on_error=stop))
    assert memory.requests < 30


def cut_off(memory: Memory, fault: Exception) -> Generator[Listed]:
    """Give three streams that take their time, and fail."""
    yield from memory.streams(3, 1, 1, turns=9)
    raise fault


@pytest.mark.parametrize("kind", [iter, later])
async def test_streams_that_fail_to_come(memory: Memory, kind: Callable[[Any], Any]) -> None:
    """Where the iterable itself fails, the streams that it gave are read to their ends."""
    fault = error("/v1/Conversations")
    found: list[Item] = []
    with pytest.raises(MergeError) as caught:
        async for item in merge_streams(kind(cut_off(memory, fault))):
            found.append(item)
    assert len(found) == 6
    assert caught.value.exceptions == (fault,)
    text = "the iterable of streams failed after 3; the first error is NotFoundError: GET /v1/Conversations:"
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("kind", [iter, later])
async def test_streams_that_fail_to_come_are_reported(memory: Memory, kind: Callable[[Any], Any]) -> None:
    """That is told to ``on_error`` as well, of no stream."""
    fault = error("/v1/Conversations")
    told: list[tuple[object, ...]] = []
    streams = kind(cut_off(memory, fault))
    items = [item async for item in merge_streams(streams, on_error=lambda *args: told.append(args))]
    assert len(items) == 6
    assert told == [(None, fault)]


async def test_streams_that_fail_in_both_ways(memory: Memory) -> None:
    """The text of the error says how many failed, and that there may be more."""

    def streams() -> Generator[Listed]:
        yield memory.stream("bad", 1, error=error())
        yield memory.stream("good", 1)
        raise ValueError("who knows")

    with pytest.raises(
        MergeError, match=r"^1 of 2 streams failed and the iterable of streams failed after 2; "
    ):
        await listed(merge_streams(streams()))


@pytest.mark.parametrize("what", ["stream", "source"])
@pytest.mark.parametrize(
    "fault", [asyncio.CancelledError(), GeneratorExit(), BaseException("other")], ids=repr
)
async def test_what_is_no_exception_ends_everything(memory: Memory, fault: BaseException, what: str) -> None:
    """A cancellation within, say, comes through at once, as it is."""

    async def streams() -> AsyncGenerator[Listed]:
        for stream in memory.streams(3, *[1] * 9):
            yield stream
        yield memory.stream("bad", 1, error=fault)
        if what == "source":
            raise fault

    if what == "source":
        memory.errors.clear()
    with pytest.raises(type(fault)):
        await listed(merge_streams(streams(), on_error=lambda *_: None))
    assert memory.requests < 20


async def test_a_failure_that_waits_keeps_no_page(memory: Memory) -> None:
    """Errors that are raised at the end do not hold what was read until then."""
    kept: list[weakref.ref[Item]] = []
    streams = [memory.stream("bad", 1, 1, error=error(), at=1), memory.stream("good", *[1] * 9)]
    with pytest.raises(MergeError):
        async for item in merge_streams(streams):
            kept.append(weakref.ref(item))
            del item  # this loop is not to keep it either
    assert len(kept) == 10
    assert [reference() for reference in kept] == [None] * 10


async def test_a_stream_that_is_closed_meanwhile_has_ended(memory: Memory) -> None:
    """``Stream.aclose`` ends its part of the merge, and no other."""
    one, other = memory.stream("one", *[1] * 9), memory.stream("other", *[1] * 9)
    found: dict[str, list[int]] = {"one": [], "other": []}
    async for item in merge_streams([one, other]):
        found[item.name].append(item.index)
        if len(found["one"]) == 2:
            await one.aclose()
    assert len(found["one"]) < 9
    assert len(found["other"]) == 9


# ------------------------------------------------------------------------------------------- wrong arguments


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, True, "3", None])
def test_a_concurrency_that_is_none(concurrency: Any) -> None:
    """It has to be a whole number of at least 1, and the call says so."""
    with pytest.raises(ValueError, match=r"^concurrency must be a whole number of at least 1"):
        merge_streams([], concurrency=concurrency)


@pytest.mark.parametrize("streams", [None, 5, object(), Memory], ids=lambda value: type(value).__name__)
def test_streams_that_are_no_iterable(streams: Any) -> None:
    """The call says what was given."""
    with pytest.raises(ValueError, match=rf"^streams must be an iterable, got a {type(streams).__name__}$"):
        merge_streams(streams)


def test_a_single_stream_is_no_iterable_of_them() -> None:
    """The call says what to do about it."""
    single: Any = Memory().stream("x", 1)
    with pytest.raises(
        ValueError, match=r"^streams must be an iterable of streams, got one of them: use a list$"
    ):
        merge_streams(single)


async def _waits(*_: object) -> None:
    """Do nothing, later."""


@pytest.mark.parametrize("on_error", [5, "log", _waits], ids=repr)
def test_an_on_error_that_cannot_be_called(on_error: Any) -> None:
    """It has to be a function that does its work when it is called; nobody would await its coroutine."""
    with pytest.raises(
        ValueError, match=r"^on_error must be a function of a stream and an error, and no coroutine function$"
    ):
        merge_streams([], on_error=on_error)


@pytest.mark.parametrize("kind", [list, later])
@pytest.mark.parametrize("wrong", [None, "x", 5, ["x"]], ids=repr)
async def test_what_is_no_stream(memory: Memory, wrong: Any, kind: Callable[[Any], Any]) -> None:
    """An item that is none raises as soon as it comes, whatever ``on_error`` is; what was open is closed."""
    streams = kind([*memory.streams(2, *[1] * 9), wrong])
    what = type(wrong).__name__
    with pytest.raises(ValueError, match=rf"^streams must be an iterable of streams, and it gave a {what}$"):
        await listed(merge_streams(streams, on_error=lambda *_: None))
    assert memory.requests < 10


# ------------------------------------------------------------------------------------- what is left behind


@define
class Source:
    """Streams that come from a generator, and whether it was closed."""

    streams: list[Any]
    ended: list[str] = field(factory=list)

    def __iter__(self) -> Generator[Any]:
        try:
            yield from self.streams
        finally:
            self.ended.append("closed")

    async def later(self) -> AsyncGenerator[Any]:
        """Give them one after another; it takes time to close."""
        try:
            for stream in self.streams:
                await asyncio.sleep(0)
                yield stream
        finally:
            await asyncio.sleep(0)
            self.ended.append("closed")


SOURCES: dict[str, Callable[[Source], Any]] = {
    "generator": iter,
    "iterable": lambda source: source,
    "asynchronous generator": lambda source: source.later(),
    "asynchronous iterable": lambda source: type("", (), {"__aiter__": lambda _: source.later()})(),
}


@pytest.mark.parametrize("kind", SOURCES.values(), ids=SOURCES)
async def test_break_leaves_nothing(memory: Memory, kind: Callable[[Source], Any]) -> None:
    """Whoever breaks out of the loop need not close anything."""
    source = Source(memory.streams(9, *[1] * 9))
    async for _ in merge_streams(kind(source), concurrency=3):
        await settle()
        assert memory.open == 3
        break
    await settle()
    assert (memory.open, source.ended) == (0, ["closed"])


async def test_break_leaves_nothing_though_the_merge_has_a_name(memory: Memory) -> None:
    """A merge is a stream: each loop over it is one of its own, and ends with the loop."""
    before = others()
    merged = merge_streams(memory.streams(3, 1, 1), concurrency=2)
    for _ in range(3):
        async for _ in merged:
            break
        await settle()
        assert (memory.open, others()) == (0, before)
    assert len(await merged.list()) == 6
    assert repr(merged) == "<Stream of several>"


async def test_a_merge_gives_pages_too(memory: Memory) -> None:
    """The pages of all streams come as they are, and may be merged once more."""
    merged = merge_streams(memory.streams(3, 2, 1))
    assert sorted([len(page.items) async for page in merged.pages()]) == [1, 1, 1, 2, 2, 2]
    assert len(await merge_streams([merged, memory.stream("x", 1)]).list()) == 10


@pytest.mark.parametrize("kind", SOURCES.values(), ids=SOURCES)
async def test_closing_waits_until_all_is_closed(memory: Memory, kind: Callable[[Source], Any]) -> None:
    """When ``aclose`` returns, the streams and their source are closed, and no task is left."""
    source, before = Source(memory.streams(9, *[1] * 9)), others()
    items = aiter(merge_streams(kind(source), concurrency=3))
    await anext(items)
    await settle()
    await items.aclose()
    assert (memory.open, source.ended, others()) == (0, ["closed"], before)
    with pytest.raises(StopAsyncIteration):
        await anext(items)


@pytest.mark.parametrize("kind", SOURCES.values(), ids=SOURCES)
async def test_a_mistake_lets_the_source_close(memory: Memory, kind: Callable[[Source], Any]) -> None:
    """Where an item is no stream, the source is closed before that is raised."""
    source = Source([None])
    with pytest.raises(ValueError, match="gave a NoneType"):
        await listed(merge_streams(kind(source)))
    assert source.ended == ["closed"]


async def test_an_error_of_the_consumer_leaves_nothing(memory: Memory) -> None:
    """An error in the loop's body comes through as it is."""
    before = others()
    with pytest.raises(ZeroDivisionError):
        async with aclosing(aiter(merge_streams(memory.streams(9, 1, 1)))) as items:
            async for _ in items:
                raise ZeroDivisionError
    assert others() == before


async def test_an_error_that_nobody_comes_to_see_is_not_reported(memory: Memory) -> None:
    """A stream that fails is no matter for whoever stopped before it; the fixture would see a complaint."""
    streams = [
        memory.stream("good", 1, 1),
        *[memory.stream(f"{n}", 1, error=error(), turns=3) for n in range(5)],
    ]
    items = aiter(merge_streams(streams))
    await anext(items)
    await settle()
    await items.aclose()


def test_a_loop_that_ends_leaves_nothing() -> None:
    """``asyncio.run`` closes a merge that somebody forgot."""
    memory, kept = Memory(), []
    source = Source(memory.streams(9, *[1] * 9))

    async def forget() -> None:
        kept.append(aiter(merge_streams(source.later(), concurrency=3)))
        await anext(kept[0])
        await settle()
        assert memory.open == 3

    asyncio.run(forget())
    assert (memory.open, source.ended) == (0, ["closed"])


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("read_ahead", [0, 1])
@pytest.mark.parametrize("reported", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_cancellation_at_every_step(
    memory: Memory, *, asynchronous: bool, reported: bool, read_ahead: int, twice: bool
) -> None:
    """Wherever its consumer is cancelled, the merge ends too and leaves nothing, cancelled twice or not."""

    async def consume() -> None:
        streams = memory.streams(3, 1, 0, 2, read_ahead=read_ahead)
        streams += [memory.stream("bad", 1, 1, error=error(), at=1), memory.stream("slow", 1, turns=9)]
        source = later(streams) if asynchronous else iter(streams)
        told: list[object] = []
        on_error = (lambda *args: told.append(args)) if reported else None
        try:
            async with aclosing(aiter(merge_streams(source, concurrency=2, on_error=on_error))) as items:
                async for _ in items:
                    await asyncio.sleep(0)
        except MergeError as caught:
            told.extend(caught.exceptions)
        assert len(told) == 1

    before = others()
    steps = 0
    while True:
        steps += 1
        consumer = asyncio.create_task(consume())
        for _ in range(steps):
            await asyncio.sleep(0)
        if consumer.done():
            await consumer
            break
        consumer.cancel()
        if twice:
            await asyncio.sleep(0)
            consumer.cancel()
        await asyncio.gather(consumer, return_exceptions=True)
        assert consumer.cancelled()
        if twice:
            await settle()
        assert others() == before
        assert memory.open == 0
    assert steps > 30


async def test_an_error_is_not_lost_in_a_coroutine(memory: Memory) -> None:
    """An ``on_error`` that turns out to be a coroutine function is refused, and the error is still told."""

    async def report() -> None: ...

    lying: Any = lambda *_: report()  # noqa: E731  # type checkers would refuse it
    failing = error()
    with pytest.raises(ValueError, match="on_error must be no coroutine function") as caught:
        await merge_streams([memory.stream("bad", 1, error=failing)], on_error=lying).list()
    assert caught.value.__cause__ is failing


@pytest.mark.parametrize("kind", SOURCES.values(), ids=SOURCES)
async def test_an_iterator_is_merged_once(memory: Memory, kind: Callable[[Source], Any]) -> None:
    """A merge of streams that come only once says so when it is read again, and gives nothing less."""
    source = kind(Source(memory.streams(3, 1, 1)))
    merged = merge_streams(source, concurrency=2)
    async for _ in merged:
        break
    if isinstance(source, Iterator | AsyncIterator):
        with pytest.raises(RuntimeError, match="read only once"):
            await merged.list()
    else:
        await merged.list()


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_closing_at_every_item(memory: Memory, *, asynchronous: bool) -> None:
    """Wherever its consumer stops, the merge leaves nothing, and what came was in order."""
    before = others()
    for wanted in range(1, 14):
        streams = memory.streams(4, 1, 0, 2)
        items = aiter(merge_streams(later(streams) if asynchronous else streams, concurrency=2))
        found: dict[str, list[int]] = {}
        for _ in range(min(wanted, 12)):
            item = await anext(items)
            found.setdefault(item.name, []).append(item.index)
        await items.aclose()
        assert others() == before
        assert memory.open == 0
        assert all(indexes == list(range(len(indexes))) for indexes in found.values())


async def test_a_time_limit_around_a_merge(memory: Memory) -> None:
    """``asyncio.timeout`` around the loop works, though it waits for a stream that hangs."""
    hanging = memory.stream("hanging", 1)

    async def hang(_: str) -> Page[Item]:
        await asyncio.Event().wait()
        raise AssertionError

    hanging._read = hang
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await listed(merge_streams([hanging, memory.stream("x", 1)]))


# ------------------------------------------------------------------------------------------------ altogether


@frozen
class Plan:
    """What a stream is to do."""

    sizes: list[int]
    bad: int | None
    turns: int
    read_ahead: int

    @property
    def fails(self) -> bool:
        """Whether one of its pages fails."""
        return self.bad is not None and self.bad < len(self.sizes)

    @property
    def whole(self) -> int:
        """How many items come before it fails."""
        return sum(self.sizes[: self.bad])

    def stream(self, memory: Memory, name: str) -> Listed:
        """Make the stream."""
        fault = None if self.bad is None else error(f"/{name}")
        options: dict[str, Any] = {"turns": self.turns, "read_ahead": self.read_ahead}
        return memory.stream(name, *self.sizes, error=fault, at=self.bad or 0, **options)


plans = st.lists(
    st.builds(
        Plan,
        sizes=st.lists(st.integers(0, 3), min_size=1, max_size=5),
        bad=st.none() | st.integers(0, 5),
        turns=st.integers(0, 5),
        read_ahead=st.integers(0, 3),
    ),
    max_size=8,
)


async def outcome(
    items: AsyncIterator[Item], requests: Callable[[], int], most: int, pause: int
) -> tuple[dict[str, list[int]], list[Exception]]:
    """Read to the end at some speed: what came, and what was raised together; a bound of requests holds."""
    found: dict[str, list[int]] = {}
    try:
        async for item in items:
            found.setdefault(item.name, []).append(item.index)
            # there are no more pages with items behind it than items
            assert requests() <= most + sum(map(len, found.values()))
            for _ in range(pause):
                await asyncio.sleep(0)
    except MergeError as caught:
        return found, list(caught.exceptions)
    return found, []


@given(
    plans=plans,
    concurrency=st.integers(1, 9),
    pause=st.integers(0, 4),
    cut=st.booleans(),
    asynchronous=st.booleans(),
    reported=st.booleans(),
)
@deterministic
def test_nothing_is_lost_and_nothing_runs_away(
    plans: list[Plan], concurrency: int, pause: int, *, cut: bool, asynchronous: bool, reported: bool
) -> None:
    """Whatever the sizes, speeds and failures: every item comes in order, every error once; bounds hold."""
    memory = Memory()
    told: dict[str, Exception] = {}

    def streams() -> Generator[Listed]:
        for number, plan in enumerate(plans):
            yield plan.stream(memory, f"{number}")
        if cut:
            raise KeyError("cut")

    def on_error(stream: Stream[Any] | None, error: Exception) -> None:
        told[stream.name if isinstance(stream, Listed) else "streams"] = error

    async def consume() -> tuple[dict[str, list[int]], list[Exception]]:
        source = later(streams()) if asynchronous else streams()
        items = aiter(merge_streams(source, concurrency=concurrency, on_error=on_error if reported else None))
        waiting = concurrency * max((1 + plan.read_ahead for plan in plans), default=0)
        without_items = sum(plan.sizes.count(0) + plan.fails for plan in plans)
        async with nothing_left(memory):
            return await outcome(items, lambda: memory.requests, waiting + without_items, pause)

    found, raised = asyncio.run(consume())
    expected = {f"{number}": list(range(plan.whole)) for number, plan in enumerate(plans) if plan.whole}
    faults = {name: fault for name, (at, fault) in memory.errors.items() if at < len(memory.sizes[name])}
    assert found == expected
    assert memory.most_open <= concurrency
    if reported:
        assert {name: fault for name, fault in told.items() if name != "streams"} == faults
        assert ("streams" in told) == cut
    assert len(told if reported else raised) == len(faults) + cut
    assert set(faults.values()) <= {*told.values(), *raised}

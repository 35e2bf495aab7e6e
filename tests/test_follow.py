"""Following a conversation: what is printed, in which order, and with how many requests."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from conversations_async import APIError, NotFoundError, RateLimitError, ServerError, TransportError
from conversations_async._follow import follow

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from conversations_async import ConversationsClient, ConversationsError
    from conversations_async.emulator import Emulator
    from conversations_async.resources.messages import Message, MessageRepository

INTERVAL = 0.001


@pytest.fixture
async def messages(client: ConversationsClient) -> MessageRepository:
    """Give the messages of a new conversation."""
    return client.messages((await client.conversations.create()).sid)


async def say(messages: MessageRepository, *bodies: object) -> None:
    """Write one message after the other."""
    for body in bodies:
        await messages.create(body=str(body))


@asynccontextmanager
async def following(
    messages: MessageRepository,
    failures: list[ConversationsError],
    lines: int = 0,
    interval: float | None = INTERVAL,
) -> AsyncIterator[AsyncGenerator[Message]]:
    """Follow a conversation until the end of the block; failures are collected."""
    async with aclosing(
        follow(messages, lines=lines, interval=interval, on_failure=failures.append)
    ) as stream:
        yield stream


async def take(stream: AsyncGenerator[Message], count: int) -> list[str | None]:
    """Wait for so many messages, and give what they say."""
    return [(await asyncio.wait_for(anext(stream), 10)).body for _ in range(count)]


async def looked(emulator: Emulator, count: int) -> None:
    """Wait until the list was asked for so many more times."""
    before = len(lists(emulator))

    async def wait() -> None:
        while len(lists(emulator)) < before + count:  # noqa: ASYNC110  # a request cannot be awaited from here
            await asyncio.sleep(INTERVAL)

    await asyncio.wait_for(wait(), 10)


def lists(emulator: Emulator) -> list[Any]:
    """Give the requests that read messages."""
    return [each for each in emulator.requests if each.operation == "messages.list"]


def sizes(emulator: Emulator) -> list[str]:
    """Give how many messages each of these asked for."""
    return [each.query["PageSize"][0] for each in lists(emulator)]


@pytest.mark.parametrize(
    ("lines", "expected", "asked"),
    [(0, [], "1"), (1, ["4"], "1"), (3, ["2", "3", "4"], "3"), (9, ["0", "1", "2", "3", "4"], "9")],
)
async def test_the_newest_come_oldest_first(
    emulator: Emulator, messages: MessageRepository, lines: int, expected: list[str], asked: str
) -> None:
    """As many as there are, and no more than were asked for, by one request."""
    await say(messages, *range(5))
    async with following(messages, [], lines, interval=None) as stream:
        assert [message.body async for message in stream] == expected
    assert sizes(emulator) == [asked]


async def test_more_lines_than_a_page_has(emulator: Emulator, messages: MessageRepository) -> None:
    """Beyond the largest page there is a second one, and they make one list."""
    await asyncio.gather(*(messages.create(body="Ahoy") for _ in range(1002)))
    async with following(messages, [], lines=1001, interval=None) as stream:
        assert [message.index async for message in stream] == [*range(1, 1002)]
    assert sizes(emulator) == ["1000", "1000"]


async def test_what_comes_is_given_once_and_in_order(emulator: Emulator, messages: MessageRepository) -> None:
    """A look asks for the newest message, and then for what is new, however much it is."""
    await say(messages, "old", "last")
    async with following(messages, [], lines=1) as stream:
        assert await take(stream, 1) == ["last"]
        await say(messages, "one")
        assert await take(stream, 1) == ["one"]
        await say(messages, "two", "three", "four")
        assert await take(stream, 3) == ["two", "three", "four"]
        assert sizes(emulator) == ["1", "1", "1", "3"]
        waiting = asyncio.create_task(take(stream, 1))
        await looked(emulator, 3)
        await say(messages, "five")
        assert await waiting == ["five"]
    assert set(sizes(emulator)[4:]) == {"1"}


async def test_a_burst_larger_than_a_page(messages: MessageRepository) -> None:
    """Of a burst that no page can hold, nothing is left out."""
    await say(messages, "old")
    async with following(messages, [], lines=1) as stream:
        assert await take(stream, 1) == ["old"]
        await asyncio.gather(*(messages.create(body="Ahoy") for _ in range(1005)))
        indexes = [(await asyncio.wait_for(anext(stream), 10)).index for _ in range(1005)]
    assert indexes == [*range(1, 1006)]


async def test_what_comes_while_it_looks(
    emulator: Emulator, messages: MessageRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written between the two requests of a look is given too, once."""
    read = messages._read
    late = iter(["late", "later"])

    async def interrupted(link: str) -> Any:
        if "PageSize=2" in link and (body := next(late, None)):
            await say(messages, body)
        return await read(link)

    async with following(messages, [], lines=1) as stream:
        await say(messages, "first")
        assert await take(stream, 1) == ["first"]
        monkeypatch.setattr(messages, "_read", interrupted)
        await say(messages, "one", "two")
        assert await take(stream, 4) == ["one", "two", "late", "later"]
    assert sizes(emulator)[-3:] == ["2", "2", "1"]


async def test_deleted_messages_are_no_problem(emulator: Emulator, messages: MessageRepository) -> None:
    """Gaps are passed over, and the deletion of what was seen last brings nothing back."""
    await say(messages, "old", "seen")
    async with following(messages, [], lines=1) as stream:
        assert await take(stream, 1) == ["seen"]
        gone = await messages.create(body="gone")
        await say(messages, "kept")
        await messages.delete(gone.sid)
        assert await take(stream, 1) == ["kept"]
        newest = [message async for message in messages.stream(order="desc", limit=2)]
        waiting = asyncio.create_task(take(stream, 1))
        for message in newest:
            await messages.delete(message.sid)
        await looked(emulator, 2)
        await say(messages, "next")
        assert await waiting == ["next"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"status": 503}, ServerError),
        ({"status": 429}, RateLimitError),
        ({"reset": "before"}, TransportError),
    ],
)
async def test_a_passing_failure_is_told_once(
    emulator: Emulator, messages: MessageRepository, fault: dict[str, Any], kind: type[Exception]
) -> None:
    """However many looks fail one after the other, one is told; each outage has its own."""
    failures: list[ConversationsError] = []
    await say(messages, "old")
    async with following(messages, failures, lines=1) as stream:
        assert await take(stream, 1) == ["old"]
        for outage in 1, 2:
            emulator.faults.add(operation="messages.list", times=3, **fault)
            await say(messages, "one", "two")
            assert await take(stream, 2) == ["one", "two"]
            assert [type(each) for each in failures] == [kind] * outage


async def test_a_failure_in_the_middle_of_a_look(emulator: Emulator, messages: MessageRepository) -> None:
    """What a look had read before it failed is not given twice, nor left out."""
    failures: list[ConversationsError] = []
    await say(messages, "old")
    async with following(messages, failures, lines=1) as stream:
        assert await take(stream, 1) == ["old"]
        await say(messages, "one", "two")
        emulator.faults.add(operation="messages.list", status=503, skip=1, times=1)
        assert await take(stream, 2) == ["one", "two"]
    assert [type(each) for each in failures] == [ServerError]


@pytest.mark.parametrize(("status", "kind"), [(404, NotFoundError), (400, APIError)])
async def test_any_other_failure_is_the_end(
    emulator: Emulator, messages: MessageRepository, status: int, kind: type[Exception]
) -> None:
    """What no repetition will change is raised."""
    failures: list[ConversationsError] = []
    await say(messages, "old")
    async with following(messages, failures, lines=1) as stream:
        assert await take(stream, 1) == ["old"]
        emulator.faults.add(operation="messages.list", status=status)
        with pytest.raises(kind):
            await take(stream, 1)
    assert failures == []


async def test_the_first_look_must_succeed(emulator: Emulator, messages: MessageRepository) -> None:
    """Where it is unknown what is new, even a passing failure is the end."""
    emulator.faults.add(operation="messages.list", status=503)
    async with following(messages, []) as stream:
        with pytest.raises(ServerError):
            await take(stream, 1)


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf")])
async def test_an_interval_that_is_none(
    emulator: Emulator, messages: MessageRepository, interval: float
) -> None:
    """It is refused before anything is sent."""
    async with following(messages, [], interval=interval) as stream:
        with pytest.raises(ValueError, match=r"^interval must be a finite number of seconds above 0"):
            await anext(stream)
    assert lists(emulator) == []

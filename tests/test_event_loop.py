"""A page that takes long to read lets others have their turns."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.pages import encoded, message
from conversations_async import ConversationsClient, DecodeError, Message, converter

from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .servers import page
from .support import answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from conversations_async.converter import PageMeta
    from conversations_async.resources.messages import MessageRepository
    from conversations_async.response import Response

USUAL = [message(index) for index in range(1000)]
#: null in a mapping is read with more care.
ODD = USUAL[7] | {"links": {"tomorrow": None}}
LARGE = [each | {"body": "Ahoy! 🙂 " * 400} for each in USUAL]


def body(messages: list[dict[str, Any]]) -> bytes:
    """Write a page."""
    return encoded(page("messages", messages))


def read(content: bytes) -> tuple[tuple[list[Message], PageMeta], int]:
    """Read a page, and count the turns that others had meanwhile."""
    steps, turns = converter.decode_page(answer(content), Message, "messages"), 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, turns
        turns += 1


PAGES = {
    "usual": body(USUAL),
    "large": body(LARGE),
    "one odd": body([*USUAL, ODD]),
    "all odd": body([ODD] * 1000),
    "half an emoji": body(LARGE).replace("🙂".encode(), rb"\ud83d", 1),
    "under another name": body(USUAL).replace(b'"messages"', b'"others"'),
}


def test_a_usual_page_is_read_at_once() -> None:
    """A page of 1,000 usual messages takes no turn: it is over before another would have begun."""
    (items, _), turns = read(PAGES["usual"])
    assert (len(items), turns) == (1000, 0)


@pytest.mark.parametrize("name", [name for name in PAGES if name != "usual"])
def test_a_page_that_takes_long_is_read_in_slices(name: str) -> None:
    """Of a page that is large, or has something unusual, no more than fifty messages are read in one turn."""
    (items, _), turns = read(PAGES[name])
    assert len(items) >= 1000
    assert turns >= len(items) / 50


@pytest.mark.parametrize("name", PAGES)
def test_slices_make_the_same_page(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read in slices is what is read at once, and message by message."""
    found, _ = read(PAGES[name])
    for bound in 0, 10**9:
        monkeypatch.setattr(converter, "_AT_ONCE", bound)
        assert read(PAGES[name])[0] == found


@pytest.mark.parametrize("bound", [0, 10**9])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (body(LARGE)[:-1], r"cannot read Page: the body \(\d+ bytes, no content type\) is no JSON: "),
        (body([*USUAL, ODD | {"index": "7"}]), r"Message\[1000\]\.index: expected a whole number"),
        (body([*LARGE[:60], LARGE[60] | {"media": [{"sid": 5}]}]), r"Message\[60\]\.media\[0\]\.sid: "),
        (body([USUAL[0], ODD]).replace(b'"tomorrow":null', b'"tomorrow":"\xff"'), r"Message\[1\]: the body"),
    ],
)
def test_slices_raise_the_same_errors(
    content: bytes, reason: str, bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read has the same error with its place, in slices or at once."""
    monkeypatch.setattr(converter, "_AT_ONCE", bound)
    with pytest.raises(DecodeError, match=reason):
        read(content)


@pytest.fixture
async def messages(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MessageRepository]:
    """Give messages that are there without a request: a large page of them."""

    async def request(*_: object, **__: object) -> Response:
        return answer(PAGES["large"])

    async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN) as client:
        monkeypatch.setattr(client._session, "request", request)
        yield client.messages("CH1")


async def test_others_run_between_two_slices(messages: MessageRepository) -> None:
    """While a stream reads a large page, a task that is ready has a turn at least every fifty messages."""
    turns = 0
    task = asyncio.create_task(messages.stream(read_ahead=0).list())
    while not task.done():
        turns += 1
        await asyncio.sleep(0)
    assert len(task.result()) == 1000
    assert turns >= 1000 / 50


async def test_reading_a_large_page_can_be_cancelled(messages: MessageRepository) -> None:
    """Cancellation between two slices ends the call there."""
    task = asyncio.create_task(messages.stream(read_ahead=0).list())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    await asyncio.sleep(0)
    assert task.cancelled()

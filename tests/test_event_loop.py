"""A page that takes long to read lets others have their turns."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from benchmarks.pages import encoded, message
from conversations_async import APIError, ConversationsClient, DecodeError, Message, converter
from conversations_async._json import mend

from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .servers import page
from .support import answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from conversations_async.converter import PageMeta
    from conversations_async.resources.messages import MessageRepository
    from conversations_async.response import Response

USUAL = [message(index) for index in range(1000)]
#: A list of objects in each, so that what looks like the end of a message often is none.
MEDIA = [each | {"media": [{"sid": "ME1"}] * 9} for each in USUAL]
#: null in a mapping is read with more care.
ODD = USUAL[7] | {"links": {"tomorrow": None}}
LARGE = [each | {"body": "Ahoy! 🙂 " * 400} for each in USUAL]


def body(messages: list[dict[str, Any]]) -> bytes:
    """Write a page."""
    return encoded(page("messages", messages))


class Clock:
    """A clock on which about a millisecond passes each time that somebody looks."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> float:
        """Look at it."""
        self.looks += 1
        return self.looks / 1024  # exactly, as a float


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let time pass by what is done: each look at the clock is a millisecond later."""
    clock = Clock()
    monkeypatch.setattr(converter, "clock", clock)
    return clock


def read(content: bytes) -> tuple[tuple[list[Message], PageMeta], int]:
    """Read a page, and count the turns that others had meanwhile."""
    steps, turns = converter.decode_page(answer(content), Message, "messages"), 0
    while True:
        try:
            steps.send(None)
        except StopIteration as end:
            return end.value, turns
        turns += 1


def filled(text: bytes) -> bytes:
    """Write a page of messages that have this text, as it is."""
    return body([each | {"body": "@@"} for each in USUAL]).replace(b"@@", text)


def tiny(count: int) -> bytes:
    """Write a page of so many messages that have next to nothing."""
    return b'{"messages":[%b],"meta":{"key":"messages"}}' % b",".join([b'{"sid":"a"}'] * count)


PAGES = {
    "usual": body(USUAL),
    "large": body(LARGE),
    "one odd": body([*USUAL, ODD]),
    "all odd": body([ODD] * 1000),
    "half an emoji": body(LARGE).replace("🙂".encode(), rb"\ud83d", 1),
    "backslashes": filled(rb"\\" * 799 + rb"\ud83d"),
    "escaped emoji": filled(rb"\ud83d\ude42" * 1599 + rb"\ud83d"),
    "halves": filled(rb"\ud83d" * 1600),
    "tiny": tiny(20_000),
    "tiny, not small": tiny(4_600),
    "media": body(MEDIA * 2),
    "like ends": body([each | {"attributes": '[{"a": 1}, {"b": 2}]' * 99} for each in USUAL]),
    "under another name": body(USUAL).replace(b'"messages"', b'"others"'),
}


def test_a_usual_page_is_read_at_once() -> None:
    """A page of 1,000 usual messages takes no turn: it is over before another would have begun."""
    (items, _), turns = read(PAGES["usual"])
    assert (len(items), turns) == (1000, 0)


@pytest.mark.parametrize("name", [name for name in PAGES if name != "usual"])
def test_a_page_that_takes_long_is_read_in_turns(name: str, clock: Clock) -> None:
    """Of a page that is large, or has something unusual, others have a turn every five milliseconds."""
    (items, _), turns = read(PAGES[name])
    assert len(items) >= 1000
    # each turn begins with a look at the clock, and the sixth after that says that five milliseconds are over
    assert turns == clock.looks // 7
    assert clock.looks >= len(items)


@pytest.mark.parametrize("name", [name for name in PAGES if name != "usual"])
def test_the_work_between_two_looks_at_the_clock_is_bounded(
    name: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two looks, one message is read, or 40 kB are mended, or the messages in 280 kB are found."""
    works: list[tuple[int, str, int]] = []

    def noted(what: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def note(*arguments: Any) -> Any:
            text = next(each for each in arguments if isinstance(each, bytes | msgspec.Raw))
            works.append((clock.looks, what, len(bytes(text))))
            return work(*arguments)

        return note

    class Elements:
        decode = staticmethod(noted("find", converter._elements.decode))

    monkeypatch.setattr(converter, "mend", noted("mend", mend))
    monkeypatch.setattr(converter, "_read", noted("read", converter._read))
    monkeypatch.setattr(converter, "_elements", Elements)
    read(PAGES[name])
    moments = [moment for moment, what, _ in works if what != "find"]
    assert len(moments) == len(set(moments)) > 1000  # no two without a look between them
    assert max([size for _, what, size in works if what == "mend"], default=0) < 40_000
    assert max(size for _, what, size in works if what == "find") < 280_000


@pytest.mark.parametrize("count", [4_600, 150_000])
def test_a_page_of_tiny_messages_is_not_read_at_once(count: int) -> None:
    """Many messages in a few bytes take long: it is their number that counts."""
    assert not converter._is_quick(tiny(count))


def test_a_large_error_is_not_looked_into() -> None:
    """The body of an error that is larger than 64 KiB is not read, whatever it holds."""
    text = b'{"code": 20500, "message": "%b"}'
    small, large = (answer(text % (rb"\ud83d" * count), status=500) for count in (9_000, 11_000))
    assert APIError.from_response(small).code == 20500
    error = APIError.from_response(large)
    assert (error.code, error.status) == (None, 500)
    assert "does not say why" in error.message


@pytest.mark.parametrize("name", PAGES)
def test_slices_make_the_same_page(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read in slices is what is read at once, and message by message."""
    found, _ = read(PAGES[name])
    for quick in False, True:
        monkeypatch.setattr(converter, "_is_quick", lambda _, quick=quick: quick)
        assert read(PAGES[name])[0] == found


@pytest.mark.parametrize("quick", [False, True])
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
    content: bytes, reason: str, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read has the same error with its place, in slices or at once."""
    monkeypatch.setattr(converter, "_is_quick", lambda _: quick)
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
    """While a stream reads a large page, a task that is ready has a turn every five milliseconds."""
    turns = 0
    task = asyncio.create_task(messages.stream(read_ahead=0).list())
    while not task.done():
        turns += 1
        await asyncio.sleep(0)
    assert len(task.result()) == 1000
    assert turns >= 1000 / 7


async def test_reading_a_large_page_can_be_cancelled(messages: MessageRepository) -> None:
    """Cancellation between two slices ends the call there."""
    task = asyncio.create_task(messages.stream(read_ahead=0).list())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    await asyncio.sleep(0)
    assert task.cancelled()

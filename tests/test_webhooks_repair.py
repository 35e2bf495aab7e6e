"""Messages in the order of their indexes, whatever order they arrive in, and with those that never do."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from attrs import define, evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from conversations_async import ConversationsClient, ConversationsError, Message, Order
from conversations_async.webhooks import Event, MessageAdded, MessageUpdated, Repair, repair
from conversations_async.webhooks.background import Background, Lane
from conversations_async.webhooks.repair import ByIndex

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION, SERVICE
from .support import deterministic
from .test_deadlines import moment, now, turns
from .test_webhooks_background import NEVER, conversation, drained, offer, play

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from conversations_async.emulator import Emulator

#: The time of the world when a loop is made.
BEGAN = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
#: How far before that old messages were written, and the seconds for which a missing one is waited for.
LONG_AGO, WAIT = -3600.0, 0.5


class Calendar:
    """Tells the time of the world by that of the loop."""

    @staticmethod
    def now(_: object) -> datetime:
        """Give the time of the world."""
        return at(now())


def at(seconds: float) -> datetime:
    """Give the time of the world at a time of the loop."""
    return BEGAN + timedelta(seconds=seconds)


@contextmanager
def calendar(conversations: int = 10_000) -> Iterator[None]:
    """Let the world follow the loop; say how many conversations are remembered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repair, "datetime", Calendar)
        patch.setattr(repair, "_CONVERSATIONS", conversations)
        yield


def said(index: int | None, *, place: int = 0, written: float = 0, **told: Any) -> MessageAdded:
    """Make the event of a message that was written at a time of the loop."""
    return MessageAdded(
        conversation_sid=conversation(place),
        message_sid=f"IM{place}.{index}",
        index=index,
        date_created=at(written),
        **told,
    )


BROKEN = ConversationsError(message="it broke")


@define
class API:
    """Stands in for a client, and has the messages of each conversation."""

    messages_of: defaultdict[str, list[Message]] = field(factory=lambda: defaultdict(list))
    #: Seconds that it takes to read, and what it raises after so many messages of the first time.
    latency: float = 0
    breaks: tuple[int, Exception] | None = None
    #: Conversation, and number of messages that were taken, of each time that messages were read.
    reads: list[tuple[str, int]] = field(factory=list)
    options: dict[str, Any] = field(factory=dict)
    services: list[str] = field(factory=list)
    _sid: str = ""

    def write(self, event: MessageAdded) -> MessageAdded:
        """Have a message; as in the real one, its time is cut to a second."""
        self.messages_of[event.conversation_sid].append(
            Message(
                sid=event.message_sid,
                conversation_sid=event.conversation_sid,
                index=event.index,
                date_created=event.date_created and event.date_created.replace(microsecond=0),
            )
        )
        return event

    def service(self, sid: str) -> API:
        """Note the service."""
        self.services.append(sid)
        return self

    def messages(self, sid: str) -> API:
        """Choose a conversation."""
        return evolve(self, sid=sid)

    async def stream(self, *, limit: int, **options: Any) -> AsyncIterator[Message]:
        """Read the newest messages that were written until now."""
        self.options.update(options, limit=limit)
        self.reads.append((self._sid, 0))
        await asyncio.sleep(self.latency)
        messages = self.messages_of[self._sid]
        there = [one for one in messages if (one.date_created or BEGAN) <= at(now())]
        for number, message in enumerate(there[: -limit - 1 : -1]):
            if self.breaks is not None and number == self.breaks[0]:
                break
            self.reads[-1] = self._sid, number + 1
            yield message
        if self.breaks is not None:
            raise self.breaks[1]


@define
class Bot:
    """Handles what arrives, in the order that the module under test says, and notes when."""

    api: API
    repair: Repair = field(factory=lambda: Repair(wait=WAIT))
    #: What was claimed before; None remembers nothing.
    claimed: set[str] | None = field(factory=set)
    done: list[tuple[Event, float]] = field(factory=list)
    failures: list[tuple[Exception, MessageAdded]] = field(factory=list)
    takes: float = 0
    by_index: ByIndex = field(init=False)
    background: Background = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.by_index = ByIndex(
            self.repair,
            cast("ConversationsClient", self.api),
            lambda error, event: self.failures.append((error, event)),
        )
        self.background = Background(
            self.handle, concurrency=100, queue_size=10_000, sequence=self.by_index.next
        )

    async def claim(self, event: Event) -> bool:
        """Say whether an event is new."""
        await asyncio.sleep(0)
        if self.claimed is None or event.natural_key is None:
            return True
        is_new = event.natural_key not in self.claimed
        self.claimed.add(event.natural_key)
        return is_new

    async def handle(self, event: Event, _: str | None) -> None:
        """Handle an event, if it is new."""
        if not await self.claim(event):
            return
        await asyncio.sleep(self.takes)
        self.done.append((event, now()))

    async def tell(self, *events: Event, when: float = 0) -> None:
        """Let events arrive at a time of the loop."""
        await asyncio.sleep(when - now())
        for event in events:
            assert await offer(self.background, event, until=now())

    async def end(self) -> None:
        """Handle everything."""
        assert await drained(self.background, within=NEVER) == []
        assert self.background._room._value == 10_001

    def indexes(self, place: int = 0) -> list[int | None]:
        """Give the indexes of the messages that were handled."""
        return [
            event.index
            for event, _ in self.done
            if isinstance(event, MessageAdded) and event.conversation_sid == conversation(place)
        ]

    @property
    def times(self) -> dict[int | None, float]:
        """Give when each message of the first conversation was handled."""
        return {event.index: when for event, when in self.done if isinstance(event, MessageAdded)}


def written(*indexes: int, **told: Any) -> API:
    """Make an API that has messages."""
    api = API(**told)
    for index in indexes:
        api.write(said(index))
    return api


def scene(check: Callable[[], Any], conversations: int = 10_000) -> None:
    """Play a scene in a world whose time is the loop's."""
    with calendar(conversations):
        play(check())


# ------------------------------------------------------------------------------------------------- any order


@frozen
class Fate:
    """What becomes of one message: its delay in tenths of seconds, or that it never arrives."""

    delay: int | None
    #: Whether the API has it no longer when somebody reads.
    is_removed: bool
    is_repeated: bool


def fates(delays: st.SearchStrategy[int | None]) -> st.SearchStrategy[list[Fate]]:
    """Make the fates of the messages of a conversation."""
    return st.lists(st.builds(Fate, delays, st.booleans(), st.booleans()), max_size=12)


async def live(bot: Bot, lives: list[list[Fate]], old: int, *, pace: float) -> None:
    """Write messages, a pace apart, into several conversations, and let them arrive.

    The first ``old`` ones of each were written before it all began.
    """

    async def one(place: int, index: int, fate: Fate) -> None:
        when = (LONG_AGO if index < old else 0) + index * pace
        event = said(index, place=place, written=when)
        if not fate.is_removed:
            bot.api.write(event)
        if fate.delay is not None:
            for again in range(1 + fate.is_repeated):
                await bot.tell(event, when=max(when, 0) + fate.delay / 10 + again)

    async with asyncio.TaskGroup() as group:
        for place, messages in enumerate(lives):
            for index, fate in enumerate(messages):
                group.create_task(one(place, index, fate))
    await asyncio.sleep(10)


def expected(messages: list[Fate], old: int) -> list[int]:
    """Give the indexes of what has to be handled: what arrived, and what is there and older than that."""
    arrived = {index for index, fate in enumerate(messages) if fate.delay is not None}
    last = max(arrived, default=0)
    return sorted(
        arrived
        | {index for index, fate in enumerate(messages) if old <= index < last and not fate.is_removed}
    )


delays = st.none() | st.integers(0, 30)
seconds = st.integers(0, 15).map(lambda tenths: tenths / 10)


@deterministic
@given(
    lives=st.lists(fates(delays), min_size=1, max_size=3),
    old=st.integers(0, 3),
    pace=seconds,
    latency=seconds,
    takes=seconds,
    wait=seconds,
)
def test_what_is_there_is_handled_in_order(
    lives: list[list[Fate]], old: int, pace: float, latency: float, takes: float, wait: float
) -> None:
    """Whatever arrives when, or not at all: each message that is there is handled once, in its order.

    What was written before it began, or is removed, has not arrived here.
    """
    lives = [
        [
            evolve(fate, delay=None) if fate.is_removed or index < old else fate
            for index, fate in enumerate(messages)
        ]
        for messages in lives
    ]

    async def check() -> None:
        bot = Bot(API(latency=latency), Repair(wait=wait), takes=takes)
        await live(bot, lives, old, pace=pace)
        await bot.end()
        for place, messages in enumerate(lives):
            assert bot.indexes(place) == expected(messages, old)

    scene(check)


@deterministic
@given(
    lives=st.lists(fates(delays), min_size=1, max_size=3),
    old=st.integers(0, 3),
    latency=seconds,
    breaks=st.none() | st.integers(0, 5),
)
def test_what_arrives_is_handled(
    lives: list[list[Fate]], old: int, latency: float, breaks: int | None
) -> None:
    """What was removed, or is old, or follows a gap that cannot be read is handled once if it arrives."""

    async def check() -> None:
        bot = Bot(API(latency=latency, breaks=None if breaks is None else (breaks, BROKEN)))
        await live(bot, lives, old, pace=0.3)
        await bot.end()
        for place, messages in enumerate(lives):
            handled = bot.indexes(place)
            if breaks is None:
                assert sorted(index for index in handled if index is not None) == expected(messages, old)
            else:
                assert len({*handled}) == len(handled)
                assert {*handled} >= {n for n, fate in enumerate(messages) if fate.delay is not None}

    scene(check)


# --------------------------------------------------------------------------------------------------- the wait


@pytest.mark.parametrize("wait", [0, WAIT, 3.0])
def test_the_wait(wait: float) -> None:
    """A missing message is waited for as long as was said, then read; what came meanwhile is in order."""

    async def check() -> None:
        bot = Bot(written(0, 1, 2, 3), Repair(wait=wait))
        await bot.tell(said(0))
        await bot.tell(said(3), when=1)
        await bot.tell(said(2), when=1 + wait / 2)
        await bot.end()
        assert bot.indexes() == [0, 1, 2, 3]
        assert list(bot.times.values()) == [0, *[moment(1 + wait)] * 3]
        assert bot.api.reads == [(conversation(0), 3)]

    scene(check)


def test_a_message_that_comes_in_time() -> None:
    """What arrives while it is waited for is handled at once, with what waits for it, and nothing is read."""

    async def check() -> None:
        bot = Bot(written(0, 1, 2, 3))
        await bot.tell(said(0))
        await bot.tell(said(3), said(2), when=1)
        await bot.tell(said(1), when=1.25)
        await bot.end()
        assert bot.done == [(said(0), 0), (said(1), 1.25), (said(2), 1.25), (said(3), 1.25)]
        assert bot.api.reads == []

    scene(check)


def test_what_arrives_does_not_put_off_the_end_of_the_wait() -> None:
    """However much comes after a gap, and closes a part of it, the gap is read when the first has waited."""

    async def check() -> None:
        bot = Bot(written(*range(10)))
        await bot.tell(said(0))
        for index in range(9, 1, -1):
            await bot.tell(said(index), when=1 + (9 - index) / 10)
        await bot.end()
        assert bot.indexes() == list(range(10))
        assert bot.times[1] == moment(1 + WAIT)
        assert bot.times[4] == moment(1 + WAIT)
        assert bot.api.reads == [(conversation(0), 9)]

    scene(check)


def test_a_message_waits_once() -> None:
    """How long it has waited counts from when it arrived, whatever gaps and slow handlers are before it."""

    async def check() -> None:
        bot = Bot(written(0, 2, 4, 6), takes=2)
        await bot.tell(said(0), said(2), said(4))
        await bot.tell(said(6), when=5.75)
        await bot.end()
        assert bot.times == {0: 2, 2: 4, 4: 6, 6: moment(5.75 + WAIT + 2)}

    scene(check)


def test_what_waits_longest_says_how_long() -> None:
    """What arrives later, and is to be handled earlier, waits no longer than what it holds up."""

    async def check() -> None:
        bot = Bot(written(*range(8)), takes=0.4)
        await bot.tell(said(0))
        await bot.tell(said(7), when=0.1)
        await bot.tell(said(5), when=0.3)
        await bot.end()
        assert bot.times[1] == moment(0.1 + WAIT + 0.4)
        assert bot.indexes() == list(range(8))

    scene(check)


# ------------------------------------------------------------------------------------- what is known, and not


def test_a_conversation_that_begins() -> None:
    """The first message of all has nothing before it: nothing is read."""

    async def check() -> None:
        bot = Bot(written(0))
        await bot.tell(said(0))
        await bot.end()
        assert bot.done == [(said(0), 0)]
        assert bot.api.reads == []

    scene(check)


def test_a_conversation_that_is_new_to_it() -> None:
    """It is read at once, back to what was written before it all began: that was another process's."""

    async def check() -> None:
        bot = Bot(API())
        for index in range(6):
            bot.api.write(said(index, written=LONG_AGO if index < 3 else 0))
        await bot.tell(said(5))
        await bot.end()
        assert bot.indexes() == [3, 4, 5]
        assert bot.times[3] == 0
        assert bot.api.reads == [(conversation(0), 4)]

    scene(check)


def test_old_messages_that_arrive() -> None:
    """What was written before it all began is handled if it arrives, and what lies between is not read."""

    async def check() -> None:
        bot = Bot(API())
        for index in range(7):
            bot.api.write(said(index, written=LONG_AGO if index < 5 else 0))
        await bot.tell(said(2, written=LONG_AGO))
        await bot.tell(said(6))
        await bot.tell(said(1, written=LONG_AGO), when=9)
        await bot.end()
        assert bot.indexes() == [2, 5, 6, 1]

    scene(check)


def test_the_second_in_which_it_began() -> None:
    """The API tells whole seconds: what was written in the first one is handled rather twice than never."""

    async def check() -> None:
        await asyncio.sleep(0.9)
        bot = Bot(API())
        bot.api.write(said(0, written=0.2))
        bot.api.write(said(1, written=0.95))
        await bot.tell(said(1, written=0.95), when=1)
        await bot.end()
        assert bot.indexes() == [0, 1]

    scene(check)


def test_a_message_without_a_time() -> None:
    """What does not say when it was written counts as new."""

    async def check() -> None:
        bot = Bot(API())
        for index in range(3):
            bot.api.write(evolve(said(index), date_created=None))
        await bot.tell(evolve(said(2), date_created=None))
        await bot.end()
        assert bot.indexes() == [0, 1, 2]

    scene(check)


def test_what_is_forgotten_is_not_repeated() -> None:
    """Of more conversations than are remembered, none has a message handled twice, though no key is known."""

    async def check() -> None:
        bot = Bot(API(), claimed=None)
        order = [0, 0, 1, 0, 2, 3, 0, 0, 1, 2, 2, 3, 1, 0]
        count: dict[int, int] = defaultdict(int)
        for number, place in enumerate(order):
            when = 7200.25 * number
            event = bot.api.write(said(count[place], place=place, written=when))
            count[place] += 1
            await bot.tell(event, when=when)
            await asyncio.sleep(1)
            assert len(bot.by_index._known) <= 2
        await bot.end()
        assert {place: bot.indexes(place) for place in count} == {
            place: list(range(count[place])) for place in count
        }

    scene(check, 2)


def test_what_is_forgotten_is_what_was_silent_for_longest() -> None:
    """A conversation that goes on is remembered, however many others come and go."""

    async def check() -> None:
        bot = Bot(API())
        for number in range(5):
            await bot.tell(bot.api.write(said(number, written=number)), when=number)
            await bot.tell(said(0, place=1 + number, written=number))
            await turns()
        await bot.end()
        assert bot.api.reads == []
        assert list(bot.by_index._known) == [conversation(0), conversation(5)]

    scene(check, 2)


def test_what_is_missing_when_others_are_forgotten() -> None:
    """It is looked for from the second after the last message of all that are forgotten, and no later.

    A time that is ahead of ours hides nothing that is written from now on.
    """

    async def check() -> None:
        bot = Bot(API())
        await bot.tell(said(0, place=1, written=1e6))
        await bot.tell(said(0, place=2, written=1.5), when=2.5)
        await bot.tell(said(0, place=3, written=1.75), when=2.75)
        for index in range(6):
            bot.api.write(said(index, written=index))
        await bot.tell(said(5, written=5), when=6)
        await bot.end()
        assert bot.indexes() == [3, 4, 5]

    scene(check, 1)


# ----------------------------------------------------------------------------------------------------- others


def test_other_events_keep_their_place() -> None:
    """What is about something else is handled as it came, in front of all that comes after it."""

    async def check() -> None:
        bot = Bot(written(0, 1, 2, 3))
        edits = [
            MessageUpdated(conversation_sid=conversation(0), message_sid=f"IM{number}", index=number)
            for number in (3, 0)
        ]
        await bot.tell(edits[0], said(3), edits[1], said(1), said(0), said(2))
        await bot.end()
        order = [event for event, _ in bot.done]
        assert order == [edits[0], said(0), said(1), said(2), said(3), edits[1]]
        assert bot.by_index._known[conversation(0)].index == 4

    scene(check)


def test_messages_without_an_index() -> None:
    """They have no place in the order, and nothing is concluded from them, here or in what is read."""

    async def check() -> None:
        bot = Bot(API())
        for index in range(4):
            bot.api.write(said(index, written=LONG_AGO))
        bot.api.write(said(4))
        bot.api.write(said(None))
        bot.api.write(said(5))
        nameless = said(None, written=5)
        await bot.tell(nameless)
        await bot.tell(said(6), evolve(nameless, message_sid="IM9"), said(5))
        await bot.end()
        assert bot.indexes() == [None, 4, 5, 6, None]

    scene(check)


def test_a_gap_in_a_service() -> None:
    """It is read in the service that the message names, newest first, by pages that come when needed."""

    async def check() -> None:
        bot = Bot(written(0, 1), Repair(wait=WAIT, limit=7))
        await bot.tell(said(1, chat_service_sid=SERVICE))
        await bot.end()
        assert bot.indexes() == [0, 1]
        assert bot.api.services == [SERVICE]
        assert bot.api.options == {"order": Order.DESC, "page_size": 100, "limit": 7, "read_ahead": 0}

    scene(check)


# -------------------------------------------------------------------------------------------------- the limit


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("limit", [3, 4, 5, 6])
def test_a_gap_that_is_too_long(limit: int, caplog: pytest.LogCaptureFixture, *, is_known: bool) -> None:
    """Of a gap the newest messages are handled; a warning says how many were read where that was not all."""
    first, last = (1, 5) if is_known else (0, 4)

    async def check() -> None:
        bot = Bot(written(*range(last + 1)), Repair(wait=WAIT, limit=limit))
        if is_known:
            await bot.tell(said(0))
            await turns()
            bot.done.clear()
        await bot.tell(said(last))
        await bot.end()
        assert bot.indexes() == list(range(first, last + 1))[-limit:]
        assert bot.api.reads == [(conversation(0), min(limit, 5))]
        assert bot.failures == []

    scene(check)
    told = f"a gap before message {last} of {conversation(0)} is too long: only {limit} messages were read"
    assert [record.getMessage() for record in caplog.records] == ([told] if limit < 5 else [])


def test_a_short_list(caplog: pytest.LogCaptureFixture) -> None:
    """A list that ends before the gap does is no warning: the rest was removed."""

    async def check() -> None:
        bot = Bot(written(0, 5, 6), Repair(limit=3))
        await bot.tell(said(0))
        bot.api.messages_of[conversation(0)].pop(0)
        await bot.tell(said(6))
        await bot.end()
        assert bot.indexes() == [0, 5, 6]

    scene(check)
    assert not caplog.records


# ------------------------------------------------------------------------------------------------ what fails


@pytest.mark.parametrize("error", [BROKEN, RuntimeError("the client is closed"), ValueError("path")])
@pytest.mark.parametrize("place", [0, 2])
def test_reading_fails(error: Exception, place: int) -> None:
    """It is reported with the message; what was read, what follows, and what comes late is handled."""

    async def check() -> None:
        bot = Bot(written(*range(5), breaks=(place, error)))
        await bot.tell(said(3))
        await bot.tell(said(4), when=1)
        await bot.tell(said(0), when=2)
        await bot.end()
        # of those that were read, one came after the message that asked for them
        assert bot.indexes() == [3, 4, 0]
        assert bot.failures == [(error, said(3))]

    scene(check)


def test_reading_is_cut_off() -> None:
    """Where something else than the reading is cancelled, that is reported, and what follows is handled."""

    async def check() -> None:
        cut: Any = asyncio.CancelledError()
        bot = Bot(written(*range(5), breaks=(0, cut)))
        await bot.tell(said(3), said(4))
        await bot.end()
        assert bot.indexes() == [3, 4]
        assert [str(error) for error, _ in bot.failures] == ["what it waited for was cancelled"]

    scene(check)


def test_reading_takes_too_long() -> None:
    """A gap that cannot be read in ten seconds is given up, which is reported."""

    async def check() -> None:
        bot = Bot(API(latency=100))
        await bot.tell(*(said(1, place=place) for place in range(25)))
        await bot.end()
        assert len(bot.done) == 25
        assert now() == moment(10)
        assert {type(error) for error, _ in bot.failures} == {TimeoutError}

    scene(check)


@pytest.mark.parametrize("within", [0.25, WAIT + 0.5])
def test_the_end_while_a_message_is_missing(within: float) -> None:
    """Who waits for a message, or reads, ends with the rest."""

    async def check() -> None:
        bot = Bot(written(*range(3), latency=1))
        await bot.tell(said(0), said(2))
        assert await drained(bot.background, within=within) == [said(2)]
        assert now() == moment(within)
        assert bot.indexes() == [0]

    scene(check)


@pytest.mark.parametrize("latency", [0, 1])
def test_what_arrives_while_a_gap_is_read(latency: float) -> None:
    """It is handled once, in its place, whether it was missing or is newer."""

    async def check() -> None:
        bot = Bot(written(*range(6), latency=latency))
        await bot.tell(said(0), said(3))
        await bot.tell(said(5), said(2), said(1), said(4), when=WAIT + latency / 2)
        await bot.end()
        assert bot.indexes() == [0, 1, 2, 3, 4, 5]
        assert len(bot.api.reads) == 1

    scene(check)


def test_a_long_lane() -> None:
    """Thousands that arrive in the worst order are put in order by one look at the lane."""
    looks = 0

    async def check() -> None:
        nonlocal looks
        bot = Bot(API())
        real = repair._earlier_first

        def counted(lane: Lane, index: int) -> None:
            nonlocal looks
            looks += 1
            real(lane, index)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(repair, "_earlier_first", counted)
            await bot.tell(said(0))
            for index in range(3000, 0, -1):
                assert await offer(bot.background, said(index), until=now())
            await bot.end()
        assert bot.indexes() == list(range(3001))

    scene(check)
    assert looks < 10


@pytest.mark.parametrize(
    ("options", "name"),
    [({"wait": -1}, "wait"), ({"wait": "1"}, "wait"), ({"limit": 0}, "limit"), ({"limit": 1.5}, "limit")],
)
def test_wrong_arguments(options: dict[str, Any], name: str) -> None:
    """What would repair nothing is refused by name; no wait at all is one."""
    with pytest.raises(ValueError, match=f"^{name} must be "):
        Repair(**options)
    assert Repair(wait=0, limit=1) == Repair(wait=0.0, limit=1)


# ----------------------------------------------------------------------------------------------- the emulator


def bot_of(client: ConversationsClient) -> Bot:
    """Make a bot that reads through a real client."""
    return Bot(cast("API", client), Repair(wait=0.01))


@pytest.mark.parametrize("in_service", [True, False])
async def test_a_gap_in_the_emulator(
    emulator: Emulator, client: ConversationsClient, *, in_service: bool
) -> None:
    """What is missing is read through the client as it is there, and is the event that did not arrive."""
    scope = client.service((await client.services.create(friendly_name="y")).sid) if in_service else client
    messages = scope.messages((await scope.conversations.create()).sid)
    sent = [await messages.create(author="ann", body=f"{number}") for number in range(9)]
    await messages.delete(sent[4].sid)
    bot = bot_of(client)
    told = [MessageAdded.of(message) for message in sent]
    await bot.tell(told[0], told[8])
    await bot.end()
    assert [event for event, _ in bot.done] == [*told[:4], *told[5:]]
    (request,) = [request for request in emulator.requests if request.operation == "messages.list"]
    assert ("/Services/" in request.path) == in_service


async def test_a_gap_of_several_pages(emulator: Emulator, client: ConversationsClient) -> None:
    """It is read page after page, down to its end and no further."""
    messages = client.messages((await client.conversations.create()).sid)
    bot = bot_of(client)
    sent = [MessageAdded.of(await messages.create(body="y")) for _ in range(230)]
    await bot.tell(sent[0])
    await turns()
    bot.by_index._know(sent[0], 100)
    await bot.tell(sent[-1])
    await bot.end()
    assert [event for event, _ in bot.done] == [sent[0], *sent[100:]]
    assert len([request for request in emulator.requests if request.operation == "messages.list"]) == 2


async def test_a_client_that_is_closed(emulator: Emulator) -> None:
    """That nothing can be read any more is reported, and what arrived is handled."""
    client = ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url)
    await client.close()
    bot = bot_of(client)
    event = evolve(said(7), conversation_sid=CONVERSATION)
    await bot.tell(event)
    await bot.end()
    assert [event for event, _ in bot.done] == [event]
    assert [type(error) for error, _ in bot.failures] == [RuntimeError]


def test_reads_at_a_time() -> None:
    """After a start every conversation may have a gap: ten of them are read at a time."""

    async def check() -> None:
        bot = Bot(API(latency=1))
        await bot.tell(*(said(1, place=place) for place in range(25)))
        await bot.end()
        assert Counter(round(when) for _, when in bot.done) == {1: 10, 2: 10, 3: 5}

    scene(check)

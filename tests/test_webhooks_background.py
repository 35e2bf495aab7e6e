"""In what order events are handled, how many at a time, and what becomes of them at the end.

The tests run in a loop whose clock jumps to the next moment that matters: they take no time.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import sys
from collections import defaultdict
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from attrs import define, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from conversations_async.webhooks import Event, MessageAdded, ParticipantAdded, UnknownEvent, UserUpdated
from conversations_async.webhooks.background import Background, Lane, Waiting, first_come

from .support import deterministic
from .test_deadlines import Jumping, Loop, now, turns

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

#: Seconds that end before the test does, and that do not.
SOON, NEVER = 50.0, 1e6


class Swift(Jumping):
    """Waits for nothing at all: nothing is on its way."""

    def select(self, timeout: float | None = None) -> Any:
        """Let the clock jump."""
        assert timeout is not None, "nothing will ever happen"
        self.now += max(timeout, 0)
        return selectors.DefaultSelector.select(self, 0)


class SwiftLoop(Loop):
    """A loop in which no time passes but its own."""

    def __init__(self) -> None:
        self.jumping = Swift()
        asyncio.SelectorEventLoop.__init__(self, self.jumping)


def play(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run something that talks to nobody; it must leave no task."""

    async def alone() -> T:
        result = await coroutine
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    with asyncio.Runner(loop_factory=SwiftLoop) as runner:
        return runner.run(alone())


def conversation(number: int) -> str:
    """Give the SID of a conversation."""
    return f"CH{number:032x}"


def said(place: int, number: int) -> MessageAdded:
    """Make the event of a message of a conversation."""
    return MessageAdded(conversation_sid=conversation(place), message_sid=f"IM{number:032x}", index=number)


async def offer(background: Background, event: Event, *, until: float) -> bool:
    """Offer an event, and say whether there was room in time."""
    return await background.offer(event, until=until)


async def drained(background: Background, *, within: float) -> list[Event]:
    """Drain, and give the events that were not handled."""
    await background.drain(within=within)
    return background.left


@define
class Desk:
    """Handles events in as many seconds as they say, and writes down what happened."""

    concurrency: int = 100
    queue_size: int = 100
    #: Seconds, by the SID of the message; at once, unless one is given.
    takes: dict[str, float] = field(factory=dict)
    #: Event and time, of each that was begun, that was done, and that was cancelled.
    begun: list[tuple[Event, float]] = field(factory=list)
    done: list[tuple[Event, float]] = field(factory=list)
    cancelled: list[Event] = field(factory=list)
    #: How many are handled now, and were at most.
    busy: int = 0
    most: int = 0
    background: Background = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.background = Background(
            self.handle, concurrency=self.concurrency, queue_size=self.queue_size, sequence=first_come
        )

    async def handle(self, event: Event, _: str | None) -> None:
        """Handle an event."""
        self.begun.append((event, now()))
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            await asyncio.sleep(self.takes.get(getattr(event, "message_sid", ""), 0))
        except asyncio.CancelledError:
            self.cancelled.append(event)
            raise
        finally:
            self.busy -= 1
        self.done.append((event, now()))

    async def offer(self, event: Event, *, patience: float = 0, takes: float = 0) -> bool:
        """Offer an event; say how long it takes, and how long it waits for room."""
        if takes:
            self.takes[getattr(event, "message_sid", "")] = takes
        return await offer(self.background, event, until=now() + patience)

    async def end(self, within: float = NEVER) -> list[Event]:
        """Drain, and check that nothing is left but what is given back."""
        left = await drained(self.background, within=within)
        assert self.busy == 0
        return left

    @property
    def room(self) -> int:
        """How many more events would be taken."""
        return self.background._room._value


def events(times: list[tuple[Event, float]]) -> list[Event]:
    """Leave out the times."""
    return [event for event, _ in times]


# ------------------------------------------------------------------------------------------------------ lanes


def unknown(**extra: str) -> UnknownEvent:
    """Make an event that this version does not know."""
    return UnknownEvent(event_type="onTomorrow", extra=extra)


CH, US = conversation(1), "US" + "b" * 32

SAME: dict[str, tuple[Event, Event]] = {
    "a conversation": (said(1, 0), ParticipantAdded(conversation_sid=CH, participant_sid="MB1")),
    "a user": (UserUpdated(user_sid=US), UserUpdated(user_sid=US, friendly_name="b")),
    "a conversation of an unknown event": (unknown(ConversationSid=CH), said(1, 0)),
    "a user of an unknown event": (unknown(UserSid=US), UserUpdated(user_sid=US)),
}
DIFFERENT: dict[str, tuple[Event, Event]] = {
    "conversations": (said(1, 0), said(2, 0)),
    "users": (UserUpdated(user_sid=US), UserUpdated(user_sid="US2")),
    "a user and a conversation": (UserUpdated(user_sid=US), said(1, 0)),
    "conversations of a user": (
        unknown(ConversationSid=CH, UserSid=US),
        unknown(ConversationSid=conversation(2), UserSid=US),
    ),
    "unknown events": (unknown(), unknown()),
    "an event without a SID": (unknown(ConversationSid="", UserSid=""), said(1, 0)),
}


@pytest.mark.parametrize(
    ("pair", "is_parallel"),
    [*((pair, False) for pair in SAME.values()), *((pair, True) for pair in DIFFERENT.values())],
    ids=[*SAME, *DIFFERENT],
)
def test_what_is_handled_at_the_same_time(pair: tuple[Event, Event], *, is_parallel: bool) -> None:
    """Events of one conversation, or else of one user, wait for each other, in order; others do not."""

    async def check() -> None:
        begun: list[Event] = []
        go = asyncio.Event()

        async def handle(event: Event, _: str | None) -> None:
            begun.append(event)
            await go.wait()

        background = Background(handle, concurrency=9, queue_size=9, sequence=first_come)
        for event in pair:
            assert await offer(background, event, until=now())
        await turns()
        assert begun == list(pair)[: 1 + is_parallel]
        go.set()
        assert await drained(background, within=NEVER) == []
        assert begun == list(pair)

    play(check())


def test_a_handler_that_hangs() -> None:
    """One that never ends, and one that is slow, hold up their own conversations and no other."""

    async def check() -> None:
        desk = Desk()
        await desk.offer(said(1, 0), takes=NEVER)
        await desk.offer(said(2, 1), takes=7)
        for place, number in (1, 2), (2, 3), (3, 4), (3, 5):
            await desk.offer(said(place, number))
        assert await desk.end(within=SOON) == [said(1, 0), said(1, 2)]
        assert desk.done == [(said(3, 4), 0), (said(3, 5), 0), (said(2, 1), 7), (said(2, 3), 7)]
        assert desk.cancelled == [said(1, 0)]

    play(check())


def test_an_empty_lane_is_forgotten() -> None:
    """What has nothing to do takes no memory and no task, and begins again when there is something."""

    async def check() -> None:
        desk = Desk()
        for round_ in range(3):
            for place in range(50):
                await desk.offer(said(place, round_))
            assert len(desk.background._lanes) == 50
            await turns()
            assert not desk.background._lanes
            assert len(asyncio.all_tasks()) == 1
            assert desk.room == 100
        assert len(desk.done) == 150

    play(check())


def test_the_bound_of_concurrency() -> None:
    """So many are handled at a time as was said, and those that wait have their turns as they came."""

    async def check() -> None:
        desk = Desk(concurrency=3)
        for number in range(7):
            await desk.offer(said(number, number), takes=1)
        assert await desk.end() == []
        assert desk.most == 3
        assert desk.begun == [(said(number, number), number // 3) for number in range(7)]

    play(check())


# ------------------------------------------------------------------------------------------------------- room


def test_room() -> None:
    """No more is taken than there is room for, whether it waits or is handled; then it waits for its time."""

    async def check() -> None:
        desk = Desk(concurrency=1, queue_size=2)
        assert await desk.offer(said(1, 0), takes=10)
        assert await desk.offer(said(2, 1), takes=10)
        assert not await desk.offer(said(3, 2), patience=9)
        assert now() == 9
        assert await desk.offer(said(3, 3), patience=2)
        assert now() == 10
        assert await desk.end() == []
        assert events(desk.done) == [said(1, 0), said(2, 1), said(3, 3)]

    play(check())


def test_the_time_may_be_over() -> None:
    """Where there is room an event is taken even if its time is over."""

    async def check() -> None:
        desk = Desk()
        assert await desk.offer(said(1, 0), patience=-1)
        assert await desk.end() == []

    play(check())


def test_who_waits_for_room_has_it_first() -> None:
    """Room is given in the order in which it was asked for, also to events of one conversation."""

    async def check() -> None:
        desk = Desk(queue_size=1)
        await desk.offer(said(1, 0), takes=1)
        offers = [
            asyncio.create_task(desk.offer(said(1, number), patience=SOON, takes=1)) for number in (1, 2, 3)
        ]
        await asyncio.sleep(0.5)
        offers[0].cancel()
        assert await desk.offer(said(1, 4), patience=SOON, takes=1)
        assert await desk.end() == []
        assert desk.done == [(said(1, 0), 1), (said(1, 2), 2), (said(1, 3), 3), (said(1, 4), 4)]
        assert [offer.cancelled() for offer in offers] == [True, False, False]

    play(check())


@pytest.mark.parametrize("steps", range(8))
def test_an_offer_that_is_cancelled(steps: int) -> None:
    """Wherever it is, who cancels an offer takes no room away, and the event is handled or was not taken."""

    async def check() -> None:
        desk = Desk(queue_size=1)
        await desk.offer(said(1, 0))
        offer = asyncio.create_task(desk.offer(said(2, 1), patience=SOON))
        for _ in range(steps):
            await asyncio.sleep(0)
        offer.cancel()
        (taken,) = await asyncio.gather(offer, return_exceptions=True)
        await turns()
        assert events(desk.done) == [said(1, 0), *([said(2, 1)] if taken is True else [])]
        assert desk.room == 1
        assert await desk.end() == []

    play(check())


# ------------------------------------------------------------------------------------------------ the handler


class Harsh(BaseException):
    """What no handler should raise."""


@pytest.mark.parametrize("kind", [ValueError, Harsh, GeneratorExit, asyncio.CancelledError])
def test_a_handler_that_raises(kind: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it is, also that what it waited for was cancelled, is logged, and the next one handled."""

    async def check() -> None:
        done: list[Event] = []

        async def handle(event: Event, _: str | None) -> None:
            if event == said(1, 0):
                raise kind
            done.append(event)

        background = Background(handle, concurrency=1, queue_size=2, sequence=first_come)
        for number in range(4):
            assert await offer(background, said(1, number), until=now() + 1)
        assert await drained(background, within=NEVER) == []
        assert done == [said(1, 1), said(1, 2), said(1, 3)]

    play(check())
    (record,) = caplog.records
    itself = kind is asyncio.CancelledError
    assert record.getMessage() == "webhook onMessageAdded failed" + ": a handler cancelled itself" * itself
    assert itself or (record.exc_info and record.exc_info[0] is kind)


def test_a_sequence_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """Where none can be chosen, which is logged, what has waited longest is next; no place is lost."""

    async def check() -> None:
        done: list[Event] = []

        async def handle(event: Event, _: str | None) -> None:
            done.append(event)

        async def choose(lane: Lane) -> Waiting:
            if lane.waiting[0].event in {said(1, 1), said(1, 2)}:
                raise LookupError
            return lane.waiting[0]

        background = Background(handle, concurrency=1, queue_size=4, sequence=choose)
        for number in range(4):
            assert await offer(background, said(1, number), until=now())
        await background.settled()
        assert done == [said(1, number) for number in range(4)]
        assert background._room._value == 4

    play(check())
    assert len(caplog.records) == 2


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt(kind: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    """What ends the program ends it, and what was being handled then is given back with the rest."""
    left: list[Event] = []

    async def check() -> None:
        async def handle(*_: object) -> None:
            raise kind

        background = Background(handle, concurrency=1, queue_size=2, sequence=first_come)
        for number in range(2):
            await offer(background, said(1, number), until=now())
        try:
            await asyncio.sleep(1)
        finally:
            left.extend(await drained(background, within=NEVER))

    with pytest.raises(kind):
        play(check())
    assert left == [said(1, 0), said(1, 1)]
    assert not caplog.records


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_a_loop_that_goes_on_after_an_interrupt(kind: type[BaseException]) -> None:
    """What was interrupted is given back with the rest, and nothing more is begun."""
    begun: list[object] = []

    async def handle(event: Event, _: str | None) -> None:
        begun.append(event)
        raise kind

    async def check() -> Background:
        background = Background(handle, concurrency=1, queue_size=2, sequence=first_come)
        for number in range(2):
            await offer(background, said(1, number), until=now())
        return background

    loop = asyncio.new_event_loop()
    try:
        background = loop.run_until_complete(check())
        with pytest.raises(kind):
            loop.run_until_complete(asyncio.sleep(1))
        loop.run_until_complete(asyncio.sleep(0.01))
    finally:
        loop.close()
    assert begun == [said(1, 0)]
    assert background.left == [said(1, 0), said(1, 1)]


def test_a_loop_that_was_left(caplog: pytest.LogCaptureFixture) -> None:
    """What is thrown away in the middle begins nothing more, and says nothing."""

    async def check() -> None:
        desk = Desk()
        for number in range(2):
            await desk.offer(said(1, number), takes=NEVER)
        await turns()
        (lane,) = desk.background._lanes.values()
        assert lane.task is not None
        coroutine: Any = lane.task.get_coro()
        coroutine.close()
        assert await desk.end(within=0) == [said(1, 0), said(1, 1)]
        assert events(desk.begun) == [said(1, 0)]
        # asyncio finds the coroutine closed, and would say so when the task is thrown away
        (error,) = await asyncio.gather(lane.task, return_exceptions=True)
        assert isinstance(error, RuntimeError)

    play(check())
    assert not caplog.records


def test_a_loop_that_ends_without_a_drain(caplog: pytest.LogCaptureFixture) -> None:
    """Who cancels all tasks ends the handling: no other event is begun, and nothing is a failure."""
    caplog.set_level(logging.DEBUG, "conversations_async")
    desks: list[Desk] = []

    async def check() -> None:
        desks.append(desk := Desk())
        for number in range(3):
            await desk.offer(said(1, number), takes=1)
        await turns()

    with asyncio.Runner(loop_factory=SwiftLoop) as runner:
        runner.run(check())
    assert events(desks[0].begun) == [said(1, 0)]
    assert not caplog.records


# -------------------------------------------------------------------------------------------------- the drain


@pytest.mark.parametrize("within", [0, 2.5])
def test_the_deadline(within: float) -> None:
    """At the deadline, what was not handled is given back in its order, what was being handled included."""

    async def check() -> None:
        desk = Desk(concurrency=1)
        for place, number in (1, 0), (2, 1), (1, 2), (3, 3), (1, 4):
            await desk.offer(said(place, number), takes=1)
        left = await desk.end(within=within)
        assert now() == within
        assert not await desk.offer(said(9, 9))
        if within:
            assert events(desk.done) == [said(1, 0), said(2, 1)]
            assert desk.cancelled == [said(3, 3)]
            assert left == [said(1, 2), said(1, 4), said(3, 3)]
        else:
            assert left == [said(1, 0), said(1, 2), said(1, 4), said(2, 1), said(3, 3)]

    play(check())


def test_the_drain_ends_with_the_last() -> None:
    """It takes no longer than what is left."""

    async def check() -> None:
        desk = Desk()
        assert await desk.end() == []
        desk = Desk()
        await desk.offer(said(1, 0), takes=2)
        await desk.offer(said(1, 1), takes=2)
        assert await desk.end() == []
        assert now() == 4

    play(check())


def test_offers_during_the_drain() -> None:
    """All are refused at once, also those that wait for room, however much there is later."""

    async def check() -> None:
        desk = Desk(queue_size=2)
        await desk.offer(said(1, 0), takes=2)
        await desk.offer(said(2, 1), takes=3)
        waiting = [asyncio.create_task(desk.offer(said(3, number), patience=SOON)) for number in range(2, 6)]
        await asyncio.sleep(1)
        drain = asyncio.create_task(desk.end())
        waiting[1].cancel()
        await asyncio.wait(waiting)
        assert [offer.cancelled() or offer.result() for offer in waiting] == [False, True, False, False]
        assert now() == 1
        assert not await desk.offer(said(4, 6))
        await asyncio.sleep(1.5)
        assert not await desk.offer(said(4, 7))
        assert await drain == []
        assert events(desk.done) == [said(1, 0), said(2, 1)]

    play(check())


@pytest.mark.parametrize("ends", ["by itself", "by the deadline", "by cancellation"])
def test_what_gets_over_being_cancelled(ends: str) -> None:
    """A handler that ends in its own way has handled its event; nothing that comes after it is begun."""

    async def check() -> None:
        begun: list[Event] = []

        async def handle(event: Event, _: str | None) -> None:
            begun.append(event)
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                await asyncio.sleep(3)

        background = Background(handle, concurrency=9, queue_size=9, sequence=first_come)
        for number in range(3):
            await offer(background, said(1, number), until=now())
        drain = asyncio.create_task(drained(background, within=NEVER if ends != "by the deadline" else 5))
        if ends == "by cancellation":
            await asyncio.sleep(5)
            drain.cancel()
            with pytest.raises(asyncio.CancelledError):
                await drain
        else:
            assert await drain == ([] if ends == "by itself" else [said(1, number) for number in range(3)])
        assert now() == (30 if ends == "by itself" else 6)  # a second is what it has to end
        await asyncio.sleep(5)
        assert begun == [said(1, number) for number in range(3 if ends == "by itself" else 1)]

    play(check())


@frozen
class Plan:
    """What becomes of one event, in hundredths of seconds."""

    place: int
    at: int
    patience: int
    takes: int
    #: When the offer is cancelled, after it was made.
    cancelled: int | None


moments = st.integers(0, 12)
plans = st.builds(
    Plan,
    place=st.integers(0, 3),
    at=moments,
    patience=moments,
    takes=moments | st.just(10**6),
    cancelled=st.none() | moments,
)


@deterministic
@given(
    schedule=st.lists(plans, max_size=14),
    concurrency=st.integers(1, 4),
    queue_size=st.integers(1, 5),
    drain_at=st.integers(0, 30),
    within=moments,
    interrupted=st.none() | moments,
)
def test_any_schedule(
    schedule: list[Plan],
    concurrency: int,
    queue_size: int,
    drain_at: int,
    within: int,
    interrupted: int | None,
) -> None:
    """Whatever comes when, and is given up when: what was taken is handled in its order, or given back."""

    async def check() -> None:
        desk = Desk(concurrency=concurrency, queue_size=queue_size)
        taken: dict[int, list[Event]] = defaultdict(list)
        closed = False

        async def one(number: int, plan: Plan) -> None:
            await asyncio.sleep(plan.at / 100)
            event = said(plan.place, number)
            begun, was_closed = now(), closed
            is_taken = await desk.offer(event, patience=plan.patience / 100, takes=plan.takes / 100)
            if is_taken:
                assert not closed
                taken[plan.place].append(event)
                inside = sum(map(len, taken.values())) - len(desk.done)
                assert inside + desk.room <= queue_size
            else:
                assert closed or now() == pytest.approx(begun + plan.patience / 100)
            assert not was_closed or now() == begun

        async def end() -> list[Event]:
            nonlocal closed
            closed = True
            return await desk.end(within=within / 100)

        async def cancelled(number: int, plan: Plan) -> None:
            offer = asyncio.create_task(one(number, plan))
            if plan.cancelled is not None:
                await asyncio.sleep((plan.at + plan.cancelled) / 100)
                offer.cancel()
            await asyncio.wait([offer])
            assert offer.cancelled() or offer.result() is None

        offers = [asyncio.create_task(cancelled(*each)) for each in enumerate(schedule)]
        await asyncio.sleep(drain_at / 100)
        drain = asyncio.create_task(end())
        if interrupted is not None:
            await asyncio.sleep(interrupted / 100)
            drain.cancel()
        await asyncio.wait([drain])
        assert now() <= (drain_at + max(within, interrupted or 0)) / 100 + 0.001
        assert desk.busy == 0
        assert desk.most <= concurrency
        await asyncio.gather(*offers)
        left = None if drain.cancelled() else drain.result()
        unhandled = sum(map(len, taken.values())) - len(desk.done)
        for accepted in taken.values():
            handled = [event for event, _ in desk.done if event in accepted]
            assert handled == accepted[: len(handled)]
            assert left is None or [event for event in left if event in accepted] == accepted[len(handled) :]
        assert left is None or len(left) == unhandled
        # and the one place that lets those in who have to be refused
        assert desk.room == queue_size - unhandled + 1

    play(check())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks that begin at once came with Python 3.12")
async def test_tasks_that_begin_at_once() -> None:
    """Where the loop begins a task before its creator goes on, every event is handled all the same."""
    done: list[Event] = []

    async def handle(event: Event, _: str | None) -> None:
        done.append(event)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore]  # pyright: ignore[reportAttributeAccessIssue]  # of 3.12
    try:
        background = Background(handle, concurrency=1, queue_size=9, sequence=first_come)
        for number in range(3):
            assert await offer(background, said(1, number), until=now())
        await background.settled()
        assert await drained(background, within=1) == []
    finally:
        loop.set_task_factory(None)
    assert done == [said(1, number) for number in range(3)]


async def test_the_context_of_a_request() -> None:
    """A lane is handled in the context in which the router was entered, and not in that of a request."""
    variable: ContextVar[str] = ContextVar("variable", default="none")
    seen: list[str] = []

    async def handle(*_: object) -> None:
        seen.append(variable.get())
        variable.set("a handler's")

    variable.set("the program's")
    background = Background(handle, concurrency=9, queue_size=9, sequence=first_come)
    variable.set("a request's")
    for place in (1, 2):
        await offer(background, said(place, place), until=now())
    await background.settled()
    assert seen == ["the program's"] * 2


def test_settled() -> None:
    """Who waits for all to be handled waits for what is added meanwhile, too."""

    async def check() -> None:
        desk = Desk()
        await desk.background.settled()
        await desk.offer(said(1, 0), takes=2)
        waiting = asyncio.create_task(desk.background.settled())
        await asyncio.sleep(1)
        await desk.offer(said(2, 1), takes=3)
        await waiting
        assert now() == 4
        await desk.end()

    play(check())


async def test_a_time_out_of_a_handlers_own(caplog: pytest.LogCaptureFixture) -> None:
    """A handler that cancels its own task, and gets over it, stops nothing that comes after it."""
    done: list[Event] = []

    async def handle(event: Event, _: str | None) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(10)
        done.append(event)

    background = Background(handle, concurrency=1, queue_size=2, sequence=first_come)
    for number in range(5):
        assert await offer(background, said(1, number), until=now() + 10)
    await background.settled()
    assert done == [said(1, number) for number in range(5)]
    assert background._room._value == 2
    assert not caplog.records


async def test_each_event_has_a_context() -> None:
    """What a handler sets in its context is not there for the next event."""
    variable: ContextVar[str] = ContextVar("variable", default="none")
    seen: list[str] = []

    async def handle(*_: object) -> None:
        seen.append(variable.get())
        variable.set("a handler's")

    background = Background(handle, concurrency=9, queue_size=9, sequence=first_come)
    for number in range(3):
        await offer(background, said(1, number), until=now())
    await background.settled()
    assert seen == ["none"] * 3

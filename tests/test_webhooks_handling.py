"""What the handlers say to an event, and what becomes of those that raise, wait, or say what they may not.

Where time matters, the tests run in a loop with a clock that jumps.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field, fields, frozen

from conversations_async.webhooks.answers import Accept, Modify, ModifyConversation, Reject, allowed
from conversations_async.webhooks.events import (
    EVENTS,
    Event,
    MessageAdd,
    MessageAdded,
    MessageUpdate,
    PreActionEvent,
    UnknownEvent,
)
from conversations_async.webhooks.handling import Handlers
from conversations_async.webhooks.registration import Filter, register

from .conftest import CONVERSATION, MESSAGE
from .test_deadlines import jumping, moment, now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conversations_async.webhooks.answers import Answer

ADD = MessageAdd(conversation_sid=CONVERSATION, body="one", author="alice")
ADDED = MessageAdded(conversation_sid=CONVERSATION, message_sid=MESSAGE)

#: All that the events take, at any value of the fields that they cannot do without.
SIDS = {"conversation_sid": CONVERSATION, "message_sid": MESSAGE, "participant_sid": "MB1", "user_sid": "US1"}


@define(eq=False)
class Place:
    """Handlers, and what they report."""

    fallback: Accept | Reject = Accept()  # noqa: RUF009  # a value
    errors: list[tuple[Exception, Event]] = field(factory=list)
    handlers: Handlers = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.handlers = Handlers(self.fallback, self.report)

    def report(self, error: Exception, event: Event) -> None:
        """Keep what is reported."""
        self.errors.append((error, event))

    def on(self, kind: type[Event] = MessageAdd, when: Any = None) -> Callable[[Any], Any]:
        """Register a handler."""

        def decorate(function: Any) -> Any:
            self.handlers.handlers.append(
                register(function, kind, Filter(author=None, participant=None, when=when))
            )
            return function

        return decorate

    def says(self, answer: object, kind: type[Event] = MessageAdd) -> list[Event]:
        """Register a handler that gives an answer, or raises it; give what it will have seen."""
        seen: list[Event] = []

        @self.on(kind)
        async def says(event: Any) -> Any:
            seen.append(event)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return seen

    def calls(self, work: Callable[[], Awaitable[object]], kind: type[Event] = MessageAdd) -> None:
        """Register a handler that does something, and gives what that gives."""

        @self.on(kind)
        async def calls(event: Any) -> Any:
            return await work()

    async def ask(self, event: Any = ADD, within: float = 4.0) -> Answer:
        """Ask the handlers."""
        return await self.handlers.ask(event, None, within=within)

    async def handle(self, event: Any = ADDED, within: float | None = 60.0) -> None:
        """Let the handlers deal with an event."""
        await self.handlers.handle(event, None, within=within)

    def one_error(self, kind: type[Exception], text: str, note: str) -> Exception:
        """Give the one error that was reported."""
        ((error, _),) = self.errors
        assert type(error) is kind
        assert str(error) == text
        assert error.__notes__ == [note]
        return error


SAYS = "in says, a handler of onMessageAdd"


@pytest.fixture
def place() -> Place:
    """Give handlers whose fallback is to accept."""
    return Place()


@pytest.fixture(params=[Accept(), Reject(451)], ids=["accept", "reject"])
def either(request: pytest.FixtureRequest) -> Place:
    """Give handlers with one of the fallbacks."""
    return Place(request.param)


def event_of(kind: type[Event]) -> Event:
    """Make an event of a class."""
    names = [one.name for one in fields(kind)]
    more = {"delivery_receipt_sid": "DY1", "event_type": "onTomorrow" if kind is UnknownEvent else None}
    given: Any = {name: sid for name, sid in (SIDS | more).items() if name in names and sid}
    return kind(**given)


# ---------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("kind", [*EVENTS.values(), UnknownEvent], ids=lambda kind: kind.__name__)
async def test_what_an_event_allows(kind: type[Event]) -> None:
    """What an event does not take is reported, and counts as a failure; what it takes is the answer."""
    event, is_asked = event_of(kind), issubclass(kind, PreActionEvent)
    for answer in Accept(), Reject(404), Modify(body="b"), ModifyConversation(friendly_name="f"), "yes", True:
        place = Place(Reject(451))
        place.says(answer, kind)
        said = await (place.ask if is_asked else place.handle)(event)
        if isinstance(answer, allowed(kind)):
            assert (said, place.errors) == (answer, [])
        elif is_asked or isinstance(answer, Accept | Reject | Modify | ModifyConversation):
            text = f"{event.event_type} does not take the answer {type(answer).__name__}"
            place.one_error(TypeError, text, SAYS.replace("onMessageAdd", event.event_type))
            assert said == (Reject(451) if is_asked else None)
        else:
            assert place.errors == []  # of what has happened, nobody minds it


async def test_to_say_nothing_is_to_accept(place: Place) -> None:
    """None lets it happen, whoever says so, and so does an event without handlers."""
    assert await Place(Reject()).ask() == Accept()
    for _ in range(2):
        place.says(None)
    assert await place.ask() == Accept()
    assert place.errors == []


async def test_changes_are_seen_and_merged(place: Place) -> None:
    """Each handler sees what those before it replaced, and the answer is all that they did."""
    first = place.says(Modify(body="two", attributes={"a": 1}))
    second = place.says(None)
    third = place.says(Modify(body="three", author="bob"))
    fourth = place.says(Accept())
    assert await place.ask() == Modify(body="three", author="bob", attributes='{"a": 1}')
    assert first == [ADD]
    assert [(seen.body, seen.author) for seen in (second[0], fourth[0]) if isinstance(seen, MessageAdd)] == [
        ("two", "alice"),
        ("three", "bob"),
    ]
    assert second == third
    assert ADD.body == "one"


async def test_the_first_refusal_ends_it(place: Place) -> None:
    """After a refusal nobody is asked, and what was replaced before does not matter."""
    place.says(Modify(body="two"))
    place.says(Reject(404))
    last = place.says(Reject(500))
    assert await place.ask() == Reject(404)
    assert last == []


async def test_only_those_that_it_is_for(place: Place) -> None:
    """A handler of another event, or whose condition is not met by what it would see, is not called."""
    others = place.says(Reject(), MessageUpdate)
    place.on(when=lambda event: event.body == "two")(_refuse)
    assert await place.ask() == Accept()
    place.says(Modify(body="two"))
    place.on(when=lambda event: event.body == "two")(_refuse)
    assert await place.ask() == Reject()
    assert others == []


async def _refuse(event: Any) -> Any:
    return Reject()


# ------------------------------------------------------------------------------------------------ what raises


async def test_a_handler_that_raises_answers_with_the_fallback(either: Place) -> None:
    """An error is reported with its event; to accept keeps what was replaced and asks the others."""
    place = either
    place.says(Modify(body="two"))
    place.says(error := ValueError("no"))
    last = place.says(Modify(author="bob"))
    said = await place.ask()
    assert place.one_error(ValueError, "no", SAYS) is error
    assert error.__traceback__
    (seen,) = [event for _, event in place.errors]
    assert isinstance(seen, MessageAdd)
    assert seen.body == "two"
    if place.fallback == Accept():
        assert said == Modify(body="two", author="bob")
        assert len(last) == 1
    else:
        assert (said, last) == (Reject(451), [])


async def test_a_condition_that_raises_is_a_handler_that_raises(either: Place) -> None:
    """An error in a condition is reported, and answered with the fallback."""
    either.on(when=lambda _: 1 / 0)(_refuse)
    last = either.says(None)
    assert await either.ask() == either.fallback
    either.one_error(ZeroDivisionError, "division by zero", "in _refuse, a handler of onMessageAdd")
    assert len(last) == (either.fallback == Accept())


async def test_what_has_happened_is_told_to_all() -> None:
    """Of what has happened, everybody is told, whatever others or their conditions raise."""
    place = Place(Reject())
    place.says(ValueError("no"), MessageAdded)
    place.on(MessageAdded, when=lambda _: 1 / 0)(_refuse)
    seen = place.says(None, MessageAdded)
    await place.handle()
    assert [type(error) for error, _ in place.errors] == [ValueError, ZeroDivisionError]
    assert seen == [ADDED]


@frozen
class Unkind(Exception):  # noqa: N818  # it is what it is called
    """Takes no notes."""

    def add_note(self, _: str) -> None:
        """Refuse one."""
        raise RuntimeError


async def test_an_error_that_takes_no_note(place: Place) -> None:
    """What cannot be told where it was raised is reported all the same."""
    place.says(error := Unkind())
    assert await place.ask() == Accept()
    assert place.errors == [(error, ADD)]


async def _cancelled() -> object:
    """Wait for what is cancelled by others."""
    waiting = asyncio.get_running_loop().create_future()
    waiting.cancel()
    return await waiting


async def test_what_a_handler_waits_for_is_cancelled(either: Place) -> None:
    """That is an error of the handler as any other, and ends nothing but it."""
    either.calls(_cancelled)
    last = either.says(None)
    assert await either.ask() == either.fallback
    note = "in calls, a handler of onMessageAdd"
    error = either.one_error(RuntimeError, "what it waited for was cancelled", note)
    assert isinstance(error.__cause__, asyncio.CancelledError)
    assert len(last) == (either.fallback == Accept())


async def test_what_has_happened_when_what_is_waited_for_is_cancelled(place: Place) -> None:
    """In the background, too, the next handler is called."""
    place.calls(_cancelled, MessageAdded)
    seen = place.says(None, MessageAdded)
    await place.handle()
    assert seen == [ADDED]
    assert [type(error) for error, _ in place.errors] == [RuntimeError]


class Fatal(BaseException):
    """What no handler should raise, such as SystemExit, but does not end the loop."""


async def test_what_no_handler_should_raise_is_raised() -> None:
    """What is no Exception goes on to whoever asks, and is no answer."""
    place = Place(Reject())
    place.says(Fatal())
    with pytest.raises(Fatal):
        await place.ask()
    assert place.errors == []


# --------------------------------------------------------------------------------------------------- slowness


async def forever() -> None:
    """Wait."""
    await asyncio.Event().wait()


async def stubborn() -> None:
    """Wait, whoever says that it is over."""
    for _ in range(2):
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            continue


@pytest.mark.parametrize("work", [forever, stubborn])
@jumping
async def test_the_answer_is_given_in_time(work: Any) -> None:
    """Whatever a handler does about it, the time of all together ends with the fallback."""
    for fallback, said in (Accept(), Modify(body="two")), (Reject(451), Reject(451)):
        place = Place(fallback)
        place.says(Modify(body="two"))
        place.calls(lambda: asyncio.sleep(3))
        place.calls(work)
        last = place.says(Reject(500))
        began = now()
        assert await place.ask(within=4) == said
        assert now() == moment(began + 4)
        note = "in calls, a handler of onMessageAdd"
        place.one_error(
            TimeoutError, "there was no answer in time (answer_within): the fallback counts", note
        )
        await asyncio.sleep(100)
        assert last == []  # not even when the stubborn one has ended
        assert len(asyncio.all_tasks()) == 1
        assert len(place.errors) == 1


@pytest.mark.parametrize("within", [0, -1])
async def test_no_time_is_left(within: float) -> None:
    """Where no time is left, a handler that need not wait is asked all the same."""
    place = Place(Reject())
    place.says(Modify(body="two"))
    assert await place.ask(within=within) == Modify(body="two")


@jumping
async def test_what_is_raised_too_late_is_reported() -> None:
    """What a handler raises after the answer was given is reported as well, and changes nothing."""
    place = Place()

    async def late() -> None:
        try:
            await forever()
        finally:
            raise ValueError("late")

    place.calls(late)
    assert await place.ask() == Accept()
    await asyncio.sleep(1)
    assert [type(error) for error, _ in place.errors] == [TimeoutError, ValueError]


@jumping
async def test_who_is_no_longer_asked_for_is_cancelled() -> None:
    """Where the request is cancelled, so are its handlers, and nothing is reported."""
    place = Place()
    place.calls(forever)
    asked = asyncio.create_task(place.ask())
    await asyncio.sleep(1)
    asked.cancel()
    await asyncio.wait([asked])
    await asyncio.sleep(0)
    assert asked.cancelled()
    assert len(asyncio.all_tasks()) == 1
    assert place.errors == []


@jumping
async def test_a_handler_may_take_only_so_long() -> None:
    """A slow handler of what has happened is cancelled and reported, by its own time; others are told."""
    place = Place()
    place.calls(lambda: asyncio.sleep(59), MessageAdded)
    place.calls(forever, MessageAdded)
    place.calls(lambda: asyncio.sleep(59), MessageAdded)
    seen = place.says(None, MessageAdded)
    await place.handle()
    assert now() == moment(59 + 60 + 59)
    assert seen == [ADDED]
    note = "in calls, a handler of onMessageAdded"
    error = place.one_error(TimeoutError, "it took longer than 60 s", note)
    assert isinstance(error.__cause__, TimeoutError)  # which has the place where it waited


@jumping
async def test_a_handler_that_goes_on_after_its_time() -> None:
    """Who takes no notice of the time-out is reported, too, in the end."""
    place = Place()
    place.calls(stubborn, MessageAdded)
    await place.handle(within=1)
    assert now() == moment(11)
    note = "in calls, a handler of onMessageAdded"
    place.one_error(TimeoutError, "it took longer than 1 s", note)


@jumping
async def test_a_time_out_of_its_own_is_an_error_as_any_other() -> None:
    """What a handler raises by itself is what is reported."""
    place = Place()
    place.says(error := TimeoutError("mine"), MessageAdded)
    await place.handle()
    assert place.errors == [(error, ADDED)]


@jumping
async def test_no_bound() -> None:
    """Without a bound, a handler may take as long as it likes."""
    place = Place()
    place.calls(lambda: asyncio.sleep(1e6), MessageAdded)
    await place.handle(within=None)
    assert now() == moment(1e6)
    assert place.errors == []


@pytest.mark.parametrize("work", [forever, stubborn])
@jumping
async def test_the_background_is_cancelled(work: Any) -> None:
    """Who cancels the background is heard, even where a handler keeps it to itself; nobody else is called."""
    place = Place()
    place.calls(work, MessageAdded)
    seen = place.says(None, MessageAdded)
    task = asyncio.create_task(place.handle())
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert seen == []


@jumping
async def test_the_end_of_what_is_asked() -> None:
    """At the end, who is asked may answer for some seconds, and then is cancelled: the fallback answers."""
    place = Place(Reject(451))
    await place.handlers.drain(within=5)
    assert now() == 0
    place.calls(lambda: asyncio.sleep(2))
    asked = asyncio.create_task(place.ask())
    await asyncio.sleep(1)
    await place.handlers.drain(within=5)
    assert now() == moment(2)
    assert await asked == Accept()
    place.calls(forever)
    asked = asyncio.create_task(place.ask())
    await asyncio.sleep(1)
    await place.handlers.drain(within=0.5)
    assert await asked == Reject(451)
    assert now() == moment(3.5)
    assert len(asyncio.all_tasks()) == 1
    assert not place.handlers._asked  # what has ended is not kept


# -------------------------------------------------------------------------------------------------- reporting


@pytest.mark.parametrize("is_told", [True, False])
async def test_the_log(caplog: pytest.LogCaptureFixture, *, is_told: bool) -> None:
    """Nobody told: one error line with the traceback and the handler's name. Else, nothing."""
    place = Place()
    if not is_told:
        place.handlers = Handlers(Accept(), None)
    place.says(ValueError("no"))
    await place.ask()
    if is_told:
        assert caplog.records == []
        return
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("conversations_async.webhooks", logging.ERROR)
    assert record.getMessage() == f"webhook onMessageAdd {CONVERSATION} failed"
    assert "raise answer\nValueError: no\nin says" in caplog.text


async def test_a_report_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """What ``on_error`` raises is in the log, and so is what it was told; all goes on."""

    def fail(error: Exception, event: Event) -> None:
        raise KeyError("report")

    place = Place()
    place.handlers = Handlers(Accept(), fail)
    place.says(ValueError("no"))
    seen = place.says(None)
    assert await place.ask() == Accept()
    assert [record.getMessage() for record in caplog.records] == [
        "on_error failed",
        f"webhook onMessageAdd {CONVERSATION} failed",
    ]
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [KeyError, ValueError]
    assert len(seen) == 1


# ------------------------------------------------------------------------------------------------- middleware


async def test_middleware_stands_around_each_handler(place: Place) -> None:
    """The first one is the outermost, and all are called for each handler that the event is for."""
    steps: list[str] = []

    def steps_of(name: str) -> Any:
        async def middleware(event: Event, call_next: Any) -> Any:
            steps.append(f"{name} in")
            answer = await call_next(event)
            steps.append(f"{name} out")
            return answer

        return middleware

    place.handlers.middleware.extend(map(steps_of, "ab"))
    place.calls(lambda: asyncio.sleep(0, steps.append("it")))  # type: ignore[func-returns-value]  # None
    place.on(when=lambda _: False)(_refuse)
    place.says(Reject(404))
    assert await place.ask() == Reject(404)
    once = ["a in", "b in", "it", "b out", "a out"]
    assert steps == [*once, *(step for step in once if step != "it")]


async def test_middleware_changes_what_goes_in_and_out(place: Place) -> None:
    """It may pass on another event and give another answer, which the next handler sees replaced."""

    async def middleware(event: Any, call_next: Any) -> Any:
        answer = await call_next(MessageAdd(conversation_sid=CONVERSATION, body=event.body + "!"))
        return answer or Modify(body=event.body + "?")

    place.handlers.middleware.append(middleware)
    bodies = [place.says(None), place.says(Modify(author="bob")), place.says(None)]
    assert await place.ask() == Modify(body="one??", author="bob")
    assert [getattr(seen[0], "body", None) for seen in bodies] == ["one!", "one?!", "one?!"]


async def test_middleware_need_not_call_the_handler(place: Place) -> None:
    """Its answer counts, and is checked, as a handler's."""

    async def middleware(event: Event, call_next: Any) -> Any:
        return ModifyConversation(friendly_name="f")

    place.handlers.middleware.append(middleware)
    seen = place.says(None)
    assert await place.ask() == Accept()
    place.one_error(TypeError, "onMessageAdd does not take the answer ModifyConversation", SAYS)
    assert seen == []


async def test_middleware_sees_what_is_raised(place: Place) -> None:
    """It may answer an error; what it raises itself is reported as the handler's."""

    async def middleware(event: Event, call_next: Any) -> Any:
        try:
            return await call_next(event)
        except ValueError:
            return Reject(422)
        except KeyError:
            raise RuntimeError("middleware") from None

    place.handlers.middleware.append(middleware)
    place.says(KeyError("a"))
    place.says(ValueError("no"))
    assert await place.ask() == Reject(422)
    place.one_error(RuntimeError, "middleware", SAYS)


# --------------------------------------------------------------------------------------------------- dispatch


async def test_dispatch_isolates_nothing() -> None:
    """What a handler or its condition raises is raised as it is, and what it may not answer, too."""
    place = Place(Reject())
    place.says(Modify(body="two"))
    assert await place.handlers.dispatch(ADD, None) == Modify(body="two")
    assert await place.handlers.dispatch(ADDED, None) == Accept()
    place.says(error := ValueError("no"))
    with pytest.raises(ValueError, match="no") as caught:
        await place.handlers.dispatch(ADD, None)
    assert caught.value is error
    assert not hasattr(error, "__notes__")
    place.says(Accept(), MessageAdded)
    with pytest.raises(TypeError, match="onMessageAdded does not take the answer Accept"):
        await place.handlers.dispatch(ADDED, None)
    assert place.errors == []

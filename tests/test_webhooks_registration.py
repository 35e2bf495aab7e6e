"""Which handlers are for an event, and what is said of those that do not fit."""

from __future__ import annotations

import asyncio
import re
from functools import partial, wraps
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar, runtime_checkable

import pytest

from conversations_async import ConversationsClient
from conversations_async.webhooks.answers import Accept, Modify, ModifyConversation, Reject, Verdict
from conversations_async.webhooks.events import (
    EVENTS,
    ConversationAdd,
    ConversationAdded,
    DeliveryUpdated,
    Event,
    MessageAdd,
    MessageAdded,
    MessageUpdated,
    ParticipantAdd,
    ParticipantAdded,
    PostActionEvent,
    PreActionEvent,
    UnknownEvent,
)
from conversations_async.webhooks.registration import Filter, Handler, names, register

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION, MESSAGE

if TYPE_CHECKING:
    from collections import OrderedDict as OnlyForCheckers
    from collections.abc import Awaitable, Callable

PARTICIPANT = "MB" + "b" * 32
ADDED = MessageAdded(
    conversation_sid=CONVERSATION, message_sid=MESSAGE, author="alice", participant_sid=PARTICIPANT
)
UPDATED = MessageUpdated(conversation_sid=CONVERSATION, message_sid=MESSAGE)
CLIENT = ConversationsClient(ACCOUNT_SID, AUTH_TOKEN)

A = TypeVar("A")


class HasAuthor(Protocol):
    """What some handlers are content with."""

    author: str | None


@runtime_checkable
class Sends(Protocol):
    """Likewise, of a client; no client has it."""

    def send(self) -> None:
        """Send."""


def registered(function: Any, event: Any = None, **conditions: Any) -> Handler:
    """Register a handler with any filter."""
    usual = {"author": None, "participant": None, "when": None}
    return register(function, event, Filter(**usual | conditions))


async def plain(event: MessageAdded) -> str:
    """Answer for tests: what it was given."""
    return f"plain {event.event_type}"


async def with_client(event: MessageAdded, client: ConversationsClient) -> str:
    """Answer likewise."""
    return f"{client is CLIENT} {event.event_type}"


class Bot:
    """Has handlers of several kinds."""

    async def method(self, event: MessageAdded) -> str:
        """Answer likewise."""
        return f"method {event.event_type}"

    @classmethod
    async def of_class(cls, event: MessageAdded) -> str:
        """Answer likewise."""
        return f"class {event.event_type}"

    @staticmethod
    async def static(event: MessageAdded) -> str:
        """Answer likewise."""
        return f"static {event.event_type}"

    async def __call__(self, event: MessageAdded, client: ConversationsClient) -> str:
        """Answer likewise."""
        return f"object {client is CLIENT} {event.event_type}"


def passed_on(function: Callable[..., Awaitable[A]]) -> Callable[..., Awaitable[A]]:
    """Decorate with a function that is no coroutine function itself."""

    @wraps(function)
    def wrapper(*args: Any) -> Awaitable[A]:
        return function(*args)

    return wrapper


def awaitable(function: Callable[..., A]) -> Callable[..., Awaitable[A]]:
    """Make a coroutine function of one that is none."""

    @wraps(function)
    async def wrapper(*args: Any) -> A:
        return function(*args)

    return wrapper


@awaitable
def at_once(event: MessageAdded) -> str:
    """Answer likewise, and do not wait."""
    return f"at once {event.event_type}"


async def with_more(prefix: str, event: MessageAdded, client: ConversationsClient, *, suffix: str) -> str:
    """Answer likewise, with what a partial knows."""
    return f"{prefix} {client is CLIENT} {event.event_type} {suffix}"


async def with_default(event: MessageAdded, prefix: str = "default", *, suffix: str = "") -> str:
    """Answer likewise, with what need not be given."""
    return f"{prefix} {event.event_type}{suffix}"


@pytest.mark.parametrize(
    ("function", "said", "name"),
    [
        (plain, "plain", "plain"),
        (with_client, "True", "with_client"),
        (Bot().method, "method", "Bot.method"),
        (Bot.of_class, "class", "Bot.of_class"),
        (Bot.static, "static", "Bot.static"),
        (Bot(), "object True", "Bot"),
        (partial(Bot()), "object True", "Bot"),
        (partial(plain), "plain", "plain"),
        (partial(partial(with_more, "partial"), suffix=""), "partial True", "with_more"),
        (passed_on(plain), "plain", "plain"),
        (passed_on(passed_on(with_client)), "True", "with_client"),
        (partial(passed_on(Bot().method)), "method", "Bot.method"),
        (at_once, "at once", "at_once"),
        (passed_on(at_once), "at once", "at_once"),
        (with_default, "default", "with_default"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_may_be_a_handler(function: Any, said: str, name: str) -> None:
    """Whatever is called as a coroutine function is one, and its annotations are found within."""
    for event in MessageAdded, None:
        handler = registered(function, event)
        assert handler.events == (MessageAdded,)
        assert handler.name == name
        assert (await handler(ADDED, CLIENT)).strip() == f"{said} onMessageAdded"


async def test_a_handler_without_the_client_that_it_takes() -> None:
    """Where there is no client, only a handler that takes one raises, and says what to do."""
    assert await registered(plain)(ADDED, None) == "plain onMessageAdded"
    with pytest.raises(RuntimeError, match="with_client takes a client, and the router makes it when it is"):
        await registered(with_client)(ADDED, None)


# ----------------------------------------------------------------------------------------------- which events


async def of_union(event: MessageAdded | MessageUpdated) -> None:
    """Take either."""


async def of_event(event: Event) -> None:
    """Take all."""


async def of_past(event: PostActionEvent) -> None:
    """Take all that has happened."""


async def of_future(event: PreActionEvent) -> Verdict:
    """Take all that is about to happen."""


async def of_annotated(event: Annotated[UnknownEvent, "metadata"]) -> None:
    """Take what nobody knows."""


@pytest.mark.parametrize(
    ("function", "events"),
    [
        (of_union, [MessageAdded, MessageUpdated]),
        (of_event, [*EVENTS.values(), UnknownEvent]),
        (of_past, [event for event in EVENTS.values() if issubclass(event, PostActionEvent)]),
        (of_future, [event for event in EVENTS.values() if issubclass(event, PreActionEvent)]),
        (of_annotated, [UnknownEvent]),
    ],
)
def test_events_by_annotation(function: Any, events: list[type[Event]]) -> None:
    """Without an event, a handler is for those that its first parameter is annotated with."""
    handler = registered(function)
    everything = [*EVENTS.values(), UnknownEvent]
    assert [event for event in everything if issubclass(event, handler.events)] == [
        event for event in everything if event in events
    ]


async def of_any(event: Any) -> Any:
    """Take and give anything."""


async def of_unknown(event: OnlyForCheckers[str, str]) -> OnlyForCheckers[str, str]:
    """Take what is imported for type checkers only."""
    return event


async def of_protocol(event: HasAuthor, client: Sends) -> None:
    """Take whatever has what it needs."""


async def of_variable(event: A, client: A) -> A:
    """Take what a variable stands for."""
    return event


async def of_nothing(event, client) -> Any:  # type: ignore[no-untyped-def]  # noqa: ANN001  # the point
    """Take what nobody says."""


@pytest.mark.parametrize("function", [of_any, of_unknown, of_protocol, of_variable, of_nothing])
def test_annotations_that_say_nothing(function: Any) -> None:
    """What an annotation leaves open fits any event that is named; without one it is not said which."""
    assert registered(function, MessageAdded).events == (MessageAdded,)
    with pytest.raises(TypeError, match=f"^{function.__name__} does not say which events it is for"):
        registered(function)


async def of_a_default(
    event: MessageAdded, client: ConversationsClient | None = None, limit: int = 5
) -> None:
    """Take the client, if there is one."""


def test_a_client_with_a_default() -> None:
    """A parameter that may be left out gets the client, if it is one."""
    assert registered(of_a_default, MessageAdded).takes_client


@pytest.mark.parametrize("text", ["1 / 0", "{}['a']", "]", "Missing", "re.missing", "type[1]", "5"])
def test_annotations_that_cannot_be_read(text: str) -> None:
    """An annotation may be any text: one that is none of types is as if it were not there."""

    async def handler(event, client):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  # below
        pass

    handler.__annotations__ |= dict.fromkeys(("event", "client", "return"), text)
    assert registered(handler, MessageAdded).takes_client
    with pytest.raises(TypeError, match="does not say which events it is for"):
        registered(handler)


# ------------------------------------------------------------------------------------------ what does not fit


def no_coroutine(event: MessageAdded) -> None:
    """Do not wait."""


async def generator(event: MessageAdded) -> Any:
    """Give several answers."""
    yield None


async def nothing() -> None:
    """Take nothing."""


async def too_much(event: MessageAdded, client: ConversationsClient, third: int) -> None:
    """Take more than there is."""


async def by_name(event: MessageAdded, *, needed: int) -> None:
    """Take what nobody gives."""


async def several(*events: MessageAdded) -> None:
    """Take any number."""


async def of_text(event: str) -> None:
    """Take no event."""


async def of_optional(event: MessageAdded | None) -> None:
    """Take an event, or none."""


async def other_client(event: MessageAdded, client: str | int) -> None:
    """Take another client."""


wrapped: Any = passed_on
TAKES = "{0} must take the event and, if it wants it, the client: async def {0}(event, client)"
WHICH = (
    "{0} does not say which events it is for: annotate the first parameter with their class, and import that"
    " at run time, too; or name it, as in @router.on(MessageAdded)"
)
MISFITS: list[tuple[Any, Any, str]] = [
    (no_coroutine, None, "{0} must be a coroutine function: async def"),
    (wrapped(no_coroutine), None, "no_coroutine must be a coroutine function: async def"),
    (generator, None, "{0} must be a coroutine function: async def"),
    (5, MessageAdded, "int must be a coroutine function: async def"),
    (MessageAdded, None, "MessageAdded must be a coroutine function: async def"),
    (nothing, None, TAKES),
    (too_much, None, TAKES),
    (by_name, None, TAKES),
    (several, None, TAKES),
    (partial(plain, ADDED), None, TAKES.format("plain")),
    (of_text, None, WHICH),
    (of_optional, None, WHICH),
    (of_text, MessageAdded, "{0} takes a str, and is registered for MessageAdded"),
    (plain, MessageUpdated, "{0} takes a MessageAdded, and is registered for MessageUpdated"),
    (plain, PostActionEvent, "{0} takes a MessageAdded, and is registered for PostActionEvent"),
    (
        of_union,
        ParticipantAdded,
        "{0} takes a MessageAdded | MessageUpdated, and is registered for ParticipantAdded",
    ),
    (other_client, None, "{0} takes the event and a ConversationsClient, not a str | int"),
]


@pytest.mark.parametrize(("function", "event", "message"), MISFITS)
def test_what_does_not_fit(function: Any, event: Any, message: str) -> None:
    """A handler that cannot be called as it would be is refused at once; the message says why."""
    with pytest.raises(TypeError) as caught:
        registered(function, event)
    assert str(caught.value) == message.format(getattr(function, "__name__", ""))


def answers(kind: Any, event: Any = Any) -> Any:
    """Make a handler with an annotated answer."""

    async def handler(event: Any) -> None:
        pass

    handler.__annotations__ = {"event": event, "return": kind}
    return handler


CHANGES = {"Message": Modify, "Conversation": ModifyConversation}


@pytest.mark.parametrize("event", [*EVENTS.values(), UnknownEvent], ids=lambda event: event.__name__)
def test_what_an_event_allows(event: type[Event]) -> None:
    """By its annotation, a handler answers only what its event takes; nothing is always allowed."""
    name = event.__name__
    takes: list[Any] = []
    if issubclass(event, PreActionEvent):
        takes += [Accept, Reject]
        takes += [change for what, change in CHANGES.items() if name in (f"{what}Add", f"{what}Update")]
    for kind in None, Accept, Reject, Modify, ModifyConversation:
        function = answers(None if kind is None else kind | None)
        if kind is None or kind in takes:
            assert registered(function, event).events == (event,)
            continue
        with pytest.raises(TypeError) as caught:
            registered(function, event)
        assert str(caught.value) == f"handler answers {kind.__name__}, which {name} does not take"


def test_the_answer_of_several_events() -> None:
    """An answer must be one that each of a handler's events takes."""
    registered(answers(Modify, MessageAdd))
    with pytest.raises(TypeError, match="handler answers Modify, which ConversationAdd does not take"):
        registered(answers(Accept | Modify, MessageAdd | ConversationAdd))
    with pytest.raises(TypeError, match="handler answers Reject, which Event does not take"):
        registered(answers(Reject, Event))


# ------------------------------------------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("conditions", "passes"),
    [
        ({}, [True, True]),
        ({"author": {"alice"}}, [True, False]),
        ({"author": {"bob"}}, [False, False]),
        ({"author": {"bob", "alice"}}, [True, False]),
        ({"participant": {PARTICIPANT}}, [True, False]),
        ({"participant": {"MB0"}, "author": {"alice"}}, [False, False]),
        ({"when": lambda event: event.author}, [True, False]),
        ({"when": lambda event: event.author is None}, [False, True]),
        ({"when": lambda _: True, "author": {"bob"}}, [False, False]),
    ],
    ids=repr,
)
def test_conditions(conditions: dict[str, Any], passes: list[bool]) -> None:
    """A handler gets what meets all of its conditions, and no event that it is not for."""
    handler = registered(of_union, **conditions)
    assert [handler.is_for(event) for event in (ADDED, UPDATED)] == passes
    assert not handler.is_for(
        DeliveryUpdated(conversation_sid="CH1", message_sid="IM1", delivery_receipt_sid="DY1")
    )


def test_a_condition_is_not_asked_about_other_events() -> None:
    """The function of a condition sees only events that pass all others."""

    def fail(event: Event) -> bool:
        raise AssertionError(event.event_type)

    handler = registered(of_union, author={"bob"}, when=fail)
    assert not handler.is_for(ADDED)
    assert not handler.is_for(UnknownEvent(event_type="onTomorrow"))


@pytest.mark.parametrize(
    ("argument", "event"),
    [
        *(("author", event) for event in (ParticipantAdded, ConversationAdded, PostActionEvent)),
        *(("participant", event) for event in (ParticipantAdd, ConversationAdd, Event, PreActionEvent)),
    ],
)
def test_a_condition_on_what_there_is_not(argument: str, event: type[Event]) -> None:
    """No handler can be filtered by what its events, or some of them, have not got."""
    message = f"of_any cannot be filtered by {argument}: {event.__name__} has none"
    with pytest.raises(TypeError, match=message):
        registered(of_any, event, **{argument: {"a"}})


def test_a_condition_on_what_only_some_have() -> None:
    """Of a union, the first event without it is named."""

    async def handler(event: MessageAdded | ParticipantAdded) -> None:
        pass

    handler.__annotations__["event"] = MessageAdded | ParticipantAdded
    with pytest.raises(TypeError, match="handler cannot be filtered by author: ParticipantAdded has none"):
        registered(handler, author={"a"})
    registered(handler, participant={"a"})


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (None, None),
        ("alice", {"alice"}),
        (["alice", "bob"], {"alice", "bob"}),
        ({"alice"}, {"alice"}),
        (("a", "a"), {"a"}),
    ],
)
def test_names(value: Any, read: Any) -> None:
    """A condition is one text, or any collection of them; a text is never taken for its letters."""
    assert names("author", value) == read


@pytest.mark.parametrize("value", ["", ["MB1", ""], ["alice"], ["MB1", "alice"]])
def test_names_that_nobody_has(value: Any) -> None:
    """A name that is empty, or a SID that is none, would let nothing pass, and is refused."""
    with pytest.raises(ValueError, match=re.escape("each participant must be a SID (MB…): nobody else's")):
        names("participant", value, begins="MB")
    if "" in value:
        with pytest.raises(ValueError, match="each author must be not empty: "):
            names("author", value)


def test_a_condition_that_is_awaited() -> None:
    """A condition that only promises to say something would always pass, and is an error instead."""
    said: asyncio.Future[bool] = asyncio.Future(loop=asyncio.new_event_loop())
    said.get_loop().close()
    wanted = Filter(author=None, participant=None, when=lambda event: said)
    with pytest.raises(TypeError, match="what when gives is to be awaited"):
        wanted.passes(MessageAdd(conversation_sid="CH1"))


@pytest.mark.parametrize("value", [5, b"alice", [], (), ["alice", 5], [None], iter(["alice"]), {}], ids=repr)
def test_what_is_no_name(value: Any) -> None:
    """Anything else is refused, as is none at all; the message names the argument, and shows no value."""
    with pytest.raises(ValueError, match=re.escape("author must be a string or a list of at least one")):
        names("author", value)

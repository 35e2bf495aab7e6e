"""Events: what a request tells arrives in fields, or is an error that names the parameter."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from traceback import TracebackException
from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from multidict import MultiDict, MultiDictProxy
from starlette.datastructures import FormData

from conversations_async import DecodeError, Media, Message
from conversations_async.converter import OpenEnum, _argument, encode_model
from conversations_async.emulator.events import EVENTS as EMULATED
from conversations_async.resources.conversations import ConversationState
from conversations_async.resources.participants import BindingType
from conversations_async.resources.receipts import DeliveryStatus
from conversations_async.webhooks.events import (
    EVENTS,
    ConversationAdd,
    ConversationAdded,
    ConversationRemoved,
    ConversationStateUpdated,
    ConversationUpdated,
    DeliveryUpdated,
    Event,
    EventSource,
    MessageAdd,
    MessageAdded,
    MessageRemoved,
    MessageUpdated,
    ParticipantAdded,
    ParticipantRemoved,
    ParticipantUpdated,
    PostActionEvent,
    PreActionEvent,
    StateReason,
    UnknownEvent,
    UserAdded,
    UserUpdated,
)
from conversations_async.webhooks.parsing import parse_event

from .support import COPIES, deterministic, is_one_line

DOCUMENTED = Path(__file__).parents[2] / "shared" / "reference" / "payloads" / "webhook_events.json"
with_documentation = pytest.mark.skipif(
    not DOCUMENTED.is_file(), reason=f"the documented events are not here: there is no file {DOCUMENTED}"
)
every_event = pytest.mark.parametrize("name", EVENTS)

#: What all events have, documented or not.
COMMON = ("AccountSid", "EventType", "Source", "ClientIdentity", "RetryCount")

SECRET = "hunter2 in a parameter"
DATE = "2021-08-10T18:00:58.111Z"
MOMENT = datetime(2021, 8, 10, 18, 0, 58, 111_000, UTC)
MEDIA = '[{"Sid": "ME1", "ContentType": "image/png", "Filename": "parrot.png", "Size": "12"}]'
PARROT = Media(sid="ME1", content_type="image/png", filename="parrot.png", size=12)

#: The text and the value of parameters that are no plain text.
VALUES: dict[str, tuple[str, Any]] = {
    "Index": ("7", 7),
    "LastReadMessageIndex": ("0", 0),
    "ErrorCode": ("30003", 30003),
    "RetryCount": ("2", 2),
    "Media": (MEDIA, (PARROT,)),
    "Source": ("whatsapp", EventSource.WHATSAPP),
    "State": ("Active", ConversationState.ACTIVE),
    "StateFrom": ("active", ConversationState.ACTIVE),
    "StateTo": ("tomorrow's", ConversationState("tomorrow's")),
    "Reason": ("TIMER", StateReason.TIMER),
    "Status": ("delivered", DeliveryStatus.DELIVERED),
    "MessagingBinding.Type": ("SMS", BindingType.SMS),
    "isOnline": ("true", True),
    "isNotifiable": ("False", False),
    **dict.fromkeys(("DateCreated", "DateUpdated", "DateRemoved", "StateUpdated"), (DATE, MOMENT)),
}


def value_of(name: str, wire: str) -> tuple[str, Any]:
    """Give the text and the value of a parameter of an event."""
    text, value = VALUES.get(wire, (f" {wire}\n", f" {wire}\n"))
    several = wire == "MessagingBinding.Address" and name.startswith("onConversation")
    return text, (value,) if several else value


def form_of(name: str) -> dict[str, str]:
    """Make the form of an event, with all that it can have."""
    return {
        wire: name if wire == "EventType" else value_of(name, wire)[0] for wire in (*COMMON, *EMULATED[name])
    }


def sids_of(name: str) -> list[str]:
    """Give the parameters that an event must have, besides its type."""
    needed = {one.name for one in attrs.fields(EVENTS[name]) if one.default is attrs.NOTHING}
    return [wire for wire in EMULATED[name] if _argument(wire) in needed]


def sparse(name: str, **more: str) -> dict[str, str]:
    """Make the form of an event, with what it cannot do without."""
    return {"EventType": name, **dict.fromkeys(sids_of(name), "XX1"), **more}


def refusal(params: Any) -> DecodeError:
    """Parse what is no event, and give the error."""
    with pytest.raises(DecodeError) as caught:
        parse_event(params)
    assert is_one_line(str(caught.value))
    return caught.value


# ---------------------------------------------------------------------------------------------------- classes


@with_documentation
def test_each_documented_parameter_has_a_field() -> None:
    """The classes have the parameters that are documented, or were captured, and no others."""
    known = json.loads(DOCUMENTED.read_text())
    told = {
        name: {wire.removesuffix("?") for wire in wires}
        for name, wires in known["parameters_documented"].items()
    }
    for one in known["captured"]:
        told[one["form"]["EventType"]].update(one["form"])
    assert told.keys() == EVENTS.keys()
    for name, event in EVENTS.items():
        fields = set(attrs.fields_dict(event)) - {"extra"}
        assert fields == {_argument(wire) for wire in told[name].union(COMMON)}


def test_the_emulator_sends_what_there_are_fields_for() -> None:
    """The emulator's events have the same names and parameters as the classes."""
    assert EMULATED.keys() == EVENTS.keys()
    for name, event in EVENTS.items():
        fields = set(attrs.fields_dict(event)) - {"extra"}
        assert fields == {_argument(wire) for wire in (*COMMON, *EMULATED[name])}


@every_event
def test_an_event_is_told_before_or_after(name: str) -> None:
    """The name of an event's class is that of the event, and its base says whether it has happened."""
    event = EVENTS[name]
    assert attrs.fields_dict(event)["event_type"].default == f"on{event.__name__}" == name
    happened = name.endswith("ed")
    assert (issubclass(event, PostActionEvent), issubclass(event, PreActionEvent)) == (happened, not happened)


@every_event
def test_only_sids_are_needed(name: str) -> None:
    """An event can be made of the SIDs by which the thing is reached, as handlers are tested."""
    assert all(wire.endswith("Sid") for wire in sids_of(name))
    sids: dict[str, Any] = {_argument(wire): "XX1" for wire in sids_of(name)}
    made = EVENTS[name](**sids)
    assert made == parse_event(sparse(name))
    unset = {key: value for key, value in attrs.asdict(made).items() if value not in (None, (), {})}
    assert unset == {_argument(wire): value for wire, value in sparse(name).items()}


def test_what_is_needed() -> None:
    """A conversation, message, receipt, participant or user is named unless it is yet to be created."""
    assert {name: sids_of(name) for name in EVENTS} == {
        "onConversationAdd": [],
        "onConversationRemove": ["ConversationSid"],
        "onConversationUpdate": ["ConversationSid"],
        "onConversationAdded": ["ConversationSid"],
        "onConversationRemoved": ["ConversationSid"],
        "onConversationUpdated": ["ConversationSid"],
        "onConversationStateUpdated": ["ConversationSid"],
        "onMessageAdd": ["ConversationSid"],
        "onMessageRemove": ["ConversationSid", "MessageSid"],
        "onMessageUpdate": ["ConversationSid", "MessageSid"],
        "onMessageAdded": ["ConversationSid", "MessageSid"],
        "onMessageRemoved": ["ConversationSid", "MessageSid"],
        "onMessageUpdated": ["ConversationSid", "MessageSid"],
        "onParticipantAdd": ["ConversationSid"],
        "onParticipantRemove": ["ConversationSid", "ParticipantSid"],
        "onParticipantUpdate": ["ConversationSid", "ParticipantSid"],
        "onParticipantAdded": ["ConversationSid", "ParticipantSid"],
        "onParticipantRemoved": ["ConversationSid", "ParticipantSid"],
        "onParticipantUpdated": ["ConversationSid", "ParticipantSid"],
        "onDeliveryUpdated": ["ConversationSid", "MessageSid", "DeliveryReceiptSid"],
        "onUserUpdate": ["UserSid"],
        "onUserAdded": ["UserSid"],
        "onUserUpdated": ["UserSid"],
    }


@every_event
def test_events_are_values(name: str) -> None:
    """Events are slotted and frozen, equal and of equal hash if they tell the same, and can be copied."""
    form = form_of(name) | {"Tomorrow": "x"}
    event = parse_event(form)
    assert event == parse_event(form)
    assert hash(event) == hash(parse_event(form))
    assert event != parse_event(form | {"AccountSid": "AC2"})
    assert all(copied(event) == event for copied in COPIES.values())
    assert repr(event).startswith(f"{EVENTS[name].__name__}(account_sid=")
    assert not hasattr(event, "__dict__")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.account_sid = "AC2"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # the point


# ----------------------------------------------------------------------------------------------------- values


@every_event
def test_every_parameter_arrives(name: str) -> None:
    """An event with all parameters has the value of each in its field, texts with all their whitespace."""
    event = parse_event(form_of(name))
    assert type(event) is EVENTS[name]
    assert event.extra == {}
    assert {wire: getattr(event, _argument(wire)) for wire in EMULATED[name]} == {
        wire: value_of(name, wire)[1] for wire in EMULATED[name]
    }
    assert (event.source, event.retry_count) == (EventSource.WHATSAPP, 2)


@with_documentation
def test_captured_requests() -> None:
    """Requests of the API that were captured become these events."""
    captured = json.loads(DOCUMENTED.read_text())["captured"]
    sid = {kind: kind + "a" * 32 for kind in ("AC", "IS", "MG", "CH", "IM", "MB", "RL", "SM", "DY")}
    conversation: dict[str, Any] = {"account_sid": sid["AC"], "conversation_sid": sid["CH"], "retry_count": 0}
    message: dict[str, Any] = conversation | {"participant_sid": sid["MB"], "body": "Hi", "attributes": "{}"}
    by_sms: dict[str, Any] = {"author": "+15558675310", "source": EventSource.SMS}
    binding: dict[str, Any] = {
        "messaging_binding_proxy_address": "+15017122661",
        "attributes": "{}",
        "source": EventSource.SMS,
        "retry_count": 0,
        "account_sid": sid["AC"],
    }
    assert {one["name"]: parse_event(one["form"]) for one in captured} == {
        "onMessageAdded_sms": MessageAdded(
            **message,
            **by_sms,
            chat_service_sid=sid["IS"],
            messaging_service_sid=sid["MG"],
            message_sid=sid["IM"],
            index=1,
            date_created=MOMENT,
        ),
        "onMessageAdded_sdk": MessageAdded(
            **message,
            source=EventSource.SDK,
            client_identity="alice",
            author="alice",
            message_sid=sid["IM"],
            index=0,
            date_created=MOMENT,
        ),
        "onMessageAdd_sms": MessageAdd(**message, **by_sms),
        "onConversationAdd_sms_autocreate": ConversationAdd(
            **binding,
            chat_service_sid=sid["IS"],
            messaging_service_sid=sid["MG"],
            messaging_binding_address=("+15558675310",),
            message_body="Hi",
            state=ConversationState.ACTIVE,
        ),
        "onParticipantAdded_sms": ParticipantAdded(
            **binding,
            conversation_sid=sid["CH"],
            participant_sid=sid["MB"],
            role_sid=sid["RL"],
            messaging_binding_type=BindingType.SMS,
            messaging_binding_address="+15558675310",
            date_created=MOMENT,
        ),
        "onConversationStateUpdated_timer": ConversationStateUpdated(
            **conversation,
            chat_service_sid=sid["IS"],
            state_from=ConversationState.ACTIVE,
            state_to=ConversationState.CLOSED,
            state_updated=MOMENT,
            reason=StateReason.TIMER,
        ),
        "onDeliveryUpdated_sent": DeliveryUpdated(
            **conversation,
            chat_service_sid=sid["IS"],
            message_sid=sid["IM"],
            channel_message_sid=sid["SM"],
            participant_sid=sid["MB"],
            delivery_receipt_sid=sid["DY"],
            status=DeliveryStatus.SENT,
            date_created=MOMENT,
            date_updated=MOMENT,
        ),
    }


@every_event
def test_what_is_empty(name: str) -> None:
    """An empty text is a text; anything else that is empty counts as left out."""
    needed = sids_of(name)
    empty = {wire: "" for wire in form_of(name) if wire not in (*needed, "EventType")}
    event = parse_event(sparse(name) | empty)
    left_out = parse_event(sparse(name))
    for wire in empty:
        many = isinstance(value_of(name, wire)[1], tuple)
        text = ("",) if many else ""
        expected = getattr(left_out, _argument(wire)) if wire in VALUES else text
        assert getattr(event, _argument(wire)) == expected


def test_addresses_of_a_group() -> None:
    """A conversation that a group MMS asks for has all addresses, in the order in which they came."""
    addresses = ["+15558675311", "+15558675310", "+15558675311"]
    for name in "onConversationAdd", "onConversationAdded":
        event = parse_event({**sparse(name), "MessagingBinding.Address": addresses})
        assert isinstance(event, ConversationAdd | ConversationAdded)
        assert event.messaging_binding_address == tuple(addresses)


@pytest.mark.parametrize(
    ("text", "media"),
    [
        (MEDIA, (PARROT,)),
        ('[{"sid": "ME1", "content_type": "image/png", "filename": "parrot.png", "size": 12}]', (PARROT,)),
        (
            '[{"Sid": "ME1"}, {"Sid": "ME2", "Size": "", "Category": "x"}]',
            (Media(sid="ME1"), Media(sid="ME2")),
        ),
        ("[]", ()),
        ("null", ()),
    ],
)
def test_media(text: str, media: tuple[Media, ...]) -> None:
    """Media is JSON, in which the members may also be written as elsewhere in the API."""
    event = parse_event(sparse("onMessageAdd", Media=text))
    assert isinstance(event, MessageAdd)
    assert event.media == media


def test_parsed_attributes() -> None:
    """Attributes are the text that was sent, and can be had as Python values."""
    event = parse_event(sparse("onMessageAdd", Attributes='{ "step": 2}'))
    assert isinstance(event, MessageAdd)
    assert event.attributes == '{ "step": 2}'
    assert event.parsed_attributes == {"step": 2}


def test_unknown_parameters_are_kept() -> None:
    """A parameter without a field is in ``extra`` as it came, even if its name is that of a field."""
    more: dict[str, Any] = {
        "Tomorrow": " x ",
        "body": "no body",
        "extra": "",
        "Extra": "y",
        "several": ["a", "b", "a"],
    }
    event = parse_event({**sparse("onMessageAdd", Body="Ahoy"), **more})
    assert event == MessageAdd(
        conversation_sid="XX1", body="Ahoy", extra={**more, "several": ("a", "b", "a")}
    )
    written = json.loads(encode_model(event))
    assert (written["Tomorrow"], written["body"]) == (" x ", "Ahoy")


def test_unknown_events_are_kept() -> None:
    """An event that nobody knows has its name, what all events tell, and all else in ``extra``."""
    form = dict.fromkeys(COMMON, "API") | {"RetryCount": "1", "EventType": "onMessagePinned", "Body": ""}
    event = parse_event(form)
    assert event == UnknownEvent(
        event_type="onMessagePinned",
        account_sid="API",
        source=EventSource.API,
        client_identity="API",
        retry_count=1,
        extra={"Body": ""},
    )
    assert not isinstance(event, PreActionEvent | PostActionEvent)


# ----------------------------------------------------------------------------------------------------- params


PAIRS = [
    ("EventType", "onConversationAdd"),
    ("MessagingBinding.Address", "+15558675310"),
    ("MessageBody", "Ahoy"),
    ("MessagingBinding.Address", "+15558675311"),
]


class Listed(dict[str, list[str]]):
    """A multi-dict as Werkzeug and Django have it: an item of it is one value."""

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name)[-1]

    def getlist(self, name: str) -> list[str]:
        """Give all values of a parameter."""
        return super().__getitem__(name)


@pytest.mark.parametrize(
    "params",
    [
        PAIRS,
        iter(PAIRS),
        {**dict(PAIRS), "MessagingBinding.Address": ["+15558675310", "+15558675311"], "Index": []},
        {**dict(PAIRS), "MessagingBinding.Address": ("+15558675310", "+15558675311")},
        MultiDict(PAIRS),
        MultiDictProxy(MultiDict(PAIRS)),
        FormData([*PAIRS]),
        Listed({name: [text for key, text in PAIRS if key == name] for name, _ in PAIRS}),
    ],
    ids=lambda params: type(params).__name__,
)
def test_kinds_of_params(params: Any) -> None:
    """The parameters may be what any framework makes of a form, or pairs; of each, all values count."""
    assert parse_event(params) == ConversationAdd(
        messaging_binding_address=("+15558675310", "+15558675311"), message_body="Ahoy"
    )


@pytest.mark.parametrize(
    "params",
    [
        None,
        5,
        SECRET,
        SECRET.encode(),
        bytearray(),
        [SECRET],
        ["ab"],
        [("EventType", "onMessageAdd", SECRET)],
        {SECRET: 5},
        {SECRET: None},
        {SECRET: b""},
        {SECRET: [SECRET, 5]},
        {5: SECRET},
        [(b"EventType", b"onMessageAdd")],
    ],
    ids=repr,
)
def test_what_is_no_params(params: Any) -> None:
    """Anything else is a mistake of who calls, whose error shows nothing of it."""
    with pytest.raises(TypeError) as caught:
        parse_event(params)
    assert SECRET not in "".join(TracebackException.from_exception(caught.value).format_exception_only())


# ----------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("params", [{}, {"EventType": ""}, {"EventType": []}, {"eventtype": "onMessageAdd"}])
def test_an_event_has_a_type(params: dict[str, Any]) -> None:
    """Without ``EventType`` it is no event."""
    error = refusal(params)
    assert str(error) == "cannot read Event.EventType: missing or empty"


@every_event
def test_sids_must_be_there(name: str) -> None:
    """A SID without which nobody knows what an event is about is neither left out nor empty."""
    for wire in sids_of(name):
        form = sparse(name)
        assert "empty" in refusal(form | {wire: ""}).message
        del form[wire]
        error = refusal(form)
        assert (error.model, error.field, error.message) == (EVENTS[name].__name__, wire, "missing")


@every_event
def test_a_parameter_has_one_value(name: str) -> None:
    """A parameter that comes twice is refused unless the two are equal: no signature tells these from one."""
    form = form_of(name)
    assert parse_event(
        {wire: [text, text] for wire, text in form.items() if wire != "MessagingBinding.Address"}
    ) == (parse_event({wire: text for wire, text in form.items() if wire != "MessagingBinding.Address"}))
    for wire in form:
        if wire != "MessagingBinding.Address" or name.startswith("onParticipant"):
            error = refusal({**form, wire: [form[wire], "another"]})
            assert (error.field, error.message) == (wire, "there several times, with different values")
            assert error.model == ("Event" if wire == "EventType" else EVENTS[name].__name__)


@pytest.mark.parametrize(
    ("name", "wire", "text"),
    [
        ("onMessageAdded", "Index", "first"),
        ("onMessageAdded", "Index", "1.5"),
        ("onMessageAdded", "Index", " 1"),
        ("onMessageAdded", "Index", "٣"),
        ("onMessageAdded", "Index", "9" * 5000),
        ("onMessageAdded", "DateCreated", "yesterday"),
        ("onMessageAdded", "DateCreated", "2021-08-10T18:00:58"),
        ("onMessageAdded", "DateCreated", "\ud800"),
        ("onMessageAdded", "Index", "\ud800"),
        ("onMessageAdded", "Source", "\ud800"),
        ("onMessageAdded", "Media", "\ud800"),
        ("onMessageAdded", "Media", "a picture"),
        ("onMessageAdded", "Media", "[" * 100_000),
        ("onMessageAdded", "Media", "{}"),
        ("onMessageAdded", "Media", "0"),
        ("onMessageAdded", "Media", "[0]"),
        ("onMessageAdded", "Media", '[{"Sid": "ME1"}, {}]'),
        ("onMessageAdded", "Media", '[{"Sid": "ME1", "Size": "large"}]'),
        ("onUserUpdated", "isOnline", "perhaps"),
        ("onTomorrow", "RetryCount", "first"),
    ],
)
def test_what_cannot_be_read(name: str, wire: str, text: str) -> None:
    """A detail that cannot be read is kept as it came; all else of the event is as it would be without it."""
    form = form_of(name) if name in EVENTS else {"EventType": name}
    for other in (), ("ClientIdentity",):
        given = {key: value for key, value in form.items() if key not in other}
        event = parse_event(given | {wire: text})
        given.pop(wire, None)
        assert event == attrs.evolve(parse_event(given), extra={wire: text})


def test_several_details_that_cannot_be_read() -> None:
    """Each of them is kept, whichever is found first."""
    wrong = {"Index": "first", "DateCreated": "yesterday", "Media": "0", "RetryCount": "x"}
    event = parse_event(sparse("onMessageAdded", **wrong))
    assert event.extra == wrong


NAMES = sorted({wire for wires in EMULATED.values() for wire in wires}.union(COMMON) - {"EventType"})
TEXTS = [
    "",
    "0",
    "-1",
    "true",
    DATE,
    "2021-08-10T18:00:58+02:00",
    "active",
    "SMS",
    MEDIA,
    "[{}]",
    "null",
    "CH1",
    "{}",
]
texts = st.sampled_from(TEXTS) | st.text(st.characters(), max_size=8)
forms = st.dictionaries(
    st.sampled_from(NAMES) | st.text(max_size=8).filter(lambda name: name != "EventType"),
    texts | st.lists(texts, min_size=1, max_size=3),
)


def outcome(params: Any) -> Event | DecodeError:
    """Parse parameters, and give the event or the error."""
    try:
        return parse_event(params)
    except DecodeError as error:
        return error


def is_of(value: Any, given: list[str]) -> bool:
    """Say whether a value is what a parameter said."""
    (text, *_) = given
    match value:
        case None | ():
            same = text in ("", "null")
        case (Media(), *_):
            same = text == MEDIA
        case tuple():
            same = list(value) == given
        case bool():
            same = str(value).lower() == text.lower()
        case int():
            same = value == int(text)
        case datetime():
            same = value == datetime.fromisoformat(text)
        case OpenEnum():
            same = value.lower() == text.lower()
        case _:
            same = value == text
    return same


@given(
    name=st.sampled_from([*EVENTS, "onTomorrow"]) | st.text(st.characters(), min_size=1),
    form=forms,
    whole=st.booleans(),
)
@example(name="onUserUpdated", form={"isOnline": "true", "Source": "\ud800", "Index": "5"}, whole=True)
@example(name="onMessageAdd", form={"Author": "\ud800", "\ud800": "\ud800"}, whole=True)
@settings(deterministic, max_examples=500)
def test_nothing_is_lost(name: str, form: dict[str, str | list[str]], whole: bool) -> None:
    """Whatever the parameters, each is in its field or in ``extra``, or there is an error that names one."""
    more = sparse(name) if whole and name in EVENTS else {"EventType": name}
    while isinstance(event := outcome({**form, **more}), DecodeError):
        assert is_one_line(str(event))
        wrong = event.field.partition("[")[0]
        assert wrong in NAMES
        if wrong not in form:
            return
        del form[wrong]  # the others may be good
    assert type(event) is EVENTS.get(name, UnknownEvent)
    fields = attrs.fields_dict(type(event)).keys() - {"extra"}
    kept = {wire: text for wire, text in {**form, **more}.items() if wire in (*NAMES, "EventType")}
    kept = {wire: text for wire, text in kept.items() if _argument(wire) in fields}
    unread = kept.keys() & event.extra.keys()
    for wire in unread:  # of several equal ones, one
        text = kept.pop(wire)
        assert getattr(event, _argument(wire)) in (None, ())
        assert event.extra[wire] == (text if isinstance(text, str) else text[0])
    for wire, text in kept.items():
        assert is_of(getattr(event, _argument(wire)), [text] if isinstance(text, str) else text)
    rest = {wire: text for wire, text in form.items() if wire not in kept}
    assert {wire: text for wire, text in event.extra.items() if wire not in unread} == {
        wire: text if isinstance(text, str) else text[0] if len(text) == 1 else tuple(text)
        for wire, text in rest.items()
        if wire not in unread
    }


# ----------------------------------------------------------------------------------------------- natural keys


def later(event: Event, name: str = "date_updated") -> Event:
    """Give the event of the same thing a moment later."""
    changes: dict[str, Any] = {name: MOMENT + timedelta(milliseconds=1)}
    return attrs.evolve(event, **changes)


@every_event
def test_the_same_happening_has_the_same_key(name: str) -> None:
    """However often and by whomever it is told, what has happened has one short key; what has not, none."""
    event = parse_event(form_of(name))
    again = attrs.evolve(event, retry_count=1, source=None, client_identity=None, extra={"Tomorrow": "x"})
    assert again.natural_key == event.natural_key
    assert (event.natural_key is None) is isinstance(event, PreActionEvent)
    assert len(event.natural_key or "") <= 150


def test_other_happenings_have_other_keys() -> None:
    """Keys tell events, things, times, and what a thing became apart."""
    state = ConversationStateUpdated(
        conversation_sid="CH1", state_updated=MOMENT, state_to=ConversationState.INACTIVE
    )
    delivery = DeliveryUpdated(
        conversation_sid="CH1", message_sid="IM1", delivery_receipt_sid="DY1", status=DeliveryStatus.SENT
    )
    user = UserUpdated(user_sid="US1", date_updated=MOMENT)
    conversation = ConversationUpdated(conversation_sid="CH1", date_updated=MOMENT)
    message = MessageUpdated(conversation_sid="CH1", message_sid="IM1", date_updated=MOMENT)
    participant = ParticipantUpdated(conversation_sid="CH1", participant_sid="MB1", date_updated=MOMENT)
    events = [
        ConversationAdded(conversation_sid="CH1"),
        ConversationAdded(conversation_sid="CH2"),
        ConversationRemoved(conversation_sid="CH1"),
        conversation,
        later(conversation),
        state,
        later(state, "state_updated"),
        attrs.evolve(state, state_to=ConversationState.CLOSED),
        MessageAdded(conversation_sid="CH1", message_sid="IM1"),
        MessageAdded(conversation_sid="CH1", message_sid="IM2"),
        MessageRemoved(conversation_sid="CH1", message_sid="IM1"),
        message,
        later(message),
        ParticipantAdded(conversation_sid="CH1", participant_sid="MB1"),
        ParticipantRemoved(conversation_sid="CH1", participant_sid="MB1"),
        participant,
        later(participant),
        delivery,
        later(delivery),
        attrs.evolve(delivery, delivery_receipt_sid="DY2"),
        attrs.evolve(delivery, status=DeliveryStatus.READ),
        UserAdded(user_sid="US1"),
        user,
        later(user),
        attrs.evolve(user, is_online=True),
        attrs.evolve(user, is_online=False),
        attrs.evolve(user, is_notifiable=True),
        attrs.evolve(conversation, friendly_name="x"),
        attrs.evolve(conversation, friendly_name="\ud800"),
        attrs.evolve(message, body="a"),
        attrs.evolve(message, body="b"),
        attrs.evolve(participant, last_read_message_index=3),
        attrs.evolve(participant, last_read_message_index=9),
    ]
    keys = [event.natural_key for event in events]
    assert None not in keys
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "name",
    [
        "onConversationUpdated",
        "onConversationStateUpdated",
        "onMessageUpdated",
        "onParticipantUpdated",
        "onDeliveryUpdated",
        "onUserUpdated",
    ],
)
def test_a_change_without_a_time_has_no_key(name: str) -> None:
    """Where nothing tells one change of a thing from the next, they must not be taken for one."""
    assert parse_event(sparse(name)).natural_key is None


def test_an_unknown_event_has_no_key() -> None:
    """Nobody knows what tells two of these apart."""
    assert UnknownEvent(event_type="onTomorrow", account_sid="AC1").natural_key is None


# --------------------------------------------------------------------------------------- messages of a client


def test_the_event_of_a_message() -> None:
    """A message that was read has the event that told of it, but for what only a request tells."""
    message = Message(
        sid="IM1",
        account_sid="AC1",
        conversation_sid="CH1",
        chat_service_sid="IS1",
        index=7,
        author="alice",
        body=" Ahoy ",
        media=(PARROT,),
        attributes="{}",
        participant_sid="MB1",
        date_created=MOMENT.astimezone(timezone(timedelta(hours=2))),
        date_updated=MOMENT,
    )
    told = parse_event(
        {
            "EventType": "onMessageAdded",
            "AccountSid": "AC1",
            "ConversationSid": "CH1",
            "ChatServiceSid": "IS1",
            "MessageSid": "IM1",
            "Index": "7",
            "Author": "alice",
            "Body": " Ahoy ",
            "Media": MEDIA,
            "Attributes": "{}",
            "ParticipantSid": "MB1",
            "DateCreated": DATE,
        }
    )
    assert MessageAdded.of(message) == told
    assert MessageAdded.of(message).natural_key == told.natural_key
    assert MessageAdded.of(Message(sid="IM1", conversation_sid="CH1")) == parse_event(
        {"EventType": "onMessageAdded", "ConversationSid": "CH1", "MessageSid": "IM1"}
    )


def test_the_event_of_a_message_of_no_conversation() -> None:
    """A message that does not say where it belongs has no event."""
    with pytest.raises(ValueError, match=r"^message must have a conversation_sid$"):
        MessageAdded.of(Message(sid="IM1"))

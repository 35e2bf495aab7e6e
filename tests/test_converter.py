"""How wire values become Python values, and back."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
import traceback
from collections import deque
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, IntEnum
from types import MappingProxyType, NoneType
from typing import TYPE_CHECKING, Any, get_args, get_origin
from urllib.parse import parse_qsl

import attrs
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conversations_async import (
    Conversation,
    ConversationState,
    DecodeError,
    Media,
    Message,
    Order,
    Participant,
    Receipt,
    chat,
    converter,
    resources,
)
from conversations_async._json import loads
from conversations_async.chat import ChatMessage, ChatMessageType
from conversations_async.converter import (
    Attributes,
    AwareDatetime,
    OpenEnum,
    PageMeta,
    TextFlag,
    decode,
    encode_datetime,
    encode_fields,
    encode_flag,
    encode_json,
    encode_model,
)
from conversations_async.resources.credentials import Credential
from conversations_async.resources.messages import ChannelMetadata

from .support import COPIES, MUTE_BODIES, REQUEST_ID, answer, deterministic, is_one_line, json_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Path = tuple[str | int, ...]

MODULES = [
    importlib.import_module(f"{package.__name__}.{module.name}")
    for package in (resources, chat)
    for module in pkgutil.iter_modules(package.__path__)
]
DEFINED: list[type[Any]] = [
    value
    for module in MODULES
    for value in vars(module).values()
    if isinstance(value, type) and value.__module__ == module.__name__
]
MODELS = [attrs.resolve_types(cls) for cls in DEFINED if attrs.has(cls)]
ENUMS: list[type[OpenEnum]] = [Order, *(cls for cls in DEFINED if issubclass(cls, OpenEnum))]
WITH_ATTRIBUTES = [model for model in MODELS if issubclass(model, Attributes)]

DATE = "2015-12-16T22:18:37Z"
SECRET = "hunter2 in a field"

#: Values of all types that JSON has; each is right for some field and wrong for others.
WIRE_VALUES: list[Any] = [
    None,
    "text",
    "",
    DATE,
    5,
    0,
    -1,
    10**30,
    1.5,
    True,
    False,
    [],
    {},
    [None],
    ["x"],
    {"x": 1},
]

SAMPLES: dict[Any, Any] = {str: "text", int: 7, bool: True, AwareDatetime: DATE, TextFlag: "True"}


def is_enum(kind: Any) -> bool:
    """Say whether a type is an enum of the API."""
    return isinstance(kind, type) and issubclass(kind, OpenEnum)


def wire_name(name: str) -> str:
    """Give the name that a field of a model has on the wire."""
    return name.rstrip("_")


def to(wire: Any) -> Callable[[Any, Any], None]:
    """Give the change that puts a value into a container."""

    def change(container: Any, key: Any) -> None:
        container[key] = wire

    return change


def types_of(kind: Any) -> tuple[Any, ...]:
    """Give the types that a field may have, None apart."""
    return (
        tuple(one for one in get_args(kind) if one is not NoneType) if NoneType in get_args(kind) else (kind,)
    )


def sample(kind: Any) -> Any:
    """Make the JSON of a value of a type, with every field that it can have."""
    (kind,) = types_of(kind)
    if attrs.has(kind):
        return {
            wire_name(field.name): sample(field.type)
            for field in attrs.fields(attrs.resolve_types(kind))
            if field.name != "extra"
        }
    if get_origin(kind) is tuple:
        return [sample(get_args(kind)[0])]
    if get_origin(kind) is dict:
        return {"name": sample(get_args(kind)[1])}
    return next(iter(kind)).value if is_enum(kind) else SAMPLES[kind]


def sparse(model: type[Any]) -> dict[str, Any]:
    """Make the JSON of a model with the fields that it cannot do without."""
    return {field.name: "X" for field in attrs.fields(model) if field.default is attrs.NOTHING}


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Walk over everything in a JSON value: the path of each."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from paths(inner, (*path, key))


def changed(value: Any, path: Path, change: Callable[[Any, Any], None]) -> Any:
    """Copy a JSON value and do something to the container of what is at a path."""
    value = json.loads(json.dumps(value))
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    change(inner, path[-1])
    return value


def place(model: type[Any], path: Path) -> tuple[Any, str]:
    """Give the type of what is at a path of a model, and the path as errors write it: ``media[0].size``."""
    kind: Any = model
    text = ""
    for key in path:
        (kind,) = types_of(kind)
        if attrs.has(kind):
            field = next(one for one in attrs.fields(attrs.resolve_types(kind)) if wire_name(one.name) == key)
            kind, text = field.type, f"{text}.{field.name}"
        else:
            kind, text = get_args(kind)[0 if get_origin(kind) is tuple else 1], f"{text}[{key!r}]"
    return kind, text.removeprefix(".")


def required(model: type[Any], path: Path) -> bool:
    """Say whether a model cannot do without a field, which is always the SID that it is reached by."""
    *outer, name = path
    kind = place(model, tuple(outer))[0] if outer else model
    (kind,) = types_of(kind)
    return attrs.has(kind) and str(name).endswith("sid") and name in sparse(kind)


def accepts(kind: Any, wire: Any) -> bool:
    """Say whether the contract lets one of `WIRE_VALUES` stand for a type."""
    if wire is None:
        return NoneType in get_args(kind)
    (kind,) = types_of(kind)
    if attrs.has(kind):
        return isinstance(wire, dict) and sparse(kind).keys() <= wire.keys()
    if get_origin(kind) is tuple:
        return isinstance(wire, list) and all(accepts(get_args(kind)[0], item) for item in wire)
    if get_origin(kind) is dict:
        return isinstance(wire, dict) and all(accepts(get_args(kind)[1], item) for item in wire.values())
    if kind == AwareDatetime:
        return bool(wire == DATE)
    return type(wire) is {TextFlag: bool}.get(kind, str if is_enum(kind) else kind)


def read(body: object, model: type[Any] = Message) -> Any:
    """Decode one model out of an answer."""
    return decode(answer(body, headers={"Twilio-Request-Id": REQUEST_ID}), model)


def decode_page(response: Any, model: type[Any], key: str = "items") -> tuple[list[Any], PageMeta]:
    """Decode a page whose items are expected in the member that `page` puts them in."""
    steps = converter.decode_page(response, model, key)
    try:
        while True:
            steps.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # what a coroutine returns has no type here


def refusal(body: object, model: type[Any] = Message, how: Callable[[Any, Any], Any] = decode) -> DecodeError:
    """Decode what must not decode, and give the error."""
    with pytest.raises(DecodeError) as caught:
        how(answer(body, headers={"Twilio-Request-Id": REQUEST_ID}, attempts=2), model)
    return caught.value


def outcome(how: Callable[[], Any]) -> Any:
    """Give the result, or the DecodeError if it prints as one line."""
    try:
        return how()
    except DecodeError as error:
        return error if is_one_line(str(error)) else None


def page(*items: object, key: str = "items", **meta: object) -> dict[str, Any]:
    """Make the JSON of a page."""
    return {"meta": {"key": key, **meta}, key: list(items)}


EVERY_FIELD = [
    pytest.param(model, path, id=f"{model.__name__}-{'.'.join(map(str, path))}")
    for model in MODELS
    for path in paths(sample(model))
]

#: The names of all fields of all models.
NAMES = sorted({str(key) for model in MODELS for path in paths(sample(model)) for key in path})


# -------------------------------------------------------------------------------------- wire → Python: models


def test_every_model_is_tested() -> None:
    """The models and enums of all resources are found, nested ones included."""
    assert {Conversation, Message, Media, Credential, Participant, Receipt, ChatMessage} <= set(MODELS)
    assert {Order, ConversationState, ChatMessageType} <= set(ENUMS)
    assert len(EVERY_FIELD) > 300


@pytest.mark.parametrize("model", MODELS)
def test_a_full_answer_decodes(model: type[Any]) -> None:
    """An answer with every field fills every field of the model, and so does one in another order."""
    body = sample(model)
    value = read(body, model)
    assert all(getattr(value, field.name) not in (None, "True") for field in attrs.fields(model))
    assert read(dict(reversed(body.items())), model) == value


@pytest.mark.parametrize("model", MODELS)
def test_a_sparse_answer_decodes(model: type[Any]) -> None:
    """An answer that leaves out all but the SID leaves the other fields None."""
    body = sparse(model)
    left = dict.fromkeys(attrs.fields_dict(model)) | ({"extra": {}} if model is ChannelMetadata else {})
    assert attrs.asdict(read(body, model)) == left | body


@pytest.mark.parametrize(("model", "path"), EVERY_FIELD)
def test_a_field_may_be_missing(model: type[Any], path: Path) -> None:
    """A field that is left out is None; where it may not be left out, the error names it."""
    body = changed(sample(model), path, lambda container, key: container.pop(key))
    if required(model, path):
        error = refusal(body, model)
        assert (error.model, error.message) == (model.__name__, "missing")
        assert error.field == place(model, path)[1]
    else:
        value = read(body, model)
        if len(path) == 1:
            assert getattr(value, place(model, path)[1]) is None


@pytest.mark.parametrize(("model", "path"), EVERY_FIELD)
def test_a_field_may_be_of_another_type(model: type[Any], path: Path) -> None:
    """A field takes null and values of its own type; any other value is an error that names it."""
    kind, name = place(model, path)
    for wire in WIRE_VALUES:
        body = changed(sample(model), path, to(wire))
        if accepts(kind, wire) or ("links" in path[:-1] and wire is None):
            value = read(body, model)
            if len(path) == 1 and (wire is None or isinstance(wire, str | int)) and wire != DATE:
                assert getattr(value, name) == wire
        else:
            error = refusal(body, model)
            assert error.model == model.__name__
            assert error.field == name or error.field.startswith((f"{name}.", f"{name}["))


@pytest.mark.parametrize("wire", WIRE_VALUES, ids=repr)
@pytest.mark.parametrize("model", [model for model in MODELS if model is not ChannelMetadata])
def test_an_added_field_is_ignored(model: type[Any], wire: Any) -> None:
    """A field that nobody knows does not matter, at the top and within."""
    body = sample(model)
    more = changed(body, ("tomorrow",), to(wire))
    for path in paths(body):
        if attrs.has(types_of(place(model, path)[0])[0]):
            more = changed(more, (*path, "tomorrow"), to(wire))
    assert read(more, model) == read(body, model)


def test_what_is_not_described_is_kept() -> None:
    """A model with `extra` has there, as it came, what has no field of its own, and is written back so."""
    body = {"message_sid": "IM1", "type": "whatsapp", "data": {"context": None}, "extra": [1], "none": None}
    value = read(body, ChannelMetadata)
    assert value.message_sid == "IM1"
    assert value.extra == {"type": "whatsapp", "data": {"context": None}, "extra": [1], "none": None}
    written = json.loads(encode_model(value))
    assert (
        written
        == {"account_sid": None, "conversation_sid": None, "chat_service_sid": None} | {"url": None} | body
    )
    assert hash(value) == hash(attrs.evolve(value, extra={}))


@pytest.mark.parametrize(("wire", "flag"), [("True", True), ("False", False), ("true", True), (False, False)])
def test_a_flag_may_be_text(wire: object, flag: bool) -> None:
    """The sandbox of a push credential is a boolean, which the API writes as text."""
    assert read({"sid": "CR1", "sandbox": wire}, Credential).sandbox is flag


@pytest.mark.parametrize("model", MODELS)
@given(body=json_values | st.dictionaries(st.sampled_from(NAMES), json_values))
@settings(deterministic, max_examples=25)
def test_any_json_is_a_model_or_a_decode_error(model: type[Any], body: Any) -> None:
    """Whatever JSON arrives becomes a model, or a DecodeError that prints as one line."""
    assert isinstance(outcome(lambda: read(body, model)), model | DecodeError)


@given(body=st.binary())
@deterministic
def test_any_bytes_are_a_decode_error(body: bytes) -> None:
    """Whatever bytes arrive that are no message become a DecodeError, for one item and for a page."""
    for how in decode, decode_page:
        assert is_one_line(str(refusal(body, how=how)))


@pytest.mark.parametrize("body", MUTE_BODIES.values(), ids=MUTE_BODIES)
@pytest.mark.parametrize("how", [decode, decode_page])
def test_what_is_no_message_is_a_decode_error(how: Callable[[Any, Any], Any], body: bytes) -> None:
    """HTML, broken or truncated JSON, other encodings, deep nesting and the wrong shape are decode errors."""
    error = refusal(body, how=how)
    assert error.model in ("Message", "Page")
    assert is_one_line(str(error))


def test_from_is_from_() -> None:
    """The wire's ``from`` is the field ``from_``; a wire field ``from_`` would be another one."""
    assert read({"sid": "IM", "from": "system", "from_": "nobody"}, ChatMessage).from_ == "system"
    assert read({"sid": "IM", "from_": "nobody"}, ChatMessage).from_ is None
    assert refusal({"sid": "IM", "from": 5}, ChatMessage).field == "from_"


@pytest.mark.parametrize(
    ("body", "model", "field", "reason"),
    [
        ({"sid": 5}, Message, "sid", "expected a string, got a whole number"),
        ({"sid": "IM", "index": "5"}, Message, "index", "expected a whole number, got a string"),
        ({"sid": "IM", "index": True}, Message, "index", "expected a whole number, got a boolean"),
        ({"sid": "IM", "index": 5.0}, Message, "index", "expected a whole number, got a number"),
        ({"sid": "IM", "was_edited": 1}, ChatMessage, "was_edited", "expected a boolean, got a whole number"),
        ({"sid": "IM", "media": [{"sid": "ME", "size": ""}]}, Message, "media[0].size", "expected a whole"),
        ({"sid": "IM", "media": [{"sid": "ME"}, {"sid": 5}]}, Message, "media[1].sid", "expected a string"),
        ({"sid": "IM", "media": [None]}, Message, "media[0]", "expected an object, got null"),
        ({"sid": "IM", "media": {"sid": "ME"}}, Message, "media", "expected an array, got an object"),
        ({"sid": "IM", "media": [{"sid": "ME"}]}, ChatMessage, "media", "expected an object, got an array"),
        ({"sid": "IM", "delivery": {"sent": 1}}, Message, "delivery.sent", "expected a string"),
        ({"sid": "IM", "links": {"next": 1}}, Message, "links['next']", "expected a string"),
        ({"sid": "IM", "links": {"a @ b": 1}}, Message, "links['a @ b']", "expected a string"),
        ({"sid": "CH", "bindings": {"email": {"name": 1}}}, Conversation, "bindings.email.name", "expected"),
        ({"sid": "CH", "timers": {"date_closed": "soon"}}, Conversation, "timers.date_closed", "expected an"),
        ([], Message, "", "expected an object, got an array"),
    ],
)  # fmt: skip
def test_an_error_names_model_field_and_reason(body: Any, model: type[Any], field: str, reason: str) -> None:
    """A DecodeError says which field of which model was expected to be what, and what it was."""
    error = refusal(body, model)
    assert (error.model, error.field) == (model.__name__, field)
    assert error.message.startswith(reason)


@pytest.mark.parametrize(
    ("body", "how"),
    [
        (b"<html>", decode),
        (b"<html>", decode_page),
        ({"sid": 5}, decode),
        (page({"sid": 5}), decode_page),
        ([], decode_page),
        ({"meta": {}}, decode_page),
    ],
)
def test_an_error_names_the_request(body: object, how: Callable[[Any, Any], Any]) -> None:
    """A DecodeError carries method, path, status, request id and attempts of the answer."""
    error = refusal(body, how=how)
    assert (error.method, error.path, error.status, error.request_id, error.attempts) == (
        "GET",
        "/v1/Conversations",
        200,
        REQUEST_ID,
        2,
    )


@pytest.mark.parametrize("model", MODELS)
def test_an_error_never_shows_the_value(model: type[Any]) -> None:
    """What stands in a field that cannot be read is in no text of the error, and not in its traceback."""
    body = sample(model)
    for path in paths(body):
        (kind,) = types_of(place(model, path)[0])
        # the name of a link is no value, and an object may be a model of the field's own
        objects = [] if get_origin(kind) is dict or attrs.has(kind) else [{"sid": "X", "x": SECRET}]
        for wire in [SECRET, [SECRET], *objects]:
            if not accepts(kind, wire):
                error = refusal(changed(body, path, to(wire)), model)
                assert error.__context__ is None
                texts = [str(error), repr(error), error.message, *traceback.format_exception(error)]
                assert not any("hunter2" in text for text in texts)


@pytest.mark.parametrize(
    "body",
    [
        f'{{"sid": "{SECRET}'.encode(),
        SECRET.encode(),
        f'"{SECRET}"'.encode(),
        f'["{SECRET}"]'.encode(),
        f'{{"sid": "{SECRET}\xff"}}'.encode("latin-1"),
        f'{{"meta": "{SECRET}"}}'.encode(),
        f'{{"meta": {{"key": "{SECRET}"}}}}'.encode(),
        f'{{"meta": {{"key": "x", "page": "{SECRET}"}}}}'.encode(),
        f'{{"meta": {{"key": "x"}}, "x": "{SECRET}"}}'.encode(),
        f'{{"meta": {{"key": "x"}}, "x": ["{SECRET}"]}}'.encode(),
    ],
)
@pytest.mark.parametrize("how", [decode, decode_page])
def test_an_error_never_shows_the_body(how: Callable[[Any, Any], Any], body: bytes) -> None:
    """What stands in a body that cannot be read is in no text of the error, and not in its traceback."""
    error = refusal(body, how=how)
    assert error.__context__ is None  # the cause of the cause has the whole body
    assert not any(
        "hunter2" in text for text in (str(error), repr(error), *traceback.format_exception(error))
    )


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_a_value(model: type[Any], duplicate: Callable[[Any], Any]) -> None:
    """A model can be pickled and copied, and does not change."""
    value = read(sample(model), model)
    assert duplicate(value) == value
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(value, attrs.fields(model)[0].name, None)


# --------------------------------------------------------------------------------------- wire → Python: pages


@pytest.mark.parametrize("expected", ["messages", "items", "meta", "key"])
@pytest.mark.parametrize("key", ["messages", "delivery_receipts", "näme", "meta2"])
def test_a_page_is_read_by_its_own_key(key: str, expected: str) -> None:
    """A page says itself which of its members holds the items, whichever was expected to."""
    link = "https://conversations.twilio.com/v1/Conversations/CH1/Messages?PageSize=2&Page=1&PageToken=PT1"
    items, meta = decode_page(
        answer(page({"sid": "IM1"}, {"sid": "IM2"}, key=key, page=0, page_size=2, next_page_url=link)),
        Message,
        expected,
    )
    assert [item.sid for item in items] == ["IM1", "IM2"]
    assert meta == PageMeta(key=key, page=0, page_size=2, next_page_url=link)


def test_a_page_says_which_of_two_lists_it_means() -> None:
    """The list that was expected is not read if the page names another one."""
    items, _ = decode_page(
        answer({"meta": {"key": "others"}, "items": [{"sid": "a"}], "others": [{"sid": "b"}]}), Message
    )
    assert [item.sid for item in items] == ["b"]


@pytest.mark.parametrize("meta", [{}, {"key": None}, {"key": "string"}])
def test_the_only_list_of_a_page_needs_no_name(meta: dict[str, Any]) -> None:
    """Where ``meta.key`` names nothing, the only other member is the list, as for the official client."""
    items, _ = decode_page(answer({"meta": meta, "items": [{"sid": "a"}]}), Message)
    assert [item.sid for item in items] == ["a"]


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (rb"cut \ud83d", "cut \ufffd"),
        (rb"\uDE00 cut", "\ufffd cut"),
        (rb"\ud83d\ude00\ud83d", "\U0001f600\ufffd"),
        (rb"no half: \\ud83d", r"no half: \ud83d"),
    ],
)
def test_half_an_emoji_does_not_cost_a_page(wire: bytes, text: str) -> None:
    """Half of a surrogate pair, which others may have written, becomes a replacement character."""
    body = b'{"meta": {"key": "items"}, "items": [{"sid": "a", "body": "%s", "index": 7}]}' % wire
    (message,), _ = decode_page(answer(body), Message)
    assert (message.sid, message.body, message.index) == ("a", text, 7)


def test_half_an_emoji_in_attributes() -> None:
    """Attributes with half of a surrogate pair, which is JSON, can be read, and sent as they are."""
    text = r'{"x": "\ud83d"}'
    assert read({"sid": "a", "attributes": text}).parsed_attributes == {"x": "\ufffd"}
    assert encode_json("attributes", text) is text


def test_half_an_emoji_makes_no_json_of_what_is_none() -> None:
    """What is no JSON for another reason, too, is refused as before."""
    for body in rb'{"sid": "\ud83d"', rb'{"sid": "\ud83d", "index": NaN}':
        assert "is no JSON: " in refusal(body).message


def test_models_are_values() -> None:
    """Models of equal answers are equal and have one hash, links or not."""
    for model in MODELS:
        one, other = read(sample(model), model), read(sample(model), model)
        assert one is not other
        assert {one} == {other}


def test_any_case_of_a_known_value_is_that_value() -> None:
    """The known values of an enum may themselves have capitals."""

    class Status(OpenEnum):
        ABSENT = "notParticipating"

    assert Status("notparticipating") is Status("NOTPARTICIPATING") is Status.ABSENT


def test_a_link_may_be_null() -> None:
    """A link that leads nowhere is left out."""
    assert read({"sid": "a", "links": {"messages": "https://x.test/", "last": None}}).links == {
        "messages": "https://x.test/"
    }


def test_nested_mappings_are_sent_as_json() -> None:
    """Any mapping will do as attributes, within others too."""
    value = MappingProxyType({"a": MappingProxyType({"b": [1]})})
    assert json.loads(encode_json("attributes", value) or "") == {"a": {"b": [1]}}


def test_a_page_may_be_empty() -> None:
    """A page without items is a page, and what its envelope leaves out is None."""
    assert decode_page(answer(page()), Message) == ([], PageMeta(key="items"))


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (page({"sid": "a"}, {"sid": "b"}, {"sid": "c"}, {"sid": "d", "index": "5"}), "Message[3].index"),
        (page({"sid": "a"}, {"sid": "b", "media": [{"sid": "c", "size": 1.5}]}), "Message[1].media[0].size"),
        (page(*({"sid": "a"} for _ in range(1000)), {}), "Message[1000].sid"),
        (page(None), "Message[0]"),
        (page("text"), "Message[0]"),
        ([], "Page.meta"),
        ({}, "Page.meta"),
        ({"items": []}, "Page.meta"),
        ({"meta": None, "items": []}, "Page.meta"),
        ({"meta": [], "items": []}, "Page.meta"),
        ({"meta": {}, "items": [], "others": []}, "Page.meta.key"),
        ({"meta": {"key": None}, "items": [], "others": []}, "Page.meta.key"),
        ({"meta": {"key": "neither"}, "items": [], "others": []}, "Page.meta.key"),
        ({"meta": {"key": 5}, "items": []}, "Page.meta.key"),
        (page(page="0"), "Page.meta.page"),
        (page(page_size=50.0), "Page.meta.page_size"),
        (page(next_page_url=5), "Page.meta.next_page_url"),
        (page(next_page_url=["x"]), "Page.meta.next_page_url"),
        ({"meta": {"key": "items"}}, "Page.meta.key"),
        ({"meta": {"key": "meta"}, "items": []}, "Message"),
        ({"meta": {"key": "items"}, "items": None}, "Message"),
        ({"meta": {"key": "items"}, "items": {"0": {"sid": "a"}}}, "Message"),
    ],
)
def test_a_page_that_cannot_be_read_is_a_decode_error(body: object, path: str) -> None:
    """An item, or a part of the envelope, that cannot be read is named with its place."""
    assert str(refusal(body, how=decode_page)).startswith(f"GET /v1/Conversations: cannot read {path}: ")


@given(body=st.fixed_dictionaries({"meta": json_values, "items": json_values}) | json_values)
@example(body={"meta": {"key": "items", "page": 10**40}, "items": []})
@deterministic
def test_any_json_is_a_page_or_a_decode_error(body: Any) -> None:
    """Whatever JSON arrives becomes a page, or a DecodeError that prints as one line."""
    assert isinstance(outcome(lambda: decode_page(answer(body), Message)), tuple | DecodeError)


# ----------------------------------------------------------------------- wire → Python: all ways to the same

#: What stands on the wire: texts that are nearly dates, flags or values of enums among others.
TEXTS = [
    "text",
    "",
    "True",
    "false",
    "5",
    DATE,
    "2015-12-16T22:18:37",
    "2015-12-16 22:18:37z",
    "2015-12-16T22:18:37.1Z",
    "2015-12-16T22:18:37.1234567Z",
    "2015-12-16T22:18:37.9999999Z",
    "2015-12-16T22:18:37,123Z",
    "2015-12-16T22:18:37+02:00",
    "2015-12-16T22:18:37-00:00",
    "2015-12-16T22:18:37.123456+05:30",
    "2015-12-16T22:18:37+23:59",
    "2015-12-16T22:18:37+24:00",
    "2015-12-16T22:18Z",
    "2015-12-16T24:00:00Z",
    "2015-12-16T22:18:60Z",
    "2015-02-30T22:18:37Z",
    "2015-12-16",
    "20151216T221837Z",
    "2015-W51-3T22:18:37Z",
    "0001-01-01T00:00:00+10:00",
    "9999-12-31T23:59:59.9999999Z",
    *sorted({spelt for kind in ENUMS for name in kind for spelt in (name.value, name.value.upper())}),
]
NUMBERS = [0, 5, -1, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**30, 1.5, 5.0, -0.0, 1e300]

plain = st.sampled_from([None, True, False, *TEXTS, *NUMBERS]) | st.text()


def wires(kind: Any) -> st.SearchStrategy[Any]:
    """Make JSON that is like what a type is read from, but often not quite."""
    right: st.SearchStrategy[Any] = plain
    for one in types_of(kind):
        if attrs.has(one):
            named = attrs.fields_dict(attrs.resolve_types(one)).items()
            fields = {wire_name(name): wires(field.type) for name, field in named if name != "extra"}
            needed = {name: fields.pop(name) for name in sparse(one)}
            added = st.dictionaries(
                st.sampled_from([*NAMES, "extra", "from_", "tomorrow"]), json_values, max_size=2
            )
            known = st.fixed_dictionaries(needed, optional=fields)
            right |= st.builds(lambda more, known: more | known, added, known)
        elif get_origin(one) is tuple:
            right |= st.lists(wires(get_args(one)[0]), max_size=3)
        elif get_origin(one) is dict:
            right |= st.dictionaries(st.text(max_size=3), wires(get_args(one)[1]), max_size=3)
        else:
            right |= st.just(sample(one))
    return right


def field_by_field(value: Any, kind: Any) -> Any:
    """Structure a JSON value without msgspec's help with models."""
    convert = msgspec.convert

    def refuse_models(value: Any, kind: Any) -> Any:
        if attrs.has(kind):
            raise msgspec.ValidationError
        return convert(value, kind)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(msgspec, "convert", refuse_models)
        return converter._converter.structure(value, kind)


def attempted(how: Callable[[], Any]) -> Any:
    """Give the result, or None if there is none."""
    try:
        return how()
    except Exception:  # noqa: BLE001  # whatever it is, there is no result
        return None


def check_ways(body: Any, kind: Any) -> bool:
    """Read a value in all ways, and say whether the quickest one took it."""
    text = json.dumps(body, ensure_ascii=False).encode()
    at_once = attempted(lambda: converter._converter.structure(text, kind))
    item_by_item = attempted(lambda: converter._converter.structure(loads(text), kind))
    by_field = attempted(lambda: field_by_field(loads(text), kind))
    for quicker, careful in ((at_once, item_by_item), (item_by_item, by_field)):
        if quicker is not None:
            assert quicker == careful
            # equal dates may have different zones, and equal numbers different types
            assert repr(quicker) == repr(careful)
    return at_once is not None


@pytest.mark.parametrize("model", MODELS)
def test_all_ways_to_read_a_model_give_the_same(model: type[Any]) -> None:
    """What is read from bytes in one pass is the same, to the last letter, as what is read field by field."""
    right = {name: value for name, value in sample(model).items() if value != "True"}
    nearly = st.dictionaries(st.sampled_from([*right]), plain, max_size=1).map(lambda odd: right | odd)
    taken = []

    @given(body=nearly | wires(model))
    @settings(deterministic, max_examples=40)
    def check(body: Any) -> None:
        taken.append(check_ways(body, model))

    check()
    assert {True, False} == set(taken)


@pytest.mark.parametrize("model", MODELS)
def test_all_ways_to_read_a_page_give_the_same(model: type[Any]) -> None:
    """Nor does it matter how a page is read, though one item in it may need more care than the others."""
    shape = converter._page_of(model, "items")  # type: ignore[arg-type]  # classes are hashable
    body = {name: value for name, value in sample(model).items() if value != "True"}
    taken = []

    @given(
        items=st.lists(st.just(body) | wires(model), max_size=4),
        meta=st.just({"key": "items"}) | wires(PageMeta),
        more=st.dictionaries(st.sampled_from(["others", "meta2"]), json_values),
    )
    @settings(deterministic, max_examples=15)
    def check(items: Any, meta: Any, more: Any) -> None:
        taken.append(check_ways({**more, "meta": meta, "items": items}, shape) and len(items) > 0)

    check()
    assert True in taken


@pytest.mark.parametrize(
    "odd",
    [
        b'{"sid": "IM1", "new": "\xff"}',
        b'{"sid": "IM1", "\xff": 1}',
        b'{"sid": "IM1", "new": {"list": ["\xff"]}}',
        b'{"sid": "IM1", "new": 1e400}',
        b'{"sid": "IM1", "new": %s}' % (b"9" * 5000),
    ],
)
def test_what_nobody_reads_is_checked_less(odd: bytes) -> None:
    """A member that no field takes does not cost the others, though it be neither UTF-8 nor a number."""
    assert decode(answer(odd), Message).sid == "IM1"
    body = b'{"meta": {"key": "items"}, "items": [%s]}' % odd
    assert [item.sid for item in decode_page(answer(body), Message)[0]] == ["IM1"]


#: Eight threads, which meet the models of messages for the first time, and all at once.
THREADS = """
import sys, threading
sys.setswitchinterval(1e-6)
from conversations_async import Message
from conversations_async.converter import decode, decode_page
from conversations_async.response import Response

one = b'{"sid": "IM1", "delivery": {"sent": "all"}, "media": [{"sid": "ME1"}]}'
page = b'{"meta": {"key": "messages"}, "messages": [%s]}' % one
at_once = threading.Barrier(8)
read = []

def run(number):
    body = page if number % 2 else one
    response = Response(method="GET", path="/", status=200, headers={}, body=body)
    at_once.wait()
    if number % 2:
        try: decode_page(response, Message, "messages").send(None)
        except StopIteration as end: read.append(end.value[0][0])
    else:
        read.append(decode(response, Message))

threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(read) == 8 and len(set(read)) == 1
"""


def test_threads_may_meet_a_model_at_once() -> None:
    """Clients in several threads may be used for the first time in the same moment."""
    runs = [subprocess.Popen([sys.executable, "-c", THREADS], stderr=subprocess.PIPE) for _ in range(8)]  # noqa: S603  # our own
    try:
        for run in runs:
            _, said = run.communicate(timeout=60)
            assert run.returncode == 0, said
    finally:
        for run in runs:
            run.kill()
            run.wait()


@pytest.mark.parametrize("model", [model for model in MODELS if model not in (ChatMessage, ChannelMetadata)])
def test_what_the_api_sends_is_read_in_one_pass(model: type[Any]) -> None:
    """A full answer, and a page of them, needs none of the slower ways."""
    decoded: list[Any] = []
    kind = converter._page_of(model, "items")  # type: ignore[arg-type]  # classes are hashable
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(converter, "_structured", lambda *_: decoded.append(None))
        patch.setattr(converter, "loads", lambda *_: decoded.append(None))
        body = {key: value for key, value in sample(model).items() if value != "True"}
        assert isinstance(read(body, model), model)
        items, _ = decode_page(answer(page(body, body)), model)
    assert [type(item) for item in items] == [model, model]
    assert not decoded
    assert not converter._differs_within(kind)


def test_an_odd_item_does_not_slow_its_page() -> None:
    """Where one item needs the careful way, the others still take a quick one."""
    odd, usual = {"sid": "a", "links": {"last": None}}, {"sid": "b"}
    with pytest.MonkeyPatch.context() as patch:
        careful: list[bytes] = []

        def watched(text: bytes) -> Any:
            careful.append(text)
            return json.loads(text)

        patch.setattr(converter, "loads", watched)
        items, _ = decode_page(answer(page(usual, odd, usual)), Message)
    assert items == [read(usual), read(odd), read(usual)]
    assert [json.loads(text) for text in careful] == [odd]


# --------------------------------------------------------------------------------------- wire → Python: enums


@pytest.mark.parametrize("kind", ENUMS)
def test_a_known_value_is_its_member_in_any_case(kind: type[OpenEnum]) -> None:
    """A known value is the one member of that value, however it is spelt."""
    for member in kind:
        for text in member.value, member.value.upper(), member.value.title():
            assert kind(text) is member
        assert (str(member), member == member.value, hash(member)) == (member.value, True, hash(member.value))


@pytest.mark.parametrize("kind", ENUMS)
@given(text=st.text())
@example(text="Tomorrow's")
@example(text="")
@deterministic
def test_an_unknown_value_still_decodes(kind: type[OpenEnum], text: str) -> None:
    """A value that the API adds later is of the enum's type, equal to its string, with the same hash."""
    value = kind(text)
    assert isinstance(value, kind)
    if value not in list(kind):
        assert (value, value.value, value.name, str(value), f"{value}", hash(value)) == (text,) * 5 + (
            hash(text),
        )
        assert value == kind(text)
        assert {text: 1}[value] == 1
        assert json.dumps([value]) == json.dumps([text])


@pytest.mark.parametrize("kind", ENUMS)
def test_unknown_values_are_not_remembered(kind: type[OpenEnum]) -> None:
    """An unknown value does not become a member: what a server sends does not fill the memory."""
    before = list(kind)
    value = kind("tomorrow")
    assert value not in before
    assert list(kind) == before
    assert set(kind.__members__) == {member.name for member in before}
    assert repr(value) == f"<{kind.__name__}.tomorrow: 'tomorrow'>"
    with pytest.raises(KeyError):
        kind["tomorrow"]


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("kind", ENUMS)
def test_a_copied_value_stays_what_it_is(kind: type[OpenEnum], duplicate: Callable[[Any], Any]) -> None:
    """Pickled or copied, a known value is the very member, and an unknown one equal and of its type."""
    for member in kind:
        assert duplicate(member) is member
    again = duplicate(kind("Tomorrow"))
    assert (type(again), again, again.value) == (kind, "Tomorrow", "Tomorrow")


@pytest.mark.parametrize("value", [None, 5, 1.5, True, b"active", ["active"], object()])
@pytest.mark.parametrize("kind", ENUMS)
def test_what_is_no_string_is_no_value(kind: type[OpenEnum], value: Any) -> None:
    """An enum is open to strings only."""
    with pytest.raises(ValueError, match="is not a valid"):
        kind(value)


# --------------------------------------------------------------------------------------- wire → Python: dates


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2015-12-16T22:18:37Z", datetime(2015, 12, 16, 22, 18, 37, tzinfo=UTC)),
        ("2021-08-10T18:00:58.111Z", datetime(2021, 8, 10, 18, 0, 58, 111000, tzinfo=UTC)),
        ("2023-05-04T09:42:00.123456+00:00", datetime(2023, 5, 4, 9, 42, 0, 123456, tzinfo=UTC)),
        ("2023-05-04T09:42:00+02:00", datetime(2023, 5, 4, 7, 42, tzinfo=UTC)),
        ("2023-05-04T09:42:00.5-03:30", datetime(2023, 5, 4, 13, 12, 0, 500000, tzinfo=UTC)),
        ("2024-02-29T23:59:59Z", datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_date_is_aware_in_every_form(text: str, moment: datetime) -> None:
    """Seconds and Z, milliseconds and Z, microseconds and an offset all become the same aware moments."""
    value = read({"sid": "IM", "date_created": text}).date_created
    assert value == moment
    assert value.utcoffset() is not None


@given(moment=st.datetimes(timezones=st.just(UTC)))
@deterministic
def test_any_moment_is_read(moment: datetime) -> None:
    """Every moment that can be written in one of the three forms is read back."""
    seconds = moment.replace(microsecond=0)
    millis = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    for text, expected in (
        (seconds.replace(tzinfo=None).isoformat() + "Z", seconds),
        (millis.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z", millis),
        (moment.isoformat(timespec="microseconds"), moment),
    ):
        assert read({"sid": "IM", "date_created": text}).date_created == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2015-12-16T22:18:37", "expected a date and time with a zone, got one without"),
        ("2015-12-16", "expected a date and time with a zone, got one without"),
        ("", "expected an ISO 8601 date and time, got another string"),
        ("soon", "expected an ISO 8601 date and time, got another string"),
        ("2015-13-16T22:18:37Z", "expected an ISO 8601 date and time, got another string"),
        ("2015-02-29T22:18:37Z", "expected an ISO 8601 date and time, got another string"),
        ("Wed, 16 Dec 2015 22:18:37 GMT", "expected an ISO 8601 date and time, got another string"),
        ("22:18:37Z", "expected an ISO 8601 date and time, got another string"),
        ("2015-12-16T22:18:37Z\n", "expected an ISO 8601 date and time, got another string"),
        ("\x00", "expected an ISO 8601 date and time, got another string"),
    ],
)
def test_a_date_without_zone_or_sense_is_refused(text: str, reason: str) -> None:
    """A date without a zone is not guessed at, and what is no date is no field."""
    error = refusal({"sid": "IM", "date_created": text})
    assert (error.field, error.message) == ("date_created", reason)


# ------------------------------------------------------------------------------------------------- attributes


@pytest.mark.parametrize("model", WITH_ATTRIBUTES)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, {}),
        ("", {}),
        ("{}", {}),
        ('{ "importance": "high" }', {"importance": "high"}),
        ("[1, 2.5, null, true]", [1, 2.5, None, True]),
        ('"text"', "text"),
        ("0", 0),
        ("null", None),
    ],
)
def test_attributes_are_parsed(model: type[Any], text: str | None, value: object) -> None:
    """``parsed_attributes`` gives the attributes as Python values, and {} where there are none."""
    item = attrs.evolve(read(sparse(model), model), attributes=text)
    assert item.parsed_attributes == value
    assert item.attributes == text


@pytest.mark.parametrize("model", WITH_ATTRIBUTES)
@pytest.mark.parametrize("text", ["{", "hunter2", "{'a': 1}", "NaN", "[" * 100_000])
def test_attributes_that_are_no_json_are_a_decode_error(model: type[Any], text: str) -> None:
    """Attributes that cannot be parsed raise a DecodeError that names them, and does not show them."""
    with pytest.raises(DecodeError) as caught:
        _ = attrs.evolve(read(sparse(model), model), attributes=text).parsed_attributes
    assert (caught.value.model, caught.value.field) == (model.__name__, "attributes")
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


# -------------------------------------------------------------------------------------- Python → wire: fields


class Plain(Enum):
    """An enum of the caller's own."""

    TEXT = "a text"
    NUMBER = 7


class Whole(IntEnum):
    """A whole number of the caller's own."""

    SEVEN = 7


class Nowhere(tzinfo):
    """A zone that does not know its offset, with which a datetime counts as naive."""

    def utcoffset(self, _: datetime | None) -> None:
        """Give none."""

    dst = tzname = utcoffset


def fields(**values: object) -> list[tuple[str, str]]:
    """Encode form fields, and read them as a server does."""
    return parse_qsl(encode_fields(values), keep_blank_values=True, strict_parsing=True)


@given(values=st.dictionaries(st.text(min_size=1), st.text(), min_size=1))
@example(values={"Body": "a+b & c=d;e%20f\r\n\x00é\U0001f600"})
@deterministic
def test_any_text_arrives_as_it_is(values: dict[str, str]) -> None:
    """Whatever text is in a form, names included, the server reads that text."""
    encoded = encode_fields(values)
    assert encoded.isascii()
    assert dict(parse_qsl(encoded, keep_blank_values=True, strict_parsing=True)) == values


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (None, []),
        ("", [""]),
        ("text", ["text"]),
        (True, ["true"]),
        (False, ["false"]),
        (0, ["0"]),
        (-5, ["-5"]),
        (10**30, [str(10**30)]),
        (ConversationState.ACTIVE, ["active"]),
        (ConversationState("Tomorrow"), ["Tomorrow"]),
        (Plain.TEXT, ["a text"]),
        (Plain.NUMBER, ["7"]),
        (Whole.SEVEN, ["7"]),
        (["a", "", "b"], ["a", "", "b"]),
        (deque(["a", "b"]), ["a", "b"]),
        (("a", True, 5, Order.ASC), ["a", "true", "5", "asc"]),
        (timedelta(0), ["PT0S"]),
        (timedelta(minutes=10), ["PT600S"]),
        (timedelta(days=400, seconds=1), ["PT34560001S"]),
        (datetime(2015, 12, 16, 22, 18, 37, 999999, tzinfo=UTC), ["2015-12-16T22:18:37Z"]),
        (datetime(2015, 12, 17, 0, 18, 37, tzinfo=timezone(timedelta(hours=2))), ["2015-12-16T22:18:37Z"]),
        (datetime(1, 1, 1, tzinfo=UTC), ["0001-01-01T00:00:00Z"]),
    ],
    ids=repr,
)
def test_a_value_has_one_form_on_the_wire(value: object, wire: list[str]) -> None:
    """None is left out, "" is sent, a list repeats its key, and each type has its form."""
    assert fields(Before="1", Field=value, After="2") == [
        ("Before", "1"),
        *(("Field", text) for text in wire),
        ("After", "2"),
    ]


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        Decimal(1),
        b"bytes",
        {"a": 1},
        {"a"},
        object(),
        date(2015, 12, 16),
        datetime(2015, 12, 16, 22, 18, 37),  # noqa: DTZ001  # naive is the point
        datetime(2015, 12, 16, 22, 18, 37, tzinfo=Nowhere()),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-1))),
        timedelta(seconds=-1),
        timedelta(seconds=1.5),
        timedelta(microseconds=1),
        [],
        (),
        [None],
        ["a", None],
        [["a"]],
        "\ud800",
        ["text", "half \udfff"],
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_value_that_cannot_be_sent_is_refused(value: object) -> None:
    """What has no form on the wire raises a ValueError that names the argument."""
    with pytest.raises(ValueError, match=r"^the_field ") as caught:
        encode_fields({"Before": "1", "The.Field": value})
    assert type(caught.value) is ValueError


@given(moment=st.datetimes(timezones=st.timezones()))
@example(moment=datetime(2024, 10, 27, 2, 30, tzinfo=timezone(timedelta(hours=2)), fold=1))
@deterministic
def test_any_aware_datetime_goes_out_as_utc(moment: datetime) -> None:
    """An aware datetime is sent as its second in UTC, or is refused at the ends of the calendar."""
    try:
        expected = moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        with pytest.raises(ValueError, match="DateCreated is out of range in UTC"):
            encode_datetime("DateCreated", moment)
        return
    text = encode_datetime("DateCreated", moment)
    assert len(text) == len("2015-12-16T22:18:37Z")
    assert datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z") == expected


@given(moment=st.datetimes())
@deterministic
def test_any_naive_datetime_is_refused(moment: datetime) -> None:
    """A naive datetime is never taken for UTC or for local time."""
    with pytest.raises(ValueError, match="date_created must be an aware datetime"):
        encode_datetime("DateCreated", moment)


# ---------------------------------------------------------------------------------------- Python → wire: JSON


@given(value=st.dictionaries(st.text(), json_values))
@example(value={"é": "\U0001f600\n\x00\u2028", "nested": {"list": [1, 2.5, None, True]}})
@deterministic
def test_any_mapping_of_json_arrives_as_it_is(value: dict[str, Any]) -> None:
    """Whatever JSON a mapping holds, the server reads that JSON out of the form."""
    (attributes,) = dict(fields(Attributes=encode_json("attributes", value))).values()
    assert json.loads(attributes) == value
    assert encode_json("attributes", MappingProxyType(value)) == attributes


@pytest.mark.parametrize(
    "text",
    ["{}", ' {"b": 1,\n"a":  1.0, "a": "\\u00e9é"} ', "[1]", '"text"', "5", "null", "true", '{"a": 1e5}'],
)
def test_a_string_of_json_is_sent_byte_for_byte(text: str) -> None:
    """A string that is JSON already is not written anew: its white space, order and escapes stay."""
    assert encode_json("attributes", text) is text


def test_no_attributes_are_not_sent() -> None:
    """None is no attributes, and an empty mapping clears them."""
    assert encode_json("attributes", None) is None
    assert encode_json("attributes", {}) == "{}"


CIRCLE: dict[str, Any] = {}
CIRCLE["again"] = CIRCLE


@pytest.mark.parametrize(
    "value",
    [
        "{",
        "hunter2",
        "{'hunter2': 1}",
        '{"hunter2": NaN}',
        "NaN",
        "Infinity",
        '{"a": 1} hunter2',
        "[" * 100_000,
        "\ud800",
        '"\ud800"',
        {"hunter2": float("nan")},
        {"a": float("inf")},
        {"a": [float("-inf")]},
        {"a": {"hunter2"}},
        {"a": b"hunter2"},
        {"a": datetime(2015, 12, 16, tzinfo=UTC)},
        {"a": Decimal(1)},
        {("hunter2",): 1},
        {b"hunter2": 1},
        CIRCLE,
        [1],
        ("a", 1),
        {"a"},
        b"{}",
        5,
        True,
        object(),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_is_no_json_is_refused(value: Any) -> None:
    """What is neither a mapping of JSON nor JSON text is refused by name, and is not shown."""
    with pytest.raises(ValueError, match=r"^attributes (is not JSON|must be a mapping)") as caught:
        encode_json("attributes", value)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_written_as_the_api_writes_it(model: type[Any]) -> None:
    """A model becomes one line of JSON with the names of the wire, and reads back as the same model."""
    full = sample(model)
    for body in full, sparse(model):
        value = read(body, model)
        text = encode_model(value)
        assert json.loads(text).keys() == full.keys()
        assert "\n" not in text
        assert read(text.encode(), model) == value


def test_a_written_model_keeps_its_characters() -> None:
    """Text outside ASCII is escaped and not lost, an unknown enum value is its text, a date has its zone."""
    value = read(
        {"sid": "CH", "friendly_name": "größe", "state": "Tomorrow", "date_created": DATE}, Conversation
    )
    written = encode_model(value)
    assert written.isascii()
    assert json.loads(written) | {
        "friendly_name": "größe",
        "state": "Tomorrow",
        "date_created": "2015-12-16T22:18:37Z",
    } == json.loads(written)


# --------------------------------------------------------------------------------------- Python → wire: flags


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (None, None),
        (True, "true"),
        (False, "false"),
        ("true", "true"),
        ("false", "false"),
        ("TRUE", "true"),
        ("False", "false"),
    ],
)
def test_a_flag_is_true_or_false(value: bool | str | None, wire: str | None) -> None:
    """A boolean header is ``true`` or ``false``, from a boolean or the plain string, or is not sent."""
    assert encode_flag("webhook_enabled", value) == wire


@pytest.mark.parametrize("value", ["maybe", "", "1", "yes", " true", 1, 0, 1.0, ["true"], b"true", object()])
def test_any_other_flag_is_refused(value: Any) -> None:
    """What is neither true nor false is not guessed at."""
    with pytest.raises(ValueError, match="webhook_enabled must be True, False"):
        encode_flag("webhook_enabled", value)

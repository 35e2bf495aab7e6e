"""How wire values become Python values and back; nothing else in the package knows.

In: JSON bytes → attrs classes, by the hooks of one cattrs converter, which leave nearly all of it to msgspec.
They are lenient about fields that are added, missing or null, and strict about what cannot be understood.
Out: Python values → form fields, query fields, headers.
"""

from __future__ import annotations

import json
import re
from asyncio import sleep
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from enum import Enum, StrEnum
from functools import cache
from keyword import iskeyword
from threading import Lock
from time import perf_counter as clock
from typing import TYPE_CHECKING, Annotated, Any, Final, Self, TypeVar, get_args, get_origin
from urllib.parse import urlencode

import attrs
import msgspec
from cattrs import Converter, override, transform_error
from cattrs.cols import (
    homogenous_tuple_structure_factory,
    is_mapping,
    list_structure_factory,
    mapping_structure_factory,
)
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

from ._json import NOT_JSON, loads, mend, no_json, pieces
from ._sealing import sealed
from .errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .response import Response

T = TypeVar("T")


class OpenEnum(StrEnum):
    """An enum of the API: known values have names, any case of them is the same; tomorrow's still decode."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        for known in cls:
            if known.value.lower() == value.lower():
                return known
        # not remembered: the number of values that a server may send is not ours to bound
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member

    def __reduce_ex__(self, _: object) -> tuple[Any, ...]:
        return type(self), (self.value,)


class Attributes:
    """What models share that carry the API's free-form ``attributes``."""

    __slots__ = ()

    attributes: str | None

    @property
    @sealed
    def parsed_attributes(self) -> Any:
        """The attributes as Python values; an empty dict where there are none.

        Raises:
            DecodeError: The attributes are not JSON. The API does not accept such ones.
        """
        try:
            return loads(self.attributes) if self.attributes else {}
        except ValueError as error:
            reason = str(error)
        raise DecodeError(message=reason, model=type(self).__name__, field="attributes")


# ---------------------------------------------------------------------------------------------- wire → Python


_JSON_TYPES = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def _check(value: Any, kind: type[Any]) -> None:
    """Refuse a JSON value of another type: neither ``"5"`` nor ``true`` is a number."""
    if type(value) is not kind:
        raise TypeError(f"expected {_JSON_TYPES[kind]}, got {_JSON_TYPES[type(value)]}")


def _plain(kind: type[T]) -> Callable[[Any, Any], T]:
    def structure(value: Any, _: Any) -> T:
        _check(value, kind)
        return value  # type: ignore[no-any-return]  # the line above made sure

    return structure


def _container(kind: type[Any], inner: Callable[[Any, Any], T]) -> Callable[[Any, Any], T]:
    def structure(value: Any, model: Any) -> T:
        _check(value, kind)
        return inner(value, model)

    return structure


#: A datetime that names its zone, as all of the API's do.
AwareDatetime = Annotated[datetime, msgspec.Meta(tz=True)]


def _datetime(value: Any, _: Any) -> datetime:
    """Read a date and time as RFC 3339 has it, which all of the API's forms do, or else ISO 8601."""
    _check(value, str)
    try:
        return msgspec.convert(value, AwareDatetime)
    except msgspec.ValidationError:
        pass
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("expected an ISO 8601 date and time, got another string") from None
    if moment.tzinfo is None:
        raise ValueError("expected a date and time with a zone, got one without")
    return moment


def _enum(value: Any, kind: type[OpenEnum]) -> OpenEnum:
    _check(value, str)
    return kind(value)


def _made_of(container: Any) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) is container


#: A boolean that the API writes as text: ``True`` or ``False``, with a capital.
TextFlag = Annotated[bool, "text"]


def _text_flag(value: Any, _: Any) -> bool:
    flag = {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value
    _check(flag, bool)
    return bool(flag)


def _wire_names(cls: type[Any]) -> dict[str, str]:
    """Map the wire's names of the fields to ours: ``from``, a Python keyword, is ``from_``."""
    return {name.rstrip("_"): name for name in attrs.fields_dict(attrs.resolve_types(cls)) if name != "extra"}


def _differs(cls: type[Any]) -> bool:
    """Say whether an object's members differ from the fields: one is renamed, or ``extra`` takes the rest."""
    return _wire_names(cls).keys() != attrs.fields_dict(cls).keys()


def _differs_within(kind: Any) -> bool:
    """Say so of any class that the fields of a class, or the parts of a type, are made of, at any depth."""
    parts = (
        [field.type for field in attrs.fields(attrs.resolve_types(kind))]
        if attrs.has(kind)
        else get_args(kind)
    )
    return any((attrs.has(part) and _differs(part)) or _differs_within(part) for part in parts)


def _arrange(cls: type[Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Rename the members of an object to the fields; the others go into ``extra``, where there is one."""
    names, gathers = _wire_names(cls), "extra" in attrs.fields_dict(cls)

    def arrange(value: dict[str, Any]) -> dict[str, Any]:
        fields = {names[name]: item for name, item in value.items() if name in names}
        if gathers:
            fields["extra"] = {name: item for name, item in value.items() if name not in names}
        return fields

    return arrange


def _spreading(unstructure: Callable[[Any], dict[str, Any]]) -> Callable[[Any], Any]:
    """Write what ``extra`` holds beside the other fields, where it came from; none of these gives way."""

    def spread(model: Any) -> Any:
        fields = unstructure(model)
        extra = fields.pop("extra")
        return fields | {name: value for name, value in extra.items() if name not in fields}

    return spread


_converter = Converter()
#: msgspec describes a class when it first meets it; a thread that used half of that would crash the process.
_first_time = Lock()


@_converter.register_structure_hook_factory(attrs.has)
def _structure_model(cls: type[Any]) -> Callable[[Any, Any], Any]:
    """Build a model from the bytes of JSON or, where these are read already, from an object.

    msgspec does so in one pass; what it refuses is read field by field. That takes more: null in a mapping,
    a flag that is text, unusual dates; and where something is wrong, it knows the path. What msgspec takes,
    the fields give the same. Of members that nobody reads it checks neither UTF-8 nor the range of numbers.
    """
    by_field = make_dict_structure_fn(cls, _converter)
    arrange = _arrange(cls) if _differs(cls) else None
    with _first_time:  # also where only ``convert`` is used below
        whole = None if _differs_within(cls) else msgspec.json.Decoder(cls)

    def structure(value: Any, _: Any) -> Any:
        if type(value) is bytes:
            if whole and not arrange:
                return whole.decode(value)
            value = loads(value)
        _check(value, dict)
        fields = arrange(value) if arrange else value
        if whole:
            with suppress(msgspec.ValidationError):
                return msgspec.convert(fields, cls)
        return by_field(fields, cls)

    return structure


@_converter.register_unstructure_hook_factory(attrs.has)
def _unstructure_model(cls: type[Any]) -> Callable[[Any], Any]:
    names: dict[str, Any] = {name: override(rename=wire) for wire, name in _wire_names(cls).items()}
    unstructure = make_dict_unstructure_fn(cls, _converter, **names)
    return _spreading(unstructure) if "extra" in attrs.fields_dict(cls) else unstructure


@_converter.register_structure_hook_factory(is_mapping)
def _structure_mapping(cls: type[Any]) -> Callable[[Any, Any], Any]:
    inner, (_, kind) = mapping_structure_factory(cls, _converter), get_args(cls)

    def without_null(value: dict[str, Any], _: Any) -> Any:
        return inner({key: item for key, item in value.items() if item is not None or kind is Any}, cls)

    return _container(dict, without_null)


@_converter.register_structure_hook_factory(_made_of(tuple))
def _structure_tuple(cls: type[Any]) -> Callable[[Any, Any], Any]:
    return _container(list, homogenous_tuple_structure_factory(cls, _converter))


@_converter.register_structure_hook_factory(_made_of(list))
def _structure_list(cls: type[Any]) -> Callable[[Any, Any], Any]:
    return _container(list, list_structure_factory(cls, _converter))


for _kind in str, int, bool:
    _converter.register_structure_hook(_kind, _plain(_kind))
_converter.register_structure_hook_func(lambda kind: kind == TextFlag, _text_flag)
_converter.register_structure_hook(datetime, _datetime)
_converter.register_structure_hook(OpenEnum, _enum)
_converter.register_structure_hook(str | tuple[str, ...], lambda value, _: value)  # part of an ``extra``
_converter.register_unstructure_hook(datetime, lambda moment: moment.isoformat().replace("+00:00", "Z"))


def _fault(error: BaseException) -> tuple[str, str]:
    """The first thing that is wrong in a value, and the path of the field."""

    def explain(inner: BaseException, _: object) -> str:
        return "missing" if isinstance(inner, KeyError) else str(inner)

    reason, _, path = transform_error(error, path="", format_exception=explain)[0].partition(" @ ")
    return path.removeprefix("."), reason


def decode(response: Response, model: type[T]) -> T:
    """Read the body of an answer into a model.

    Raises:
        DecodeError: It is no JSON, or not of that shape; the error names the model and the field.
    """
    value: T = _read(response, response.body, model, model.__name__)
    return value


def structure(members: dict[str, Any], model: type[T]) -> T:
    """Read the members of an object that is no answer of the API into a model.

    Raises:
        DecodeError: It is not of that shape; the error names the model and the field.
    """
    try:
        return _converter.structure(members, model)
    except Exception as error:  # noqa: BLE001  # cattrs raises groups of whatever the hooks raise
        path, reason = _fault(error)
    raise DecodeError(message=reason, model=model.__name__, field=path)


@attrs.frozen(kw_only=True)
class PageMeta:
    """The part of a page that says where the next one is."""

    #: Which member of the page holds the items.
    key: str | None = None
    page: int | None = None
    page_size: int | None = None
    next_page_url: str | None = None


@cache
def _page_of(model: type[Any], key: str) -> type[Any]:
    members = {"meta": attrs.field(type=PageMeta), key: attrs.field(type=list[model])}  # type: ignore[valid-type]  # a type made at run time
    return attrs.make_class("Page", members, frozen=True)


#: Seconds for which a page is read until others have a turn.
_TURN: Final = 0.005
#: A page of at most so many bytes is read at once: there is no room in it for what would take long.
_SMALL: Final = 50_000
#: So is one of at most so many bytes and objects, as a usual page of 1,000 messages is.
_AT_ONCE: Final = 1_500_000
_OBJECTS_AT_ONCE: Final = 4_000
#: Of how many bytes of a list the elements are found at once.
_PORTION: Final = 64 * 1024
#: Within a text there would be a backslash before the quote.
_BETWEEN_OBJECTS: Final = re.compile(rb'\}\s*,(?=\s*\{\s*")')
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements = msgspec.json.Decoder(list[msgspec.Raw])


async def decode_page(response: Response, model: type[T], key: str) -> tuple[list[T], PageMeta]:
    """Read a page: its items, and where the next one is.

    Of a page that takes long, others have a turn after every item that ends later than 5 ms after the turn
    began. One item is read at once, however large it is.

    Args:
        key: The member that is expected to hold the items. If the page names another one, that is read.

    Raises:
        DecodeError: As ``decode``.
    """
    end = clock() + _TURN
    if _is_quick(response.body):
        with suppress(Exception):  # whatever is wrong, the slower way below tells where
            page = _converter.structure(response.body, _page_of(model, key))  # type: ignore[arg-type]  # classes are hashable
            if page.meta.key == key:
                return getattr(page, key), page.meta
        end = await _give_way(end)
    envelope: dict[str, msgspec.Raw] | None = None
    with suppress(*NOT_JSON):
        envelope = _members.decode(response.body)
    end = await _give_way(end)
    if envelope is None:
        mended = bytearray()
        for piece in pieces(response.body):
            mended += mend(piece)
            end = await _give_way(end)
        envelope = _envelope(response, mended)
    if "meta" not in envelope:
        raise unreadable(response, "Page", "meta", "missing")
    meta: PageMeta = _read(response, envelope["meta"], PageMeta, "Page.meta")
    named = (
        [envelope[meta.key]] if meta.key in envelope else [envelope[key] for key in envelope if key != "meta"]
    )
    if len(named) != 1:
        raise unreadable(response, "Page", "meta.key", "it names no member, and no other is the only one")
    end = await _give_way(end)
    items: list[T] = []
    for portion in _portions(_list(response, named[0], model.__name__)):
        for element in portion:
            items.append(_read(response, element, model, model.__name__, f"[{len(items)}]"))
            end = await _give_way(end)
        end = await _give_way(end)
    return items, meta


def _is_quick(body: bytes) -> bool:
    """Say whether a page may be read at once: what takes long is to make objects, and size does not tell."""
    return len(body) <= _SMALL or (len(body) <= _AT_ONCE and body.count(b"{") <= _OBJECTS_AT_ONCE)


async def _give_way(end: float) -> float:
    """Let others have a turn, if ours has ended; give the time at which ours ends."""
    if clock() < end:
        return end
    await sleep(0)
    return clock() + _TURN


def _envelope(response: Response, body: bytes | bytearray) -> dict[str, msgspec.Raw]:
    """Find the members of a page; none, if it is no object."""
    try:
        return _members.decode(body)
    except msgspec.ValidationError:
        return {}
    except NOT_JSON as error:
        reason = no_json(error)
    raise _illegible(response, "Page", "", reason)


def _list(response: Response, value: msgspec.Raw, name: str) -> bytes:
    """Give the text of a list; refuse that of anything else."""
    text = bytes(value).lstrip()
    if not text.startswith(b"["):
        # which says what it is instead; of an object, nobody needs to know what is in it
        found = {} if text.startswith(b"{") else _load(response, text, name)
        _structured(response, found, list[Any], name)
    return text


def _portions(text: bytes) -> Iterator[list[msgspec.Raw]]:
    """Find the elements of a list, some at a time; an empty portion lets others have a turn.

    Where the text is cut between two objects, that may be within an element. Then what is before is no list,
    and the cut is tried farther on.
    """
    start, size = 1, _PORTION
    while cut := _BETWEEN_OBJECTS.search(text, start + size):
        portion: list[msgspec.Raw] = []
        size *= 2
        with suppress(*NOT_JSON):
            portion = _elements.decode(b"[%b]" % text[start : cut.end() - 1])
            start, size = cut.end(), _PORTION
        yield portion
    yield _elements.decode(b"[" + text[start:])


def _read(response: Response, value: bytes | msgspec.Raw, shape: Any, name: str, place: str = "") -> Any:
    """Read an answer, or the part of it of which ``place`` says where it is."""
    text = bytes(value)
    with suppress(Exception):  # whatever is wrong, the slower way below tells where
        return _converter.structure(text, shape)  # in one pass
    return _structured(response, _load(response, text, name, place), shape, name, place)


def _load(response: Response, text: bytes, name: str, place: str = "") -> Any:
    try:
        return loads(text)
    except ValueError as error:
        reason = str(error)
    raise _illegible(response, name, place, reason)


def _structured(response: Response, value: Any, shape: Any, name: str, place: str = "") -> Any:
    try:
        return _converter.structure(value, shape)
    except Exception as error:  # noqa: BLE001  # cattrs raises groups of whatever the hooks raise
        path, reason = _fault(error)
    dot = "." if place and path and not path.startswith("[") else ""
    raise unreadable(response, name, f"{place}{dot}{path}", reason)


def _illegible(response: Response, model: str, field: str, reason: str) -> DecodeError:
    kind = response.headers.get("Content-Type", "no content type")
    return unreadable(response, model, field, f"the body ({len(response.body)} bytes, {kind}) is {reason}")


def unreadable(response: Response, model: str, field: str, reason: str) -> DecodeError:
    """Make the error of an answer that cannot be read into a model, because of a field."""
    return DecodeError(
        message=reason,
        model=model,
        field=field,
        method=response.method,
        path=response.path,
        status=response.status,
        request_id=response.request_id,
        attempts=response.attempts,
        ambiguous=response.method != "GET",
    )


# ---------------------------------------------------------------------------------------------- Python → wire


def encode_fields(fields: Mapping[str, object]) -> str:
    """Encode form or query fields. None is left out, ``""`` is sent, a list repeats its key.

    Raises:
        ValueError: A value cannot be sent; the message names its field.
    """
    given = ((name, value) for name, value in fields.items() if value is not None)
    return urlencode([(name, text) for name, value in given for text in _texts(name, value)])


def _texts(name: str, value: object) -> Iterator[str]:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        if not value:
            # the wire cannot tell it from None: whoever means "none of them" would get all
            raise ValueError(f"{_argument(name)} must not be an empty list")
        yield from (_text(name, item) for item in value)
    else:
        yield _text(name, value)


def _text(name: str, value: object) -> str:
    match value:
        case Enum():
            return str(value.value)
        case str():
            return check_characters(name, value)
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case datetime():
            return encode_datetime(name, value)
        case date():
            raise ValueError(f"{_argument(name)} must be an aware datetime, got a date")
        case timedelta():
            return _encode_duration(name, value)
    raise ValueError(f"{_argument(name)} cannot be a {type(value).__name__}")


def _argument(name: str) -> str:
    """Give the keyword of a field: ``timers_inactive`` of ``Timers.Inactive``, ``from_`` of ``From``."""
    plain = re.sub(r"\.|(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return plain + "_" * iskeyword(plain)


def check_characters(name: str, value: str) -> str:
    """Return a text that can be sent.

    Raises:
        ValueError: It holds half of a surrogate pair; the message names it.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        pass  # it holds the text: it must not become the context of what is raised
    else:
        return value
    raise ValueError(f"{_argument(name)} holds half of a surrogate pair, which is no character")


def encode_datetime(name: str, value: datetime) -> str:
    """Write an aware datetime as the API does: UTC, whole seconds (a fraction is dropped), Z.

    Raises:
        ValueError: It is naive, or too near to the first or last year to be moved to UTC.
    """
    if value.utcoffset() is None:
        raise ValueError(f"{_argument(name)} must be an aware datetime, got a naive one: add tzinfo")
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{_argument(name)} is out of range in UTC") from None
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _encode_duration(name: str, value: timedelta) -> str:
    seconds = value.total_seconds()
    if seconds < 0 or seconds != int(seconds):
        raise ValueError(f"{_argument(name)} must be a whole number of seconds and not negative")
    return f"PT{int(seconds)}S"


def encode_json(name: str, value: str | Mapping[str, Any] | None) -> str | None:
    """Write a mapping as JSON text; a string must be JSON already and is sent as it is.

    Raises:
        ValueError: It is not JSON; the message names the argument, and never shows the value.
    """
    if value is None:
        return None
    reason = f", got a {type(value).__name__}"
    try:
        if isinstance(value, str):
            loads(value)
            return value
        if isinstance(value, Mapping):
            return json.dumps(dict(value), ensure_ascii=False, allow_nan=False, default=_as_dict)
    except (TypeError, ValueError, RecursionError) as error:
        reason = f": {error}"
    raise ValueError(f"{name} must be a mapping or a string of JSON{reason}")


def _as_dict(value: object) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"JSON has no {type(value).__name__}")


def encode_model(model: object) -> str:
    """Write a model as one line of JSON, with the names of the wire; in ASCII, which any pipe takes."""
    return json.dumps(_converter.unstructure(model))


def encode_flag(name: str, value: bool | str | None) -> str | None:
    """Write a boolean header.

    Raises:
        ValueError: It is neither a boolean nor ``"true"`` or ``"false"``.
    """
    text = _text(name, value).lower() if isinstance(value, bool | str) else value
    if text not in ("true", "false", None):
        raise ValueError(f'{name} must be True, False, "true" or "false"')
    return text

"""Which event do the parameters of a request tell?"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, fields_dict, resolve_types

from .._json import loads
from .._sealing import sealed
from ..converter import check_characters, structure
from ..errors import DecodeError
from ..resources.messages import Media
from ._params import multi_values
from .events import EVENTS, Event, UnknownEvent, wire_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._params import Params


@sealed
def parse_event(params: Params) -> Event:
    """Read the parameters of a request, whose signature is known to be good, into an event.

    Texts stay as they are. Anything else that is empty counts as left out. What cannot be read, such as a
    number that is none, is in ``extra`` as it came: no event is lost for one of its details. A parameter that
    is there several times is one if its values are equal: the signature does not cover how often it was sent.

    Args:
        params: A mapping of names to texts or to sequences of texts, a multi-dict, or pairs of name and text.

    Returns:
        An event of one of the classes in ``EVENTS``, or an ``UnknownEvent``.

    Raises:
        DecodeError: There is no ``EventType``, a SID is missing or empty, or one parameter has several
            values; ``field`` has its name on the wire. The message shows no value.
        TypeError: These are no parameters.
    """
    given = multi_values(params)
    model: type[Event] = Event
    known: dict[str, Any] = {}
    extra: dict[str, str | tuple[str, ...]] = {}
    name = "EventType"
    try:
        model = EVENTS.get(_required(given.get(name, [""])), UnknownEvent)
        parameters = _parameters(model)  # type: ignore[arg-type]  # classes are hashable
        for name, values in given.items():
            if name not in parameters:
                extra[name] = values[0] if len(values) == 1 else tuple(values)
                continue
            key, read = parameters[name]
            try:
                known[key] = read(values)
            except ValueError:
                if read is _required:
                    raise
                extra[name] = _text(values)
    except ValueError as error:
        reason = str(error)
    else:
        event = _structure(known, model, given, extra)
        return evolve(event, extra=extra) if extra else event
    raise DecodeError(message=reason, model=model.__name__, field=name)


def _structure(
    known: dict[str, Any],
    model: type[Event],
    given: Mapping[str, list[str]],
    extra: dict[str, str | tuple[str, ...]],
) -> Event:
    """Build an event of what can be read; leave the rest as it is."""
    while True:
        try:
            return structure(known, model)
        except DecodeError as error:
            key = re.split(r"\W", error.field)[0]
            name = error.field = wire_name(key)
            if key not in known:
                raise
            del known[key]
            extra[name] = given[name][0]


@cache
def _parameters(model: type[Event]) -> dict[str, tuple[str, Callable[[list[str]], Any]]]:
    """Map the names on the wire to those of the fields, and to what makes their JSON of a list of texts."""
    return {
        wire_name(name): (name, _READERS.get(one.type, _other))
        for name, one in fields_dict(resolve_types(model)).items()
        if name != "extra"
    }


def _text(values: list[str]) -> str:
    if len(values) > 1 and len(set(values)) > 1:
        raise ValueError("there several times, with different values")
    return values[0]


def _required(values: list[str]) -> str:
    if not (text := _text(values)):
        raise ValueError("missing or empty")
    return text


def _other(values: list[str]) -> str | None:
    return check_characters("it", _text(values)) or None


def _whole(values: list[str]) -> int | str | None:
    """Make a number of digits; the converter says what is wrong with anything else."""
    text = _other(values)
    return int(text) if text and _DIGITS.fullmatch(text) else text


def _media(values: list[str]) -> Any:
    text = _other(values)
    items = None if text is None else loads(text)
    if isinstance(items, list):
        return [_item(item) for item in items]
    return [] if items is None else items


def _item(item: Any) -> Any:
    """Give the members of a file the names that they have elsewhere in the API."""
    if not isinstance(item, dict):
        return item
    named = {_MEDIA.get(name, name): value for name, value in item.items()}
    if isinstance(size := named.get("size"), str):
        named["size"] = _whole([size])
    return named


#: More would be no number that the API can mean.
_DIGITS: Final = re.compile(r"-?[0-9]{1,18}")
_MEDIA: Final = {wire_name(name): name for name in fields_dict(Media)}
_READERS: Final[Mapping[Any, Callable[[list[str]], Any]]] = {
    str: _required,
    str | None: _text,
    int | None: _whole,
    tuple[str, ...]: list,
    tuple[Media, ...]: _media,
}

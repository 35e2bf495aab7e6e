"""What does a seed say? What is there from the start.

A seed is one JSON object. Its names are those of v1's collections, in snake case, with the collections below
them inside, and of the parameters as the client spells them::

    {"conversations": [{"unique_name": "support", "participants": [{"identity": "smee"}],
                        "messages": [{"author": "smee", "body": "Ahoy!", "attributes": {"mood": "good"}}]}]}

What is not said to be in a service is in the default one. Anything may be given a ``sid``. What only an
update takes may be given, too, and so may any ``state``: a conversation is closed after all else is made.
"""

import json
import os
import re
from collections.abc import Mapping
from typing import Any, Final, Self

from attrs import define, field, frozen

from .documents import at, inside, is_text, join, load, unknown, wrong
from .resource import Param, Resource, Verb
from .resources import SERVICES, VERSIONS
from .wire import is_sid

#: What others on its level need is made before them: roles before users, participants before messages.
_FIRST: Final = ("services", "roles", "configuration", "users", "participants")
#: Of whose path the last segment does not tell what it is.
_KEYS: Final = {"Configuration/Webhooks": "webhook_configuration"}
#: May be given as an object.
_JSON: Final = frozenset({"Attributes", "ContentVariables"})
#: Is set when all else is made: what is closed takes nothing more, and a message wakes what is inactive.
_LAST: Final = frozenset({"State"})

_Form = dict[str, list[str]]


@define(kw_only=True, eq=False)
class Seed:
    """Something to make, or to change where there is one of it anyway; or, at the top, all of it."""

    place: str
    resource: Resource | None
    sid: str | None = None
    #: With which parameters it is made, and which it is given when all else is made.
    form: _Form = field(factory=dict)
    later: _Form = field(factory=dict)
    below: "list[Seed]" = field(factory=list)
    #: What all of it was read from.
    file: str | None = None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])\.?(?=[A-Z])", "_", name).lower()


def _key(resource: Resource) -> str:
    return _KEYS.get(resource.path) or _snake(resource.path.rpartition("/")[2])


def _can_be_made(resource: Resource) -> bool:
    return bool(resource.update if resource.is_single else resource.create and Verb.LIST in resource.verbs)


def _turn(resource: Resource) -> tuple[int, int]:
    key = _key(resource)
    return len(resource.line), [*_FIRST, key].index(key)


#: In the order in which they are made.
RESOURCES: Final = sorted(filter(_can_be_made, VERSIONS[0].resources), key=_turn)


@frozen(kw_only=True, eq=False)
class _Words:
    """What an object in a seed may say, by the names there."""

    #: None: the object is the seed itself.
    resource: Resource | None
    made_with: Mapping[str, Param]
    changed_to: Mapping[str, Param]
    below: Mapping[str, Resource]
    #: Of the SID that it may have; None: it may have none.
    prefix: str | None

    @classmethod
    def of(cls, resource: Resource | None) -> Self:
        is_single = resource is None or resource.is_single
        create, update = ((), ()) if resource is None else (resource.create, resource.update)
        at_once = [each for each in (update if is_single else create) if each.wire not in _LAST]
        made_with = {_snake(each.wire): each for each in at_once}
        return cls(
            resource=resource,
            made_with=made_with,
            changed_to={name: each for each in update if (name := _snake(each.wire)) not in made_with},
            below={_key(each): each for each in RESOURCES if _is_below(each, resource)},
            prefix=None if resource is None or is_single else resource.prefix,
        )


def _is_below(resource: Resource, parent: Resource | None) -> bool:
    in_default = parent is None and resource.parent is SERVICES and resource.has_shortcut
    return in_default or resource.parent is parent


def read(data: Any) -> Seed:
    """Read a seed. Whether the rules allow it is seen when it is planted.

    Raises:
        ValueError: Something in it is wrong. The line begins with the place.
    """
    return _read(data, "", _Words.of(None))


def read_from(source: Mapping[str, Any] | str | os.PathLike[str]) -> Seed:
    """Read a seed, or the file that holds it.

    Raises:
        ValueError: As ``read`` says; or the file cannot be read. The name of a file comes first.
    """
    if not isinstance(source, (str, os.PathLike)):
        return read(source)
    content, file = load(source), os.fspath(source)
    with inside(file):
        seed = read(content)
    seed.file = file
    return seed


def _read(value: Any, place: str, words: _Words) -> Seed:
    if not isinstance(value, Mapping):
        raise wrong(place or "seed", "an object", value)
    seed = Seed(place=place, resource=words.resource)
    for name, inner in value.items():
        here = join(place, name)
        if name in words.made_with:
            seed.form |= _read_parameter(inner, here, words.made_with[name])
        elif name in words.changed_to:
            seed.later |= _read_parameter(inner, here, words.changed_to[name])
        elif name in words.below:
            seed.below += _read_below(inner, here, words.below[name])
        elif name == "sid" and words.prefix is not None:
            seed.sid = _read_sid(inner, here, words.prefix)
        else:
            own = () if words.prefix is None else ("sid",)
            raise unknown(place, name, (*words.made_with, *words.changed_to, *words.below, *own))
    return seed


def _read_below(value: Any, place: str, resource: Resource) -> list[Seed]:
    if value is None:
        return []
    words = _Words.of(resource)
    if resource.is_single:
        return [_read(value, place, words)]
    if not isinstance(value, (list, tuple)):
        raise wrong(place, "a list", value)
    return [_read(item, f"{place}[{index}]", words) for index, item in enumerate(value)]


def _read_sid(value: Any, place: str, prefix: str) -> str | None:
    if value is not None and not (isinstance(value, str) and is_sid(value, prefix)):
        raise ValueError(f"{place}: must be {prefix} and 32 hexadecimal digits")
    return value


def _read_parameter(value: Any, place: str, parameter: Param) -> _Form:
    if value is None:
        return {}
    items = {place: value}
    if parameter.repeated and isinstance(value, (list, tuple)):
        items = {f"{place}[{index}]": item for index, item in enumerate(value)}
    texts = [_read_text(item, where, parameter) for where, item in items.items()]
    return {parameter.wire: texts} if texts else {}


def _read_text(value: Any, place: str, parameter: Param) -> str:
    """Write a value as a form has it, and see that it could be read from there."""
    text, is_number = value, isinstance(value, (bool, int, float))
    if is_number or (isinstance(value, Mapping) and parameter.wire in _JSON):
        try:
            text = json.dumps(value, ensure_ascii=False, default=dict)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{place}: cannot be written as JSON") from error
    wanted = "a text or an object" if parameter.wire in _JSON else "a text"
    if not isinstance(text, str):
        raise wrong(place, wanted, value)
    if not is_text(text):
        raise ValueError(f"{place}: holds half of a surrogate pair")
    with at(place):
        is_taken_as_text = isinstance(parameter.value(text), str)
    if is_number and is_taken_as_text:
        raise wrong(place, wanted, value)
    return text

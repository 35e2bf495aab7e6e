"""Which handlers are for an event? What a handler takes and gives is read from its signature, once."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from types import UnionType
from typing import (
    Any,
    Final,
    Generic,
    TypeAlias,
    TypedDict,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from attrs import fields_dict, frozen

from ..client import ConversationsClient
from .answers import Answer, allowed
from .events import Event

E = TypeVar("E", bound=Event)

#: Gives an event to the handler, or to the next middleware.
Next: TypeAlias = Callable[[Event], Awaitable[Any]]
#: Stands around a handler: gets the event and what comes next, and gives the answer.
Middleware: TypeAlias = Callable[[Event, Next], Awaitable[Any]]

#: All that can be said to an event.
ANSWERS: Final = get_args(Answer)


class Where(TypedDict, Generic[E], total=False):
    """The filters of ``Router.on``."""

    author: str | Collection[str] | None
    participant: str | Collection[str] | None
    when: Callable[[E], object] | None


@frozen(kw_only=True, eq=False)
class Filter:
    """What an event must be like for a handler to get it; None is no condition."""

    author: Collection[str] | None
    participant: Collection[str] | None
    when: Callable[[Any], object] | None

    def passes(self, event: Event) -> bool:
        """Say whether an event is like that."""
        for attribute, wanted in ("author", self.author), ("participant_sid", self.participant):
            if wanted is not None and getattr(event, attribute) not in wanted:
                return False
        said = self.when is None or self.when(event)
        if inspect.isawaitable(said):
            raise TypeError("what when gives is to be awaited: it must say so at once, by True or False")
        return bool(said)


@frozen(kw_only=True, eq=False)
class Handler:
    """A coroutine function that was registered, the events that it is for, and what it takes."""

    function: Callable[..., Awaitable[Any]]
    name: str
    events: tuple[type[Event], ...]
    takes_client: bool
    filter: Filter

    def is_for(self, event: Event) -> bool:
        """Say whether it gets an event; may raise what a predicate of the user's raises."""
        return isinstance(event, self.events) and self.filter.passes(event)

    def __call__(self, event: Event, client: ConversationsClient | None) -> Awaitable[Any]:
        """Call it.

        Raises:
            RuntimeError: It takes a client, and there is none.
        """
        if not self.takes_client:
            return self.function(event)
        if client is None:
            raise RuntimeError(
                f"{self.name} takes a client, and the router makes it when it is started: enter it, or give"
                " it a client"
            )
        return self.function(event, client)


def is_async(function: object) -> bool:
    """Say whether a function, or an object that is called like one, is to be awaited."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004  # what it is, not whether it is there
    )


def names(argument: str, value: str | Collection[str] | None, *, begins: str = "") -> frozenset[str] | None:
    """Read a filter that is one text or several.

    Raises:
        ValueError: It is neither, or there is none in it, or a text is empty or does not begin as it must.
    """
    if value is None:
        return None
    several = (value,) if isinstance(value, str) else value
    if not isinstance(several, Collection) or not several or not all(isinstance(one, str) for one in several):
        raise ValueError(f"{argument} must be a string or a list of at least one")
    if not all(one and one.startswith(begins) for one in several):
        kind = f"a SID ({begins}…)" if begins else "not empty"
        raise ValueError(f"each {argument} must be {kind}: nobody else's events would pass")
    return frozenset(several)


def register(function: Callable[..., Awaitable[Any]], event: type[Event] | None, filter: Filter) -> Handler:  # noqa: A002
    """Look at a handler, and at what it is registered for.

    Raises:
        TypeError: They do not fit; the message says why.
    """
    name = _name(function)
    # a decorator may make one of another function, or return what one gives
    if not inspect.iscoroutinefunction(_underlying(function, stop=inspect.iscoroutinefunction)):
        raise TypeError(f"{name} must be a coroutine function: async def")
    hints = _hints(function)
    takes = _positional(name, function, hints)
    first, *second = (hints.get(parameter, Any) for parameter in takes)
    events = _events(name, event, first)
    for given in second:
        if not _takes(given, ConversationsClient):
            raise TypeError(f"{name} takes the event and a ConversationsClient, not a {_shown(given)}")
    _check_answers(name, events, hints.get("return", Any))
    for argument, attribute in {"author": "author", "participant": "participant_sid"}.items():
        lacking = [one.__name__ for one in events if attribute not in fields_dict(one)]
        if getattr(filter, argument) is not None and lacking:
            raise TypeError(f"{name} cannot be filtered by {argument}: {lacking[0]} has none")
    return Handler(function=function, name=name, events=events, takes_client=bool(second), filter=filter)


def _positional(name: str, function: Callable[..., Any], hints: Mapping[str, Any]) -> list[str]:
    """Name the parameters that the event and, if there are two, the client are given to.

    One with a default gets the client only if its annotation says so.
    """
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    takes = [
        one.name
        for one in parameters
        if one.kind in kinds
        and (one.default is one.empty or ConversationsClient in _members(hints.get(one.name)))
    ]
    others = [one for one in parameters if one.kind is one.KEYWORD_ONLY and one.default is one.empty]
    if len(takes) not in (1, 2) or others:
        raise TypeError(
            f"{name} must take the event and, if it wants it, the client: async def {name}(event, client)"
        )
    return takes


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Resolve the annotations that can be resolved; one may name what is imported for type checkers only."""
    underlying = _underlying(function)
    resolved: dict[str, Any] = {}
    for name, annotation in inspect.get_annotations(underlying).items():
        holder = type("_", (), {"__annotations__": {name: annotation}})
        try:
            resolved |= get_type_hints(holder, globalns=getattr(underlying, "__globals__", {}))
        except Exception:  # noqa: BLE001, S112  # an annotation may be any expression
            continue
    return resolved


def _underlying(
    function: Callable[..., Any], stop: Callable[[Any], bool] | None = None
) -> Callable[..., Any]:
    """Give what is within partials and decorators."""
    function = _whole(function)
    is_function = inspect.isfunction(function) or inspect.ismethod(function)
    found: Callable[..., Any] = inspect.unwrap(
        function if is_function else type(function).__call__, stop=stop
    )
    return found


def _whole(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, partial):
        function = function.func
    return function


def _events(name: str, event: type[Event] | None, hint: Any) -> tuple[type[Event], ...]:
    if event is None:
        events = _members(hint)
        if not all(isinstance(one, type) and issubclass(one, Event) for one in events):
            raise TypeError(
                f"{name} does not say which events it is for: annotate the first parameter with their class,"
                " and import that at run time, too; or name it, as in @router.on(MessageAdded)"
            )
        return events
    if not _takes(hint, event):
        raise TypeError(f"{name} takes a {_shown(hint)}, and is registered for {event.__name__}")
    return (event,)


def _takes(hint: Any, kind: type[Any]) -> bool:
    return any(_is_open(one) or issubclass(kind, one) for one in _members(hint))


def _is_open(hint: Any) -> bool:
    """Say whether only a type checker can tell what fits; to issubclass, Any is a class like others."""
    return not isinstance(hint, type) or hint is Any or getattr(hint, "_is_protocol", False)


def _check_answers(name: str, events: tuple[type[Event], ...], hint: Any) -> None:
    for event in events:
        for answer in _members(hint):
            if answer in ANSWERS and answer not in allowed(event):
                raise TypeError(f"{name} answers {answer.__name__}, which {event.__name__} does not take")


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _shown(hint: Any) -> str:
    return " | ".join(getattr(one, "__name__", str(one)) for one in _members(hint))


def _name(function: Callable[..., Any]) -> str:
    function = _whole(function)
    return getattr(function, "__qualname__", type(function).__name__).rpartition("<locals>.")[2]

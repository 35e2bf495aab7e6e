"""What may a handler say to an action that is about to happen?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias, TypeVar

from attrs import asdict, evolve, field, frozen

from .._checks import check_whole
from ..converter import check_characters, encode_json
from .events import (
    ConversationAdd,
    ConversationUpdate,
    Event,
    MessageAdd,
    MessageUpdate,
    PreActionEvent,
)

T = TypeVar("T", bound=Event)


@frozen
class Accept:
    """Let it happen, as it was asked for."""


@frozen
class Reject:
    """Refuse it: nothing happens, and whoever asked gets an error (50056).

    Args:
        status: Any HTTP status from 400 to 599; the API makes no difference between them.

    Raises:
        ValueError: It is another one.
    """

    status: int = 403

    def __attrs_post_init__(self) -> None:
        check_whole("status", self.status, 400, 599)


def _text(_: object, attribute: Any, value: object) -> None:
    if not isinstance(value, str | None):
        raise ValueError(f"{attribute.name} must be a string or None, got a {type(value).__name__}")  # noqa: TRY004  # the contract
    check_characters(attribute.name, value or "")


def _json(value: str | Mapping[str, Any] | None) -> str | None:
    return encode_json("attributes", value)


@frozen(kw_only=True)
class _Change:
    """What is to be replaced; None leaves it as it is."""

    #: A mapping, or JSON text, which it is kept as.
    attributes: str | Mapping[str, Any] | None = field(default=None, converter=_json, validator=_text)

    def __attrs_post_init__(self) -> None:
        if not replaced(self):
            raise ValueError(f"{type(self).__name__}() replaces nothing; to let it happen, answer Accept()")


@frozen(kw_only=True)
class Modify(_Change):
    """Let a message be written, but another one. What the API refuses then makes the original call fail.

    Args:
        body: The text instead; ``""`` is an empty one.
        author: The author instead.
        attributes: A mapping, or JSON text, instead of the whole of the attributes.

    Raises:
        ValueError: Nothing is replaced, or something is no text, or the attributes are no JSON.
    """

    body: str | None = field(default=None, validator=_text)
    author: str | None = field(default=None, validator=_text)


@frozen(kw_only=True)
class ModifyConversation(_Change):
    """Let a conversation be made or changed, but another way.

    Args:
        friendly_name: The name instead.
        attributes: A mapping, or JSON text, instead of the whole of the attributes. The API's reference does
            not list it, but an official sample returns it.

    Raises:
        ValueError: As ``Modify``.
    """

    friendly_name: str | None = field(default=None, validator=_text)


#: What can be said to a message that is about to be written or changed; None is ``Accept()``.
MessageAnswer: TypeAlias = Accept | Modify | Reject | None
#: What can be said to a conversation that is about to be made or changed.
ConversationAnswer: TypeAlias = Accept | ModifyConversation | Reject | None
#: What can be said to everything else that is about to happen.
Verdict: TypeAlias = Accept | Reject | None
#: Any of them.
Answer: TypeAlias = Accept | Modify | ModifyConversation | Reject

_CHANGES: Final[Mapping[type[Event], type[_Change]]] = {
    MessageAdd: Modify,
    MessageUpdate: Modify,
    ConversationAdd: ModifyConversation,
    ConversationUpdate: ModifyConversation,
}


def allowed(event: type[Event]) -> tuple[type[Answer], ...]:
    """Say which answers an event takes: what has happened already takes none."""
    if not issubclass(event, PreActionEvent):
        return ()
    return (Accept, Reject, *((_CHANGES[event],) if event in _CHANGES else ()))


def changed(event: T, answer: Modify | ModifyConversation) -> T:
    """Give an event as it is after a change."""
    fields: dict[str, Any] = {**replaced(answer)}
    return evolve(event, **fields)


def merged(earlier: Answer, later: Modify | ModifyConversation) -> Answer:
    """Put two changes together; where both replace the same, the later one counts."""
    return type(later)(**((replaced(earlier) if isinstance(earlier, type(later)) else {}) | replaced(later)))


def replaced(change: _Change) -> dict[str, str]:
    """Give the fields that a change replaces, by the names that they have in the API, too."""
    return {name: value for name, value in asdict(change).items() if value is not None}

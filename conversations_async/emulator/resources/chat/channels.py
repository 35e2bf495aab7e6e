"""What does Chat do with a channel? It is a conversation; a public one is known to Chat alone."""

from collections.abc import Callable
from typing import Any, Final

from attrs import evolve

from ...errors import RequestError
from ...resource import Change, Filter, Param, Place, Resource, Verb, is_free
from ...store import Row
from ...wire import choice, is_sid, name, text
from ..conversations import CONVERSATIONS, still_open
from .shared import frame, keep

_LINKS: Final = {"members": "Members", "messages": "Messages", "invites": "Invites", "webhooks": "Webhooks"}


def _show_bare(row: Row, place: Place) -> dict[str, Any]:
    return {
        **frame(row, place),
        "friendly_name": row["friendly_name"],
        "unique_name": row["unique_name"],
        "attributes": row["attributes"],
        "type": row["type"],
        "created_by": row["created_by"],
        "members_count": row["members_count"],
        "messages_count": row["messages_count"],
    }


def _show(row: Row, place: Place) -> dict[str, Any]:
    links = frame(row, place, **_LINKS)["links"]
    return {**_show_bare(row, place), "links": {**links, "last_message": None}}


def _show_migrated(row: Row, place: Place) -> dict[str, Any]:
    return {**_show_bare(row, place), "messaging_service_sid": row["messaging_service_sid"]}


def _unique_name(limit: int) -> Callable[[str], str | None]:
    bounded = name(limit)

    def parse(value: str) -> str | None:
        if is_sid(value, "CH"):
            raise RequestError(50306)
        return bounded(value)

    return parse


def _parameters(limit: int) -> tuple[Param, ...]:
    return (
        Param("FriendlyName", "friendly_name", name(limit), 50003),
        Param("UniqueName", "unique_name", _unique_name(limit), 50004),
        # Assumed: the creator need not be a user, and its identity is as long as one may be.
        Param("CreatedBy", "created_by", text(256), 50207),
        *keep(CONVERSATIONS.create, "Attributes", "DateCreated", "DateUpdated"),
    )


def _is_public(change: Change) -> None:
    change.values.setdefault("type", "public")


_type = choice("public", "private")
_name_is_free = is_free("conversations", "unique_name", below="services", code=50307)

#: A channel as what is above members, messages and the like.
CHANNEL: Final[Resource] = evolve(CONVERSATIONS, path="Channels", verbs=frozenset(), only={})

CHANNELS: Final[Resource] = evolve(
    CHANNEL,
    table="channels",
    stored="conversations",
    name="chat.channels",
    key="channels",
    verbs=frozenset(Verb),
    show=_show,
    # Specified: names grow with an update.
    create=(Param("Type", "type", _type), *_parameters(64)),
    update=_parameters(256),
    # Specified: a list that does not say which has the public ones.
    filters=(Filter("Type", "type", _type, repeated=True, absent="public"),),
    # Assumed: the account's default timers are for what is made here, too.
    rules={
        Verb.CREATE: (_is_public, _name_is_free, *CONVERSATIONS.rules[Verb.CREATE]),
        Verb.UPDATE: (still_open, _name_is_free, *CONVERSATIONS.rules[Verb.UPDATE]),
    },
)

#: Version 3 has one operation: it makes a channel private, for Conversations to see it.
MIGRATION: Final[Resource] = evolve(
    CHANNELS,
    name="chat.v3.channels",
    verbs=frozenset({Verb.UPDATE}),
    show=_show_migrated,
    # Specified: neither must be given. Assumed: without the type, the channel stays as it is.
    update=(
        Param("Type", "type", choice("private"), 50393),
        *keep(CONVERSATIONS.update, "MessagingServiceSid"),
    ),
)

"""How does legacy Chat v2 see the same rows? A channel is a conversation."""

from typing import Any, Final

from attrs import evolve

from ..resource import Param, Place, Resource
from ..store import Row
from ..wire import text
from .conversations import CONVERSATIONS
from .messages import MESSAGES, show_media


def _show_message(row: Row, place: Place) -> dict[str, Any]:
    channel_sid = place.above["conversations"]["sid"]
    return {
        **place.frame(row),
        "service_sid": place.above["services"]["sid"],
        "to": channel_sid,
        "channel_sid": channel_sid,
        "last_updated_by": row["last_updated_by"],
        "was_edited": bool(row["edited"]),
        "from": row["author"],
        "attributes": row["attributes"],
        "body": row["body"],
        "index": row["position"],
        "type": "text" if row["media_sid"] is None else "media",
        "media": show_media(row),
    }


def _in_chat(parameters: tuple[Param, ...]) -> tuple[Param, ...]:
    shared = ("Attributes", "DateCreated", "DateUpdated", "MediaSid")
    return (
        Param("From", "author", text(256), 50310),
        Param("LastUpdatedBy", "last_updated_by", text(256)),
        Param("Body", "body", text(32 * 1024), 50504),
        *(parameter for parameter in parameters if parameter.wire in shared),
    )


_CHANNELS: Final = evolve(CONVERSATIONS, path="Channels", verbs=frozenset(), name="chat.channels", only={})

CHAT_MESSAGES: Final[Resource] = evolve(
    MESSAGES,
    parent=_CHANNELS,
    show=_show_message,
    name="chat.messages",
    create=_in_chat(MESSAGES.create),
    update=_in_chat(MESSAGES.update),
)

"""What does Chat do with a message?"""

from typing import Any, Final

from attrs import evolve

from ...resource import Param, Place, Resource
from ...store import Row
from ...wire import text
from ..messages import MESSAGES, show_media
from .channels import CHANNEL
from .shared import frame, keep


def _show(row: Row, place: Place) -> dict[str, Any]:
    return {
        **frame(row, place),
        "to": place.above["conversations"]["sid"],
        "last_updated_by": row["last_updated_by"],
        "was_edited": bool(row["edited"]),
        "from": row["author"],
        "attributes": row["attributes"],
        "body": row["body"],
        "index": row["position"],
        "type": "text" if row["media_sid"] is None else "media",
        "media": show_media(row),
    }


def _parameters(theirs: tuple[Param, ...]) -> tuple[Param, ...]:
    return (
        Param("From", "author", text(256), 50310),
        Param("LastUpdatedBy", "last_updated_by", text(256), 50505),
        Param("Body", "body", text(32 * 1024), 50504),
        *keep(theirs, "Attributes", "DateCreated", "DateUpdated", "MediaSid"),
    )


CHAT_MESSAGES: Final[Resource] = evolve(
    MESSAGES,
    parent=CHANNEL,
    show=_show,
    name="chat.messages",
    create=_parameters(MESSAGES.create),
    update=_parameters(MESSAGES.update),
)

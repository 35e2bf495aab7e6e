"""What does the API do with a delivery receipt? It shows it; sending a message makes it."""

from typing import Any, Final

from ..resource import READ_ONLY, Place, Resource
from ..store import Row
from .messages import MESSAGES


def _show(row: Row, place: Place) -> dict[str, Any]:
    return {
        **place.frame(row),
        **place.service(),
        "conversation_sid": place.above["conversations"]["sid"],
        "message_sid": place.above["messages"]["sid"],
        "channel_message_sid": row["channel_message_sid"],
        "participant_sid": row["participant_sid"],
        "status": row["status"],
        "error_code": row["error_code"],
    }


RECEIPTS: Final = Resource(
    path="Receipts",
    table="receipts",
    key="delivery_receipts",
    prefix="DY",
    show=_show,
    parent=MESSAGES,
    verbs=READ_ONLY,
)

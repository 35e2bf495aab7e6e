"""What does the API do with a delivery receipt? It shows it; sending a message makes it."""

from typing import Any, Final

from ..acts import Act
from ..resource import READ_ONLY, Place, Resource
from ..store import Row
from .messages import MESSAGES, tell_delivery


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


def advance(act: Act, receipt: Row) -> None:
    """Bring a message one step further on its way to a phone, or let it fail."""
    store = act.store
    message = store.get("messages", id=receipt["parent"])
    conversation = store.get("conversations", id=message["parent"])
    above = {"services": store.get("services", id=conversation["parent"]), "conversations": conversation}
    values: dict[str, Any] = {"updated": act.now, "due": None}
    status = act.carrier.steps[receipt["status"]][1]
    participant = store.find("participants", sid=receipt["participant_sid"])
    failure = participant and status == "delivered" and act.carrier.outcome(participant["address"])
    if failure:
        values["status"], values["error_code"] = failure
    else:
        values["status"] = status
        if status in act.carrier.steps:
            values["due"] = act.now + act.carrier.steps[status][0]
    store.update("receipts", receipt["id"], values)
    tell_delivery(act, store.get("receipts", id=receipt["id"]), message, above)


RECEIPTS: Final = Resource(
    path="Receipts",
    table="receipts",
    key="delivery_receipts",
    prefix="DY",
    show=_show,
    parent=MESSAGES,
    verbs=READ_ONLY,
)

"""What does the API do with a conversation?"""

from typing import Any, Final

from ..errors import RequestError
from ..resource import DATES, Change, Filter, Param, Place, Resource, Verb, is_free
from ..store import Row
from ..wire import (
    choice,
    is_sid,
    json_text,
    name,
    parse_last_moment,
    parse_timestamp,
    sid,
    text,
    timer,
    timestamp,
)
from .services import SERVICES

_STATES: Final = ("active", "inactive", "closed")
_LINKS: Final = {
    "participants": "Participants",
    "messages": "Messages",
    "webhooks": "Webhooks",
    "export": "Export",
}


def _show(row: Row, place: Place) -> dict[str, Any]:
    email = {"projected_address": row["email_address"], "name": row["email_name"]}
    return {
        **place.frame(row, **_LINKS),
        "chat_service_sid": place.above["services"]["sid"],
        "messaging_service_sid": row["messaging_service_sid"],
        "friendly_name": row["friendly_name"],
        "unique_name": row["unique_name"],
        "attributes": row["attributes"],
        "state": row["state"],
        "timers": {
            f"date_{name}": timestamp(row["last_activity"] + row[f"timer_{name}"])
            for name in ("inactive", "closed")
            if row[f"timer_{name}"] is not None
        },
        # The API makes an address of its own from the one given (with a plus and digits). Here it is kept.
        "bindings": {"email": email} if row["email_address"] else {},
    }


def _state(value: str) -> str:
    if not value:
        raise RequestError(50374)
    return choice(*_STATES)(value)


def _unique_name(value: str) -> str | None:
    if is_sid(value, "CH"):
        raise RequestError(50390)
    return value or None


def _not_closed_at_first(change: Change) -> None:
    if change.get("state") == "closed":
        raise RequestError(50384)


def _still_open(change: Change) -> None:
    if change.row is not None and change.row["state"] == "closed":
        raise RequestError(50377)


def _start_timers(change: Change) -> None:
    # Both timers count from one moment: the update that set them, or the last message since.
    if change.row is None or not change.values.keys().isdisjoint({"timer_inactive", "timer_closed"}):
        change.values["last_activity"] = change.get("updated")


def conversation_is_open(change: Change) -> None:
    """Refuse to write anything into a closed conversation."""
    if change.above["conversations"]["state"] == "closed":
        raise RequestError(50377)


def wake_conversation(change: Change) -> None:
    """Make an inactive conversation active again and start its timers anew."""
    conversation = change.above["conversations"]
    values: dict[str, Any] = {"last_activity": change.now}
    if conversation["state"] == "inactive":
        values |= {"state": "active", "updated": change.now}
    change.store.update("conversations", conversation["id"], values)


_name_is_free = is_free("conversations", "unique_name", below="services", code=50353)

_PARAMETERS: Final = (
    Param("FriendlyName", "friendly_name", name(256), 50003),
    Param("UniqueName", "unique_name", _unique_name),
    *DATES,
    Param("MessagingServiceSid", "messaging_service_sid", sid("MG"), 50341),
    Param("Attributes", "attributes", json_text(limit=16 * 1024)),
    Param("State", "state", _state, 50378),
    Param("Timers.Inactive", "timer_inactive", timer(minutes=1, too_short=50375, malformed=50379)),
    Param("Timers.Closed", "timer_closed", timer(minutes=10, too_short=50376, malformed=50380)),
    Param("Bindings.Email.Address", "email_address", name(256)),
    Param("Bindings.Email.Name", "email_name", text(256)),
)

CONVERSATIONS: Final = Resource(
    path="Conversations",
    table="conversations",
    key="conversations",
    prefix="CH",
    show=_show,
    parent=SERVICES,
    alias="unique_name",
    create=_PARAMETERS,
    update=_PARAMETERS,
    filters=(
        Filter("StartDate", "created", parse_timestamp, comparison=">="),
        Filter("EndDate", "created", parse_last_moment, comparison="<="),
        Filter("State", "state", choice("initializing", *_STATES)),
    ),
    # Inferred from page tokens seen in the wild, which name the state, the time and the SID. In place of
    # the SID stands the row's number, so that conversations of one millisecond are listed in the order of
    # their making.
    order=("state", "created", "id"),
    rules={
        Verb.CREATE: (_not_closed_at_first, _name_is_free, _start_timers),
        Verb.UPDATE: (_still_open, _name_is_free, _start_timers),
    },
)

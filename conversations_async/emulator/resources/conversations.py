"""What does the API do with a conversation?"""

from collections.abc import Mapping
from typing import Any, Final

from ..acts import Act
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
    webhook_time,
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
        "timers": show_timers(row),
        # The API makes an address of its own from the one given (with a plus and digits). Here it is kept.
        "bindings": {"email": email} if row["email_address"] else {},
    }


def show_timers(row: Row) -> dict[str, Any]:
    """Show when the timers of a conversation end."""
    return {
        f"date_{name}": timestamp(row["last_activity"] + row[f"timer_{name}"])
        for name in TIMERS
        if row[f"timer_{name}"] is not None
    }


def _tell(row: Row, above: Mapping[str, Row]) -> dict[str, str | None]:
    return {
        "ConversationSid": row["sid"],
        "FriendlyName": row["friendly_name"],
        "UniqueName": row["unique_name"],
        "Attributes": row["attributes"],
        "ChatServiceSid": above["services"]["sid"],
        "MessagingServiceSid": row["messaging_service_sid"],
        "State": row["state"],
    }


def tell_state(act: Act, above: Mapping[str, Row], row: Row, *, came_from: str, reason: str) -> None:
    """Tell of a conversation whose state has changed."""
    told = {
        **_tell(row, above),
        "StateFrom": came_from,
        "StateTo": row["state"],
        "StateUpdated": webhook_time(act.now),
        "Reason": reason,
    }
    act.after("onConversationStateUpdated", told, {**above, "conversations": row})


def _move(act: Act, above: Mapping[str, Row], row: Row, state: str, *, reason: str, **values: Any) -> None:
    changed = {"state": state, "updated": act.now, **values}
    act.store.update("conversations", row["id"], changed)
    moved = act.store.get("conversations", id=row["id"])
    tell_state(act, above, moved, came_from=row["state"], reason=reason)


def fire_timer(act: Act, row: Row) -> None:
    """Do what the timer says that ends now."""
    closes = row["timer_closed"] is not None and row["last_activity"] + row["timer_closed"] <= act.now
    above = {"services": act.store.get("services", id=row["parent"])}
    _move(act, above, row, "closed" if closes else "inactive", reason="TIMER")


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


def still_open(change: Change) -> None:
    """Refuse to update a closed conversation."""
    if change.row is not None and change.row["state"] == "closed":
        raise RequestError(50377)


def _start_timers(change: Change) -> None:
    # Both timers count from one moment: the update that set them, or the last message since. It is the true
    # one, whatever dates an imported history has: otherwise its conversations would close at once.
    is_set = change.row is None or not change.values.keys().isdisjoint({"timer_inactive", "timer_closed"})
    wakes = (
        change.values.get("state") == "active" and change.row is not None and change.row["state"] != "active"
    )
    if is_set or wakes:
        change.values["last_activity"] = change.now


def conversation_is_open(change: Change) -> None:
    """Refuse to write anything into a closed conversation."""
    if change.above["conversations"]["state"] == "closed":
        raise RequestError(50377)


def wake_conversation(change: Change) -> None:
    """Make an inactive conversation active again, and start its timers anew."""
    conversation = change.above["conversations"]
    if conversation["state"] != "inactive":
        return
    # Read again: what came before in the same request may have woken it.
    row = change.store.get("conversations", id=conversation["id"])
    if row["state"] == "inactive":
        _move(change.act, change.above, row, "active", reason="EVENT", last_activity=change.now)


def _tell_new_state(change: Change) -> None:
    was, row = change.was, change.row
    if was is not None and row is not None and was["state"] != row["state"]:
        tell_state(change.act, change.above, row, came_from=was["state"], reason="API")


def _take_defaults(change: Change) -> None:
    # Documented as the account's defaults; that they are for conversations made by REST, too, is assumed.
    account = change.store.get("accounts")
    if account["messaging_service_sid"] is not None:
        change.values.setdefault("messaging_service_sid", account["messaging_service_sid"])
    for which, parse in TIMERS.items():
        if account[f"{which}_timer"] is not None:
            change.values.setdefault(f"timer_{which}", parse(account[f"{which}_timer"]))


_name_is_free = is_free("conversations", "unique_name", below="services", code=50353)

#: How the text of each timer is read.
TIMERS: Final = {
    "inactive": timer(minutes=1, too_short=50375, malformed=50379),
    "closed": timer(minutes=10, too_short=50376, malformed=50380),
}

_PARAMETERS: Final = (
    Param("FriendlyName", "friendly_name", name(256), 50003),
    Param("UniqueName", "unique_name", _unique_name),
    *DATES,
    Param("MessagingServiceSid", "messaging_service_sid", sid("MG"), 50341),
    Param("Attributes", "attributes", json_text(limit=16 * 1024)),
    Param("State", "state", _state, 50378),
    Param("Timers.Inactive", "timer_inactive", TIMERS["inactive"]),
    Param("Timers.Closed", "timer_closed", TIMERS["closed"]),
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
        Verb.CREATE: (_not_closed_at_first, _name_is_free, _take_defaults, _start_timers),
        Verb.UPDATE: (still_open, _name_is_free, _start_timers),
    },
    effects={Verb.UPDATE: (_tell_new_state,)},
    noun="Conversation",
    tell=_tell,
    # Chat's public channels are no conversations until they are made private.
    only={"type": "private"},
)

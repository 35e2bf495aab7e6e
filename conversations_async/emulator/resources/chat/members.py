"""What does Chat do with a member? It is a participant that has an identity."""

from typing import Any, Final

from attrs import evolve

from ...resource import Change, Filter, Param, Place, Resource, Verb, is_free
from ...store import Row
from ...wire import integer, parse_timestamp, text, timestamp
from ..conversations import conversation_is_open
from ..participants import PARTICIPANTS, date_the_reading
from ..permissions import role_exists
from .channels import CHANNEL
from .shared import frame, keep


def show_reading(row: Row) -> dict[str, Any]:
    """Show how far somebody has read."""
    return {
        "last_consumed_message_index": row["last_read_message_index"],
        "last_consumption_timestamp": timestamp(row["last_read_timestamp"]),
    }


def _show(row: Row, place: Place) -> dict[str, Any]:
    return {
        **frame(row, place),
        "identity": row["identity"],
        "role_sid": row["role_sid"],
        **show_reading(row),
        "attributes": row["attributes"],
    }


def _take_role_of_invite(change: Change) -> None:
    channel, identity = change.above["conversations"]["id"], change.get("identity")
    invite = change.store.find("invites", parent=channel, identity=identity)
    if invite is not None:
        # Documented: the role of an invite is for the member to come.
        change.values.setdefault("role_sid", invite["role_sid"])


#: The codes of values are Chat's.
READING: Final = (
    Param("LastConsumedMessageIndex", "last_read_message_index", integer, 50406),
    Param("LastConsumptionTimestamp", "last_read_timestamp", parse_timestamp, 50405),
)
IDENTITY: Final = evolve(keep(PARTICIPANTS.create, "Identity")[0], required=True)
BY_IDENTITY: Final = Filter("Identity", "identity", text(256), 50207, repeated=True)

#: What comes before a participant's rules says the same with Chat's codes.
_identity_is_free = is_free("participants", "identity", below="conversations", code=50404)
channel_role_exists = role_exists("conversation", 50101)

_EDITABLE: Final = (
    *keep(PARTICIPANTS.create, "RoleSid", "Attributes", "DateCreated", "DateUpdated"),
    *READING,
)

MEMBERS: Final[Resource] = evolve(
    PARTICIPANTS,
    path="Members",
    table="members",
    stored="participants",
    name="chat.members",
    key="members",
    parent=CHANNEL,
    show=_show,
    create=(IDENTITY, *_EDITABLE),
    update=_EDITABLE,
    filters=(BY_IDENTITY,),
    rules={
        **PARTICIPANTS.rules,
        Verb.CREATE: (
            conversation_is_open,
            _identity_is_free,
            channel_role_exists,
            _take_role_of_invite,
            *PARTICIPANTS.rules[Verb.CREATE],
            date_the_reading,
        ),
        Verb.UPDATE: (conversation_is_open, channel_role_exists, *PARTICIPANTS.rules[Verb.UPDATE]),
    },
)

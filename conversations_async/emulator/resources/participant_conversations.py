"""In which conversations is a participant?"""

from collections.abc import Mapping
from typing import Any, Final

from ..errors import RequestError
from ..resource import Filter, Place, Resource, Verb
from ..store import Row
from ..wire import identity, text, timestamp
from .conversations import show_timers
from .participants import show_binding
from .services import SERVICES

#: Here a binding shows all that it could have.
_NO_BINDING: Final = dict.fromkeys(("type", "address", "proxy_address", "projected_address", "name", "level"))


def _show(row: Row, place: Place) -> dict[str, Any]:
    conversation = f"{place.scope}/Conversations/{row['conversation_sid']}"
    binding = show_binding(row)
    return {
        "account_sid": place.account_sid,
        "chat_service_sid": place.above["services"]["sid"],
        "participant_sid": row["sid"],
        "participant_user_sid": row["user_sid"],
        "participant_identity": row["identity"],
        "participant_messaging_binding": None if binding is None else {**_NO_BINDING, **binding},
        "conversation_sid": row["conversation_sid"],
        "conversation_unique_name": row["unique_name"],
        "conversation_friendly_name": row["friendly_name"],
        "conversation_attributes": row["conversation_attributes"],
        "conversation_date_created": timestamp(row["conversation_created"]),
        "conversation_date_updated": timestamp(row["conversation_updated"]),
        "conversation_created_by": row["created_by"],
        "conversation_state": row["state"],
        "conversation_timers": show_timers(row),
        "links": {
            "participant": f"{conversation}/Participants/{row['sid']}",
            "conversation": conversation,
        },
    }


def _one_of_both(narrowed: Mapping[str, Any]) -> None:
    if len(narrowed) > 1:
        raise RequestError(50451)
    if not narrowed:
        # Assumed; what the API says to neither is not known.
        raise RequestError(20001, "Missing required parameter Identity or Address")


PARTICIPANT_CONVERSATIONS: Final = Resource(
    path="ParticipantConversations",
    table="participant_conversations",
    key="conversations",
    show=_show,
    parent=SERVICES,
    verbs=frozenset({Verb.LIST}),
    filters=(
        Filter("Identity", "identity", identity, 50207),
        Filter("Address", "address", text(256)),
    ),
    narrow=_one_of_both,
)

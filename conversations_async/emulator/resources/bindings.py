"""What does the API do with a push binding? It shows and deletes it; mobile SDKs make it."""

import json
from typing import Any, Final

from ..resource import Change, Filter, Param, Place, Resource, Verb, as_json
from ..store import Row
from ..wire import choice, identity, sid, text
from .services import SERVICES

#: What a device can be told of.
_MESSAGE_TYPES: Final = ("removed_from_conversation", "new_message", "added_to_conversation")
#: Chat's alone.
_INVITED: Final = "invited_to_channel"


def _show(row: Row, place: Place) -> dict[str, Any]:
    types = json.loads(row["message_types"])
    return {
        **place.frame(row),
        "chat_service_sid": place.above["services"]["sid"],
        "identity": row["identity"],
        "endpoint": row["endpoint"],
        "binding_type": row["binding_type"],
        "credential_sid": row["credential_sid"],
        "message_types": [kind for kind in types if kind != _INVITED],
    }


def _take_message_types(change: Change) -> None:
    change.values.setdefault("message_types", [*_MESSAGE_TYPES, _INVITED])


_binding_type = choice("apn", "gcm", "fcm", "twilsock")

BINDINGS: Final = Resource(
    path="Bindings",
    table="bindings",
    key="bindings",
    prefix="BS",
    show=_show,
    parent=SERVICES,
    has_shortcut=False,
    verbs=frozenset({Verb.LIST, Verb.FETCH, Verb.DELETE}),
    # No request does it; it is for those that play the mobile device.
    create=(
        Param("Identity", "identity", identity, 50207, required=True),
        Param("Endpoint", "endpoint", text(256), required=True),
        Param("BindingType", "binding_type", _binding_type, 50209, required=True),
        Param("CredentialSid", "credential_sid", sid("CR")),
        Param("MessageTypes", "message_types", choice(*_MESSAGE_TYPES, _INVITED), repeated=True),
    ),
    filters=(
        Filter("BindingType", "binding_type", _binding_type, 50209, repeated=True),
        Filter("Identity", "identity", identity, 50207, repeated=True),
    ),
    rules={Verb.CREATE: (_take_message_types, as_json("message_types"))},
)

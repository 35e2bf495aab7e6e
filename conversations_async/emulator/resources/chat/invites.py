"""What does Chat do with an invite? It waits for a user to become a member."""

from typing import Any, Final

from ...errors import RequestError
from ...resource import ALL_VERBS, Change, Place, Resource, Verb, is_free
from ...store import Row
from ..conversations import conversation_is_open
from ..participants import PARTICIPANTS
from .channels import CHANNEL
from .members import BY_IDENTITY, IDENTITY, channel_role_exists
from .shared import frame, keep


def _show(row: Row, place: Place) -> dict[str, Any]:
    return {
        **frame(row, place),
        "identity": row["identity"],
        "role_sid": row["role_sid"],
        "created_by": row["created_by"],
    }


def _user_exists(change: Change) -> None:
    # The status is observed; the code is assumed, as it is the one for a user that a parameter names.
    service, identity = change.above["services"]["id"], change.get("identity")
    if change.store.find("users", parent=service, identity=identity) is None:
        raise RequestError(50200)


def _is_no_member(change: Change) -> None:
    channel, identity = change.above["conversations"]["id"], change.get("identity")
    if change.store.find("members", parent=channel, identity=identity) is not None:
        raise RequestError(50404)


def _take_role(change: Change) -> None:
    change.values.setdefault("role_sid", change.above["services"]["participant_role_sid"])


INVITES: Final = Resource(
    path="Invites",
    table="invites",
    name="chat.invites",
    key="invites",
    prefix="IN",
    parent=CHANNEL,
    show=_show,
    verbs=ALL_VERBS - {Verb.UPDATE},
    create=(IDENTITY, *keep(PARTICIPANTS.create, "RoleSid")),
    filters=(BY_IDENTITY,),
    rules={
        Verb.CREATE: (
            conversation_is_open,
            _user_exists,
            _is_no_member,
            is_free("invites", "identity", below="conversations", code=50212),
            channel_role_exists,
            _take_role,
        ),
        Verb.DELETE: (conversation_is_open,),
    },
)

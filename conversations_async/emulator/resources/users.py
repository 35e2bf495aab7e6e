"""What does the API do with a user?"""

from collections.abc import Mapping
from typing import Any, Final

from ..errors import RequestError
from ..resource import Change, Param, Place, Resource, Verb, is_free
from ..store import Row
from ..wire import identity, is_sid, json_text, name, sid
from .permissions import role_exists
from .services import SERVICES


def _show(row: Row, place: Place) -> dict[str, Any]:
    return {
        **place.frame(row, user_conversations="Conversations"),
        "chat_service_sid": place.above["services"]["sid"],
        "role_sid": row["role_sid"],
        "identity": row["identity"],
        "friendly_name": row["friendly_name"],
        "attributes": row["attributes"],
        # Documented for those who were never online, nor had a push registration, with or without
        # reachability: nobody is ever connected here.
        "is_online": None,
        "is_notifiable": None,
    }


def _tell(row: Row, above: Mapping[str, Row]) -> dict[str, str | None]:
    return {
        "ChatServiceSid": above["services"]["sid"],
        "UserSid": row["sid"],
        "Identity": row["identity"],
        "RoleSid": row["role_sid"],
        "Attributes": row["attributes"],
        "FriendlyName": row["friendly_name"],
    }


def _take_role(change: Change) -> None:
    change.values.setdefault("role_sid", change.above["services"]["user_role_sid"])


def _identity(value: str) -> str:
    if is_sid(value, "US"):
        raise RequestError(50206)
    return identity(value)


_role_exists = role_exists("service", 50102)

_EDITABLE: Final = (
    Param("FriendlyName", "friendly_name", name(256), 50003),
    # Assumed: no limit is documented, and this is a participant's.
    Param("Attributes", "attributes", json_text(limit=4 * 1024)),
    Param("RoleSid", "role_sid", sid("RL")),
)

# Assumed: who is deleted as a user stays a participant, as nothing documented says otherwise.
USERS: Final = Resource(
    path="Users",
    table="users",
    key="users",
    prefix="US",
    show=_show,
    parent=SERVICES,
    alias="identity",
    create=(Param("Identity", "identity", _identity, 50207, required=True), *_EDITABLE),
    update=_EDITABLE,
    rules={
        Verb.CREATE: (is_free("users", "identity", below="services", code=50201), _role_exists, _take_role),
        Verb.UPDATE: (_role_exists,),
    },
    noun="User",
    tell=_tell,
)

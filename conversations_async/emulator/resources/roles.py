"""What does the API do with a role?"""

import json
from typing import Any, Final

from ..errors import RequestError
from ..resource import Change, Param, Place, Resource, Verb, as_json
from ..store import Row
from ..wire import choice, text
from .permissions import PERMISSIONS
from .services import SERVICES

_TYPES: Final = tuple(PERMISSIONS)


def _show(row: Row, place: Place) -> dict[str, Any]:
    return {
        **place.frame(row),
        "chat_service_sid": place.above["services"]["sid"],
        "friendly_name": row["friendly_name"],
        "type": row["type"],
        "permissions": json.loads(row["permissions"]),
    }


def check_permissions(change: Change) -> None:
    """Let through what a role of this type may permit."""
    if not PERMISSIONS[change.get("type")].issuperset(change.get("permissions")):
        raise RequestError(50104)
    as_json("permissions")(change)


def _is_no_default(change: Change) -> None:
    # Assumed: what becomes of a service without the role that it gives is documented nowhere.
    service = change.above["services"]
    defaults = ("creator_role_sid", "participant_role_sid", "user_role_sid")
    if change.get("sid") in {service[column] for column in defaults}:
        raise RequestError(20403, "A default role of the service cannot be deleted")


_PERMISSION: Final = Param("Permission", "permissions", str, 50104, required=True, repeated=True)

ROLES: Final = Resource(
    path="Roles",
    table="roles",
    key="roles",
    prefix="RL",
    show=_show,
    parent=SERVICES,
    create=(
        # Documented for roles alone: 64 characters, and not 256.
        Param("FriendlyName", "friendly_name", text(64), 50003, required=True),
        Param("Type", "type", choice(*_TYPES), 50105, required=True),
        _PERMISSION,
    ),
    update=(_PERMISSION,),
    rules={
        Verb.CREATE: (check_permissions,),
        Verb.UPDATE: (check_permissions,),
        Verb.DELETE: (_is_no_default,),
    },
)

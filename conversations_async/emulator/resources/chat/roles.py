"""What does Chat do with a role? Two types and some permissions have older names in it."""

from typing import Any, Final

from attrs import evolve

from ...resource import Param, Place, Resource
from ...store import Row
from ...wire import choice
from ..permissions import IN_CHAT
from ..roles import ROLES
from .shared import frame

_TYPES: Final = {"deployment": "service", "channel": "conversation"}
_TYPES_IN_CHAT: Final = {stored: theirs for theirs, stored in _TYPES.items()}
_PERMISSIONS: Final = {theirs: stored for stored, theirs in IN_CHAT.items()}


def _show(row: Row, place: Place) -> dict[str, Any]:
    shown = ROLES.show(row, place)
    del shown["chat_service_sid"]
    return {
        **shown,
        **frame(row, place),
        "type": _TYPES_IN_CHAT[shown["type"]],
        "permissions": [IN_CHAT.get(permission, permission) for permission in shown["permissions"]],
    }


def _type(value: str) -> str:
    return _TYPES[choice(*_TYPES)(value)]


def _in_chat(parameter: Param) -> Param:
    if parameter.wire == "Type":
        return evolve(parameter, parse=_type)
    if parameter.wire != "Permission":
        return parameter

    def parse(value: str) -> Any:
        # Assumed: what has a name of its own here is not known by its name in Conversations.
        if value in IN_CHAT:
            raise ValueError(value)
        return parameter.parse(_PERMISSIONS.get(value, value))

    return evolve(parameter, parse=parse)


CHAT_ROLES: Final[Resource] = evolve(
    ROLES,
    name="chat.roles",
    show=_show,
    create=tuple(map(_in_chat, ROLES.create)),
    update=tuple(map(_in_chat, ROLES.update)),
)

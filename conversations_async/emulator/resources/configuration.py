"""What does the API do with the configuration of the account, and of a service?"""

from collections.abc import Callable
from typing import Any, Final

from ..errors import RequestError
from ..resource import Change, Param, Place, Resource, Rule, Verb
from ..store import Row
from ..wire import flag, sid
from .conversations import TIMERS
from .permissions import role_exists
from .services import SERVICES

#: Of what there is one, and always.
FIXED: Final = frozenset({Verb.FETCH, Verb.UPDATE})


def _show(row: Row, place: Place) -> dict[str, Any]:
    return {
        "account_sid": place.account_sid,
        "default_chat_service_sid": row["default_service_sid"],
        "default_messaging_service_sid": row["messaging_service_sid"],
        "default_inactive_timer": row["inactive_timer"],
        "default_closed_timer": row["closed_timer"],
        "url": place.url,
        "links": {
            "service": f"{place.scope}/Services/{row['default_service_sid']}/Configuration",
            "webhooks": f"{place.url}/Webhooks",
        },
    }


def _duration(which: str) -> Callable[[str], str | None]:
    def parse(value: str) -> str | None:
        # Assumed: an empty text removes the default.
        if value:
            TIMERS[which](value)
        return value or None

    return parse


def service_exists(column: str) -> Rule:
    """Make the rule that a service which is given by its SID is there."""

    def rule(change: Change) -> None:
        service_sid = change.values.get(column)
        if service_sid is not None and change.store.find("services", sid=service_sid) is None:
            raise RequestError(50050)

    return rule


def _move_default(change: Change) -> None:
    service_sid = change.values.pop("default_service_sid", None)
    if service_sid is not None:
        for column, value, mark in (("is_default", 1, 0), ("sid", service_sid, 1)):
            service = change.store.get("services", **{column: value})
            change.store.update("services", service["id"], {"is_default": mark})


CONFIGURATION: Final = Resource(
    path="Configuration",
    table="accounts",
    name="configuration",
    show=_show,
    is_single=True,
    verbs=FIXED,
    update=(
        Param("DefaultChatServiceSid", "default_service_sid", sid("IS")),
        Param("DefaultMessagingServiceSid", "messaging_service_sid", sid("MG"), 50341),
        Param("DefaultInactiveTimer", "inactive_timer", _duration("inactive")),
        Param("DefaultClosedTimer", "closed_timer", _duration("closed")),
    ),
    rules={Verb.UPDATE: (service_exists("default_service_sid"), _move_default)},
)


def _show_service(row: Row, place: Place) -> dict[str, Any]:
    return {
        "chat_service_sid": row["sid"],
        "default_conversation_creator_role_sid": row["creator_role_sid"],
        "default_conversation_role_sid": row["participant_role_sid"],
        "default_chat_service_role_sid": row["user_role_sid"],
        "reachability_enabled": bool(row["reachability_enabled"]),
        "url": place.url,
        "links": {"notifications": f"{place.url}/Notifications", "webhooks": f"{place.url}/Webhooks"},
    }


#: The parameter of each default role, its column, its type, and the code for one that is not there or of
#: another type. That the code is the same for both is assumed.
_ROLES: Final = (
    ("DefaultConversationCreatorRoleSid", "creator_role_sid", "conversation", 50106),
    ("DefaultConversationRoleSid", "participant_role_sid", "conversation", 50109),
    ("DefaultChatServiceRoleSid", "user_role_sid", "service", 50102),
)

SERVICE_CONFIGURATION: Final = Resource(
    path="Configuration",
    table="services",
    name="configuration",
    show=_show_service,
    parent=SERVICES,
    is_single=True,
    has_shortcut=False,
    verbs=FIXED,
    update=(
        *(Param(wire, column, sid("RL"), code) for wire, column, _, code in _ROLES),
        Param("ReachabilityEnabled", "reachability_enabled", flag),
    ),
    rules={
        Verb.UPDATE: tuple(
            role_exists(kind, code, column=column, absent=code) for _, column, kind, code in _ROLES
        )
    },
)

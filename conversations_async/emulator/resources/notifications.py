"""What does the API do with the push notifications of a service? It keeps how they read, and sends none."""

from typing import Any, Final

from ..resource import Param, Place, Resource
from ..store import Row
from ..wire import flag, name
from .configuration import FIXED
from .services import SERVICES

#: The limits are assumed; that there are some follows from the codes.
_TEMPLATE: Final = name(2048)
_SOUND: Final = name(256)

#: What is notified of, by its parameters and its columns.
_EVENTS: Final = {
    "NewMessage": "new_message",
    "AddedToConversation": "added_to_conversation",
    "RemovedFromConversation": "removed_from_conversation",
}


def _show(row: Row, place: Place) -> dict[str, Any]:
    shown = {
        event: {
            "enabled": bool(row[f"{event}_enabled"]),
            "template": row[f"{event}_template"],
            "sound": row[f"{event}_sound"],
        }
        for event in _EVENTS.values()
    }
    shown["new_message"] |= {
        "badge_count_enabled": bool(row["new_message_badge_count_enabled"]),
        "with_media": {
            "enabled": bool(row["new_message_with_media_enabled"]),
            "template": row["new_message_with_media_template"],
        },
    }
    return {
        "account_sid": place.account_sid,
        "chat_service_sid": row["sid"],
        "log_enabled": bool(row["log_enabled"]),
        **shown,
        "url": place.url,
    }


def _parameters(wire: str, column: str) -> tuple[Param, ...]:
    return (
        Param(f"{wire}.Enabled", f"{column}_enabled", flag),
        Param(f"{wire}.Template", f"{column}_template", _TEMPLATE, 50058),
        Param(f"{wire}.Sound", f"{column}_sound", _SOUND, 50059),
    )


NOTIFICATIONS: Final = Resource(
    path="Configuration/Notifications",
    table="services",
    name="notifications",
    show=_show,
    parent=SERVICES,
    is_single=True,
    has_shortcut=False,
    verbs=FIXED,
    update=(
        Param("LogEnabled", "log_enabled", flag),
        *(parameter for event in _EVENTS.items() for parameter in _parameters(*event)),
        Param("NewMessage.BadgeCountEnabled", "new_message_badge_count_enabled", flag),
        Param("NewMessage.WithMedia.Enabled", "new_message_with_media_enabled", flag),
        Param("NewMessage.WithMedia.Template", "new_message_with_media_template", _TEMPLATE, 50058),
    ),
)

"""What does Chat do with a service? All of it can be configured in one place.

The webhooks that are configured here are Chat's own: they are kept and shown, and nothing calls them.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from attrs import evolve

from ...resource import ALL_VERBS, Change, Param, Place, Resource, Rule, Verb, as_json
from ...store import Row
from ...wire import choice, flag, integer, name, sid, text, web_address
from ..notifications import NOTIFICATIONS
from ..permissions import role_exists
from ..services import SERVICES

_LINKS: Final = {"channels": "Channels", "users": "Users", "roles": "Roles", "bindings": "Bindings"}
#: What is notified of, in Chat's words and in the columns.
_EVENTS: Final = {
    "new_message": "new_message",
    "added_to_channel": "added_to_conversation",
    "removed_from_channel": "removed_from_conversation",
    "invited_to_channel": "invited_to_channel",
}
#: The default roles: the parameter, the column, the type, and the code where there is no such role.
_ROLES: Final = (
    ("DefaultServiceRoleSid", "user_role_sid", "service", 50102),
    ("DefaultChannelRoleSid", "participant_role_sid", "conversation", 50101),
    ("DefaultChannelCreatorRoleSid", "creator_role_sid", "conversation", 50106),
)
_SIZE_LIMIT_MB: Final = 150


def _show(row: Row, place: Place) -> dict[str, Any]:
    return {
        **place.frame(row, **_LINKS),
        "friendly_name": row["friendly_name"],
        "default_service_role_sid": row["user_role_sid"],
        "default_channel_role_sid": row["participant_role_sid"],
        "default_channel_creator_role_sid": row["creator_role_sid"],
        "read_status_enabled": bool(row["read_status_enabled"]),
        "reachability_enabled": bool(row["reachability_enabled"]),
        "typing_indicator_timeout": row["typing_indicator_timeout"],
        "consumption_report_interval": row["consumption_report_interval"],
        "limits": {"channel_members": row["limit_members"], "user_channels": row["limit_channels"]},
        "pre_webhook_url": row["chat_pre_url"],
        "post_webhook_url": row["chat_post_url"],
        "webhook_method": row["chat_method"],
        "webhook_filters": row["chat_filters"] and json.loads(row["chat_filters"]),
        "pre_webhook_retry_count": row["chat_pre_retry_count"],
        "post_webhook_retry_count": row["chat_post_retry_count"],
        "notifications": _notifications(row),
        "media": {"size_limit_mb": _SIZE_LIMIT_MB, "compatibility_message": row["compatibility_message"]},
    }


def _notifications(row: Row) -> dict[str, Any]:
    each = {}
    for event, stored in _EVENTS.items():
        texts = {part: row[f"{stored}_{part}"] for part in ("template", "sound")}
        given = {part: text for part, text in texts.items() if text is not None}
        each[event] = {"enabled": bool(row[f"{stored}_enabled"]), **given}
    each["new_message"]["badge_count_enabled"] = bool(row["new_message_badge_count_enabled"])
    # Specified: nothing is shown of notifications before something was set. Assumed: what was set to what it
    # is from the start, and nothing else, was not set.
    is_unset = not row["log_enabled"] and not any(any(one.values()) for one in each.values())
    return {} if is_unset else {"log_enabled": bool(row["log_enabled"]), **each}


def retry_count(value: str) -> int:
    """Read how often a webhook is called again; more than 3 are 3, as in an example of the API."""
    return min(integer(value), 3)


def _up_to(limit: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if integer(value) > limit:
            raise ValueError(value)
        return integer(value)

    return parse


def _of_itself(rule: Rule) -> Rule:
    """Make the rule that a service obeys as what is below it does."""

    def of_itself(change: Change) -> None:
        rule(evolve(change, above={"services": change.store.get("services", id=change.get("id"))}))

    return of_itself


def _push_parameters() -> Iterator[Param]:
    for parameter in NOTIFICATIONS.update:
        wire, column = f"Notifications.{parameter.wire}", parameter.column
        if "WithMedia" in wire:
            continue
        yield evolve(parameter, wire=wire.replace("Conversation", "Channel"))
        if "AddedTo" in wire:
            # Chat's alone, and otherwise the same.
            yield evolve(
                parameter,
                wire=wire.replace("AddedToConversation", "InvitedToChannel"),
                column=column.replace("added_to_conversation", "invited_to_channel"),
            )


CHAT_SERVICES: Final[Resource] = evolve(
    SERVICES,
    name="chat.services",
    show=_show,
    verbs=ALL_VERBS,
    update=(
        Param("FriendlyName", "friendly_name", text(256), 50003),
        *(Param(wire, column, sid("RL"), code) for wire, column, _, code in _ROLES),
        Param("ReadStatusEnabled", "read_status_enabled", flag),
        Param("ReachabilityEnabled", "reachability_enabled", flag),
        Param("TypingIndicatorTimeout", "typing_indicator_timeout", integer, 50053),
        Param("ConsumptionReportInterval", "consumption_report_interval", integer, 50052),
        Param("Limits.ChannelMembers", "limit_members", _up_to(1000), 50061),
        Param("Limits.UserChannels", "limit_channels", _up_to(1000), 50060),
        Param("PreWebhookUrl", "chat_pre_url", web_address, 50054),
        Param("PostWebhookUrl", "chat_post_url", web_address, 50054),
        Param("WebhookMethod", "chat_method", choice("GET", "POST"), 50055),
        # Assumed: any text is taken, for which events there are is no longer documented.
        Param("WebhookFilters", "chat_filters", str, repeated=True),
        Param("PreWebhookRetryCount", "chat_pre_retry_count", retry_count, 50065),
        Param("PostWebhookRetryCount", "chat_post_retry_count", retry_count, 50065),
        # Assumed: as long as the body of a message.
        Param("Media.CompatibilityMessage", "compatibility_message", name(32 * 1024), 50504),
        *_push_parameters(),
    ),
    rules={
        **SERVICES.rules,
        Verb.UPDATE: (
            *(
                _of_itself(role_exists(kind, code, column=column, absent=code))
                for _, column, kind, code in _ROLES
            ),
            as_json("chat_filters"),
        ),
    },
)

"""What does Chat do with a channel as one of a user's?"""

from typing import Any, Final

from attrs import evolve

from ...resource import Place, Resource
from ...store import Row
from ..user_conversations import USER_CONVERSATIONS
from .members import READING, show_reading
from .shared import keep


def _show(row: Row, place: Place) -> dict[str, Any]:
    channel = f"{place.scope}/Channels/{row['sid']}"
    return {
        "account_sid": place.account_sid,
        "service_sid": place.above["services"]["sid"],
        "channel_sid": row["sid"],
        "user_sid": row["user_sid"],
        "member_sid": row["participant_sid"],
        # Assumed: only what a user has joined is listed, and no invites.
        "status": "joined",
        "last_consumed_message_index": show_reading(row)["last_consumed_message_index"],
        "unread_messages_count": row["unread"],
        "notification_level": row["notification_level"],
        "url": f"{place.url}/{row['sid']}",
        "links": {"channel": channel, "member": f"{channel}/Members/{row['participant_sid']}"},
    }


USER_CHANNELS: Final[Resource] = evolve(
    USER_CONVERSATIONS,
    path="Channels",
    name="chat.user_channels",
    key="channels",
    show=_show,
    update=(*keep(USER_CONVERSATIONS.update, "NotificationLevel"), *READING),
    only={},
)

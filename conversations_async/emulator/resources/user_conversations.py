"""What does the API do with a conversation as one of a user's?"""

from typing import Any, Final

from ..handlers import remove
from ..resource import Change, Param, Place, Resource, Verb
from ..store import Row
from ..wire import choice, timestamp
from .conversations import conversation_is_open, show_timers
from .participants import PARTICIPANTS, READING, date_the_reading
from .users import USERS


def _show(row: Row, place: Place) -> dict[str, Any]:
    conversation = f"{place.scope}/Conversations/{row['sid']}"
    return {
        "account_sid": place.account_sid,
        "chat_service_sid": place.above["services"]["sid"],
        "conversation_sid": row["sid"],
        "unread_messages_count": row["unread"],
        "last_read_message_index": row["last_read_message_index"],
        "participant_sid": row["participant_sid"],
        "user_sid": row["user_sid"],
        "friendly_name": row["friendly_name"],
        "conversation_state": row["state"],
        "timers": show_timers(row),
        "attributes": row["attributes"],
        "date_created": timestamp(row["created"]),
        "date_updated": timestamp(row["updated"]),
        "created_by": row["created_by"],
        "notification_level": row["notification_level"],
        "unique_name": row["unique_name"],
        "url": f"{place.url}/{row['sid']}",
        "links": {
            "participant": f"{conversation}/Participants/{row['participant_sid']}",
            "conversation": conversation,
        },
    }


def _enter(change: Change) -> None:
    """Let the rules that follow see the conversation among what is above."""
    conversation = change.store.get("conversations", sid=change.get("sid"))
    change.above = {**change.above, "conversations": conversation}


def _leave(change: Change) -> None:
    # Whoever leaves is removed as a participant, with all that this brings about.
    participant = change.store.get("participants", id=change.get("id"))
    remove(PARTICIPANTS, change.act, change.above, participant)


USER_CONVERSATIONS: Final = Resource(
    path="Conversations",
    table="user_conversations",
    stored="participants",
    key="conversations",
    show=_show,
    parent=USERS,
    alias="unique_name",
    verbs=frozenset({Verb.LIST, Verb.FETCH, Verb.UPDATE, Verb.DELETE}),
    update=(
        Param("NotificationLevel", "notification_level", choice("default", "muted"), 50210),
        *READING,
    ),
    rules={
        Verb.UPDATE: (_enter, conversation_is_open, date_the_reading),
        Verb.DELETE: (_enter, _leave),
    },
    # Chat's public channels are no conversations.
    only={"type": "private"},
)

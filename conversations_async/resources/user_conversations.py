"""The conversations of one user, as that user sees them: what is unread, and whether it notifies.

API page: user conversation resource, https://www.twilio.com/docs/conversations/api/user-conversation-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from ..converter import Attributes, AwareDatetime, OpenEnum
from ..repository import Deletable, Fetchable, Streamable
from .conversations import ConversationState, Timers

if TYPE_CHECKING:
    from datetime import datetime


class NotificationLevel(OpenEnum):
    """Whether a user is notified of what happens in a conversation."""

    DEFAULT = "default"
    MUTED = "muted"


@frozen(kw_only=True)
class UserConversation(Attributes):
    """One conversation that a user takes part in."""

    conversation_sid: str
    account_sid: str | None = None
    chat_service_sid: str | None = None
    participant_sid: str | None = None
    user_sid: str | None = None
    #: None until the user has a read horizon.
    unread_messages_count: int | None = None
    #: The index of the last message that the user has read.
    last_read_message_index: int | None = None
    notification_level: NotificationLevel | None = None
    friendly_name: str | None = None
    unique_name: str | None = None
    #: Those of the conversation, as JSON text; see ``parsed_attributes``.
    attributes: str | None = None
    conversation_state: ConversationState | None = None
    timers: Timers | None = None
    #: Who created the conversation.
    created_by: str | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    url: str | None = None
    links: dict[str, str] | None = field(default=None, hash=False)


class UserConversationRepository(
    Fetchable[UserConversation], Deletable[UserConversation], Streamable[UserConversation]
):
    """The conversations of one user; a ``sid`` is that of the conversation. To delete one is to leave it."""

    model = UserConversation
    key = "conversation_sid"

    async def update(
        self,
        sid: str,
        *,
        notification_level: NotificationLevel | str | None = None,
        last_read_timestamp: datetime | None = None,
        last_read_message_index: int | None = None,
    ) -> UserConversation:
        """Change how the user sees a conversation. What is None stays as it is.

        Args:
            sid: The conversation (``CH…``), or its unique name.
            notification_level: Whether the user is notified.
            last_read_timestamp: When the last message was read.
            last_read_message_index: The index of the last message that was read.

        Raises:
            NotFoundError: The user takes no part in such a conversation.
            ValueError: The datetime is naive; nothing was sent.
        """
        return await self._post(
            self._item(sid),
            {
                "NotificationLevel": notification_level,
                "LastReadTimestamp": last_read_timestamp,
                "LastReadMessageIndex": last_read_message_index,
            },
        )

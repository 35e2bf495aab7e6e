"""The channels of one user, as that user sees them.

API page: user channel resource, https://www.twilio.com/docs/chat/rest/user-channel-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from ..converter import OpenEnum
from ..repository import DeletableWithWebhooks, Fetchable, Streamable
from ..resources.user_conversations import NotificationLevel

if TYPE_CHECKING:
    from datetime import datetime


class ChannelStatus(OpenEnum):
    """What a user is to a channel."""

    JOINED = "joined"
    INVITED = "invited"
    NOT_PARTICIPATING = "notParticipating"


@frozen(kw_only=True)
class UserChannel:
    """One channel that a user has to do with."""

    channel_sid: str
    account_sid: str | None = None
    service_sid: str | None = None
    user_sid: str | None = None
    member_sid: str | None = None
    status: ChannelStatus | None = None
    #: The index of the last message that the user has read.
    last_consumed_message_index: int | None = None
    #: None until the user has a read horizon.
    unread_messages_count: int | None = None
    notification_level: NotificationLevel | None = None
    url: str | None = None
    links: dict[str, str] | None = field(default=None, hash=False)


class UserChannelRepository(
    Fetchable[UserChannel], DeletableWithWebhooks[UserChannel], Streamable[UserChannel]
):
    """The channels of one user; a ``sid`` is that of the channel. To delete one is to leave it."""

    model = UserChannel
    key = "channel_sid"

    async def update(
        self,
        sid: str,
        *,
        notification_level: NotificationLevel | str | None = None,
        last_consumed_message_index: int | None = None,
        last_consumption_timestamp: datetime | None = None,
    ) -> UserChannel:
        """Change how the user sees a channel. What is None stays as it is.

        Args:
            sid: The channel (``CH…``).
            notification_level: Whether the user is notified.
            last_consumed_message_index: The index of the last message that was read.
            last_consumption_timestamp: When it was read.

        Raises:
            NotFoundError: The user has nothing to do with such a channel.
            ValueError: The datetime is naive; nothing was sent.
        """
        return await self._post(
            self._item(sid),
            {
                "NotificationLevel": notification_level,
                "LastConsumedMessageIndex": last_consumed_message_index,
                "LastConsumptionTimestamp": last_consumption_timestamp,
            },
        )

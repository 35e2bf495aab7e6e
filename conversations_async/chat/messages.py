"""Messages of a channel, as the legacy Chat API has them.

API page: list messages, https://www.twilio.com/docs/chat/rest/message-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from ..converter import Attributes, AwareDatetime, OpenEnum, encode_json
from ..once import OnceCreatable, with_key
from ..repository import DeletableWithWebhooks, Fetchable, StreamableInOrder
from ..resources.messages import Media

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ..repository import WebhookFlag


class ChatMessageType(OpenEnum):
    """What a message consists of."""

    TEXT = "text"
    MEDIA = "media"


@frozen(kw_only=True)
class ChatMessage(Attributes):
    """One message of a channel."""

    sid: str
    account_sid: str | None = None
    service_sid: str | None = None
    channel_sid: str | None = None
    #: The channel that the message was sent to.
    to: str | None = None
    #: The identity of the author; ``system`` unless one was given.
    from_: str | None = None
    #: The place in the channel, from 0: always ascending, not always without gaps.
    index: int | None = None
    type: ChatMessageType | None = None
    body: str | None = None
    #: None where nothing is attached.
    media: Media | None = None
    #: JSON text; ``{}`` or None where none was set; see ``parsed_attributes``.
    attributes: str | None = None
    last_updated_by: str | None = None
    was_edited: bool | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    url: str | None = None


class ChatMessageRepository(
    Fetchable[ChatMessage],
    DeletableWithWebhooks[ChatMessage],
    StreamableInOrder[ChatMessage],
    OnceCreatable[ChatMessage],
):
    """The messages of one channel."""

    model = ChatMessage

    async def create(
        self,
        *,
        from_: str | None = None,
        body: str | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        last_updated_by: str | None = None,
        media_sid: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> ChatMessage:
        """Add a message to the channel.

        Args:
            from_: The identity of the author; the API's default is ``system``.
            body: The text.
            attributes: A mapping, or JSON text.
            date_created: When the message was written, for an import of history.
            date_updated: When it was last edited, likewise.
            last_updated_by: Who edited it last, likewise.
            media_sid: The media to attach (``ME…``).
            webhook_enabled: Whether webhooks are called for it; the API's default is no.

        Raises:
            NotFoundError: There is no such channel.
            ValueError: A datetime is naive, or the attributes are not JSON; nothing was sent.
        """
        return await self._post(
            self._path,
            {
                "From": from_,
                "Attributes": encode_json("attributes", attributes),
                "DateCreated": date_created,
                "DateUpdated": date_updated,
                "LastUpdatedBy": last_updated_by,
                "Body": body,
                "MediaSid": media_sid,
            },
            webhook_enabled=webhook_enabled,
        )

    async def create_once(
        self,
        *,
        key: str,
        look_back: int = 100,
        from_: str | None = None,
        body: str | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        last_updated_by: str | None = None,
        media_sid: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> ChatMessage:
        """Add a message, unless the channel has the one with this key: that is returned, as it is now.

        How it is found, what that costs, and where it ends: see ``create_once`` of ``MessageRepository``.

        Args:
            key: What tells this message from all others of the channel: 1 to 64 printable characters.
            look_back: How many of the newest messages are searched before the first attempt.
            from_: As for ``create``, and all below.
            attributes: A mapping, or JSON text; an object in any case, without ``idempotency_key``.

        Raises:
            ConversationsError: What the last write failed with, or the search before the first one.
            ValueError: The key or the attributes are none, or as for ``create``; nothing was sent.
        """
        return await self._post_once(
            {
                "From": from_,
                "Attributes": with_key(key, attributes),
                "DateCreated": date_created,
                "DateUpdated": date_updated,
                "LastUpdatedBy": last_updated_by,
                "Body": body,
                "MediaSid": media_sid,
            },
            key=key,
            look_back=look_back,
            webhook_enabled=webhook_enabled,
        )

    async def update(
        self,
        sid: str,
        *,
        from_: str | None = None,
        body: str | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        last_updated_by: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> ChatMessage:
        """Edit a message (``IM…``); the arguments are those of ``create``. What is None stays as it is.

        The attributes replace the old ones as a whole.

        Raises:
            NotFoundError: There is no such message.
        """
        return await self._post(
            self._item(sid),
            {
                "Body": body,
                "Attributes": encode_json("attributes", attributes),
                "DateCreated": date_created,
                "DateUpdated": date_updated,
                "LastUpdatedBy": last_updated_by,
                "From": from_,
            },
            webhook_enabled=webhook_enabled,
        )

"""Channels: what Conversations calls a conversation.

API page: channel resource, https://www.twilio.com/docs/chat/rest/channel-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from ..converter import Attributes, AwareDatetime, OpenEnum, encode_json
from ..repository import PAGE_SIZE_DEFAULT, DeletableWithWebhooks, Fetchable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ..pagination import Stream
    from ..repository import WebhookFlag


class ChannelType(OpenEnum):
    """Who may see and join a channel."""

    PUBLIC = "public"
    PRIVATE = "private"


@frozen(kw_only=True)
class Channel(Attributes):
    """One channel of a service."""

    sid: str
    account_sid: str | None = None
    service_sid: str | None = None
    #: Only where the channel was migrated just now.
    messaging_service_sid: str | None = None
    friendly_name: str | None = None
    #: It will do wherever the SID does.
    unique_name: str | None = None
    #: JSON text; ``{}`` or None where none was set; see ``parsed_attributes``.
    attributes: str | None = None
    type: ChannelType | None = None
    created_by: str | None = None
    members_count: int | None = None
    messages_count: int | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    url: str | None = None
    links: dict[str, str] | None = field(default=None, hash=False)


class ChannelRepository(Fetchable[Channel], DeletableWithWebhooks[Channel]):
    """The channels of a service. For a ``sid``, a unique name will do."""

    model = Channel

    async def create(
        self,
        *,
        friendly_name: str | None = None,
        unique_name: str | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        type: ChannelType | str | None = None,  # noqa: A002  # the API's name
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        created_by: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> Channel:
        """Create a channel.

        Args:
            friendly_name: Up to 64 characters.
            unique_name: A name of its own within the service, up to 64 characters.
            attributes: A mapping, or JSON text.
            type: ``public``, the API's default, or ``private``. It never changes.
            date_created: When it began, for an import of history.
            date_updated: When it was last changed, likewise.
            created_by: The identity of its creator; the API's default is ``system``.
            webhook_enabled: Whether webhooks are called for it; the API's default is no.

        Raises:
            ConflictError: 409/50307 where the unique name is taken.
            ValueError: A datetime is naive, or the attributes are not JSON; nothing was sent.
        """
        return await self._post(
            self._path,
            {
                "FriendlyName": friendly_name,
                "UniqueName": unique_name,
                "Attributes": encode_json("attributes", attributes),
                "Type": type,
                "DateCreated": date_created,
                "DateUpdated": date_updated,
                "CreatedBy": created_by,
            },
            webhook_enabled=webhook_enabled,
        )

    async def update(
        self,
        sid: str,
        *,
        friendly_name: str | None = None,
        unique_name: str | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        created_by: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> Channel:
        """Change a channel; the arguments are those of ``create``. What is None stays as it is.

        Args:
            sid: The channel (``CH…``), or its unique name.
            friendly_name: Up to 256 characters.
            unique_name: Up to 256 characters.
            attributes: They replace the old ones as a whole.

        Raises:
            NotFoundError: There is no such channel.
            ValueError: As for ``create``.
        """
        return await self._post(
            self._item(sid),
            {
                "FriendlyName": friendly_name,
                "UniqueName": unique_name,
                "Attributes": encode_json("attributes", attributes),
                "DateCreated": date_created,
                "DateUpdated": date_updated,
                "CreatedBy": created_by,
            },
            webhook_enabled=webhook_enabled,
        )

    async def migrate(
        self,
        sid: str,
        *,
        messaging_service_sid: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> Channel:
        """Make a public channel one that Conversations sees: a private one. There is no way back.

        This is the only call of version 3 of the Chat API.

        Args:
            sid: The channel (``CH…``).
            messaging_service_sid: The messaging service that it is to use (``MG…``).
            webhook_enabled: As for ``create``.

        Raises:
            NotFoundError: There is no such channel.
        """
        return await self._post(
            self._item(sid).replace("/v2/", "/v3/", 1),
            {"Type": ChannelType.PRIVATE, "MessagingServiceSid": messaging_service_sid},
            webhook_enabled=webhook_enabled,
        )

    def stream(
        self,
        *,
        type: Sequence[ChannelType | str] | None = None,  # noqa: A002  # the API's name
        page_size: int = PAGE_SIZE_DEFAULT,
        limit: int | None = None,
        read_ahead: int = 1,
        cursor: str | None = None,
    ) -> Stream[Channel]:
        """Read the channels, page after page.

        Args:
            type: Those of one of these types. Without it, the API gives public channels only.
            page_size: As for every stream, as are ``limit``, ``read_ahead`` and ``cursor``.

        Raises:
            ValueError: As for every stream.
        """
        filters = {"Type": type}
        return self._stream(filters, page_size=page_size, limit=limit, read_ahead=read_ahead, cursor=cursor)

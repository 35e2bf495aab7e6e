"""Members of a channel: what Conversations calls participants.

API page: member resource, https://www.twilio.com/docs/chat/rest/member-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from attrs import frozen

from ..converter import Attributes, AwareDatetime, encode_json
from ..repository import PAGE_SIZE_DEFAULT, DeletableWithWebhooks, Fetchable, Repository

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ..pagination import Stream
    from ..repository import WebhookFlag

T = TypeVar("T")


class StreamableByIdentity(Repository[T]):
    """The collection can be read as a stream, that of some users only if need be."""

    def stream(
        self,
        *,
        identity: Sequence[str] | None = None,
        page_size: int = PAGE_SIZE_DEFAULT,
        limit: int | None = None,
        read_ahead: int = 1,
        cursor: str | None = None,
    ) -> Stream[T]:
        """Read the collection, page after page.

        Args:
            identity: What belongs to one of these users.
            page_size: As for every stream, as are ``limit``, ``read_ahead`` and ``cursor``.

        Raises:
            ValueError: As for every stream.
        """
        filters = {"Identity": identity}
        return self._stream(filters, page_size=page_size, limit=limit, read_ahead=read_ahead, cursor=cursor)


@frozen(kw_only=True)
class Member(Attributes):
    """One member of a channel."""

    sid: str
    account_sid: str | None = None
    service_sid: str | None = None
    channel_sid: str | None = None
    identity: str | None = None
    role_sid: str | None = None
    #: The index of the last message that the member has read.
    last_consumed_message_index: int | None = None
    last_consumption_timestamp: AwareDatetime | None = None
    #: JSON text; ``{}`` or None where none was set; see ``parsed_attributes``.
    attributes: str | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    url: str | None = None


class MemberRepository(Fetchable[Member], DeletableWithWebhooks[Member], StreamableByIdentity[Member]):
    """The members of one channel. For a ``sid``, an identity will do."""

    model = Member

    async def create(
        self,
        *,
        identity: str,
        role_sid: str | None = None,
        last_consumed_message_index: int | None = None,
        last_consumption_timestamp: datetime | None = None,
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> Member:
        """Add a user to the channel.

        Args:
            identity: The user.
            role_sid: The role in the channel (``RL…``); otherwise the service's default.
            last_consumed_message_index: The index of the last message that was read, for an import
                of history.
            last_consumption_timestamp: When it was read, likewise.
            date_created: When the member joined, likewise.
            date_updated: When the member was last changed, likewise.
            attributes: A mapping, or JSON text.
            webhook_enabled: Whether webhooks are called for it; the API's default is no.

        Raises:
            ConflictError: 409/50404 where the user is a member already.
            NotFoundError: There is no such channel.
            ValueError: A datetime is naive, or the attributes are not JSON; nothing was sent.
        """
        return await self._post(
            self._path,
            {
                "Identity": identity,
                "RoleSid": role_sid,
                "LastConsumedMessageIndex": last_consumed_message_index,
                "LastConsumptionTimestamp": last_consumption_timestamp,
                "DateCreated": date_created,
                "DateUpdated": date_updated,
                "Attributes": encode_json("attributes", attributes),
            },
            webhook_enabled=webhook_enabled,
        )

    async def update(
        self,
        sid: str,
        *,
        role_sid: str | None = None,
        last_consumed_message_index: int | None = None,
        last_consumption_timestamp: datetime | None = None,
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> Member:
        """Change a member (``MB…``); the arguments are those of ``create``. What is None stays as it is.

        Raises:
            NotFoundError: There is no such member.
            ValueError: As for ``create``.
        """
        return await self._post(
            self._item(sid),
            {
                "RoleSid": role_sid,
                "LastConsumedMessageIndex": last_consumed_message_index,
                "LastConsumptionTimestamp": last_consumption_timestamp,
                "DateCreated": date_created,
                "DateUpdated": date_updated,
                "Attributes": encode_json("attributes", attributes),
            },
            webhook_enabled=webhook_enabled,
        )

"""Addresses: the numbers and senders whose inbound messages create conversations.

API page: address configuration resource,
https://www.twilio.com/docs/conversations/api/address-configuration-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from ..converter import AwareDatetime, OpenEnum
from ..repository import PAGE_SIZE_DEFAULT, Deletable, Fetchable
from .webhooks import WebhookMethod

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..pagination import Stream


class AddressType(OpenEnum):
    """The channel of an address."""

    SMS = "sms"
    WHATSAPP = "whatsapp"
    MESSENGER = "messenger"
    GBM = "gbm"
    EMAIL = "email"
    RCS = "rcs"
    APPLE = "apple"
    CHAT = "chat"


class AutoCreationType(OpenEnum):
    """What a conversation is given that was created by an inbound message."""

    WEBHOOK = "webhook"
    STUDIO = "studio"
    #: Nothing.
    DEFAULT = "default"


@frozen(kw_only=True)
class AutoCreation:
    """What happens on an inbound message that belongs to no conversation; what does not apply is None."""

    enabled: bool | None = None
    type: AutoCreationType | None = None
    #: None for the default service.
    conversation_service_sid: str | None = None
    webhook_url: str | None = None
    webhook_method: WebhookMethod | None = None
    webhook_filters: tuple[str, ...] | None = None
    studio_flow_sid: str | None = None
    studio_retry_count: int | None = None


@frozen(kw_only=True)
class Address:
    """The configuration of one address."""

    sid: str
    account_sid: str | None = None
    type: AddressType | None = None
    #: Such as ``+15558675310`` or ``whatsapp:+15558675310``.
    address: str | None = None
    friendly_name: str | None = None
    auto_creation: AutoCreation | None = None
    #: ISO 3166-1 alpha-2; only for short codes.
    address_country: str | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    url: str | None = None


class AddressRepository(Fetchable[Address], Deletable[Address]):
    """The configured addresses of the account. For a ``sid``, the address will do."""

    model = Address
    member = "address_configurations"

    async def create(
        self,
        *,
        type: AddressType | str,  # noqa: A002  # the API's name
        address: str,
        friendly_name: str | None = None,
        auto_creation_enabled: bool | None = None,
        auto_creation_type: AutoCreationType | str | None = None,
        auto_creation_conversation_service_sid: str | None = None,
        auto_creation_webhook_url: str | None = None,
        auto_creation_webhook_method: WebhookMethod | str | None = None,
        auto_creation_webhook_filters: Sequence[str] | None = None,
        auto_creation_studio_flow_sid: str | None = None,
        auto_creation_studio_retry_count: int | None = None,
        address_country: str | None = None,
    ) -> Address:
        """Configure an address.

        Args:
            type: Its channel.
            address: The number or sender; it has one configuration at the most.
            friendly_name: Up to 256 characters.
            auto_creation_enabled: Whether an inbound message creates a conversation.
            auto_creation_type: What such a conversation is given: a webhook, a Studio flow, or nothing.
            auto_creation_conversation_service_sid: The service of such a conversation (``IS…``); otherwise
                the account's default.
            auto_creation_webhook_url: What its webhook calls.
            auto_creation_webhook_method: How its webhook calls.
            auto_creation_webhook_filters: Up to ten events that its webhook is called for.
            auto_creation_studio_flow_sid: Its Studio flow (``FW…``).
            auto_creation_studio_retry_count: How often the call of the flow is repeated.
            address_country: For a short code, its country, as ISO 3166-1 alpha-2.
        """
        return await self._post(
            self._path,
            {
                "Type": type,
                "Address": address,
                "FriendlyName": friendly_name,
                "AutoCreation.Enabled": auto_creation_enabled,
                "AutoCreation.Type": auto_creation_type,
                "AutoCreation.ConversationServiceSid": auto_creation_conversation_service_sid,
                "AutoCreation.WebhookUrl": auto_creation_webhook_url,
                "AutoCreation.WebhookMethod": auto_creation_webhook_method,
                "AutoCreation.WebhookFilters": auto_creation_webhook_filters,
                "AutoCreation.StudioFlowSid": auto_creation_studio_flow_sid,
                "AutoCreation.StudioRetryCount": auto_creation_studio_retry_count,
                "AddressCountry": address_country,
            },
        )

    async def update(
        self,
        sid: str,
        *,
        friendly_name: str | None = None,
        auto_creation_enabled: bool | None = None,
        auto_creation_type: AutoCreationType | str | None = None,
        auto_creation_conversation_service_sid: str | None = None,
        auto_creation_webhook_url: str | None = None,
        auto_creation_webhook_method: WebhookMethod | str | None = None,
        auto_creation_webhook_filters: Sequence[str] | None = None,
        auto_creation_studio_flow_sid: str | None = None,
        auto_creation_studio_retry_count: int | None = None,
    ) -> Address:
        """Change a configuration (``IG…``, or its address); the arguments are those of ``create``.

        Raises:
            NotFoundError: There is no such configuration.
        """
        return await self._post(
            self._item(sid),
            {
                "FriendlyName": friendly_name,
                "AutoCreation.Enabled": auto_creation_enabled,
                "AutoCreation.Type": auto_creation_type,
                "AutoCreation.ConversationServiceSid": auto_creation_conversation_service_sid,
                "AutoCreation.WebhookUrl": auto_creation_webhook_url,
                "AutoCreation.WebhookMethod": auto_creation_webhook_method,
                "AutoCreation.WebhookFilters": auto_creation_webhook_filters,
                "AutoCreation.StudioFlowSid": auto_creation_studio_flow_sid,
                "AutoCreation.StudioRetryCount": auto_creation_studio_retry_count,
            },
        )

    def stream(
        self,
        *,
        type: AddressType | str | None = None,  # noqa: A002  # the API's name
        page_size: int = PAGE_SIZE_DEFAULT,
        limit: int | None = None,
        read_ahead: int = 1,
        cursor: str | None = None,
    ) -> Stream[Address]:
        """Read the configurations, page after page.

        Args:
            type: Those of this channel.
            page_size: As for every stream, as are ``limit``, ``read_ahead`` and ``cursor``.

        Raises:
            ValueError: As for every stream.
        """
        filters = {"Type": type}
        return self._stream(filters, page_size=page_size, limit=limit, read_ahead=read_ahead, cursor=cursor)

"""The webhooks of the account, and of each service: what is called for everything that happens there.

API pages: the global webhook configuration,
https://www.twilio.com/docs/conversations/api/webhook-configuration-resource, and the service's,
https://www.twilio.com/docs/conversations/api/service-webhook-configuration-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from ..converter import OpenEnum
from ..repository import Singleton
from .webhooks import WebhookMethod

if TYPE_CHECKING:
    from collections.abc import Sequence


class WebhookConfigurationTarget(OpenEnum):
    """What the account's webhooks serve."""

    WEBHOOK = "webhook"
    FLEX = "flex"


@frozen(kw_only=True)
class WebhookConfiguration:
    """What is called before and after something happens."""

    account_sid: str | None = None
    #: None for the account's.
    chat_service_sid: str | None = None
    #: Called before it happens; the answer may forbid or change it.
    pre_webhook_url: str | None = None
    #: Called after it happened.
    post_webhook_url: str | None = None
    method: WebhookMethod | None = None
    #: The events that there are calls for; those of former times may be among them.
    filters: tuple[str, ...] | None = None
    #: None for a service's.
    target: WebhookConfigurationTarget | None = None
    url: str | None = None


class ServiceWebhookConfigurationRepository(Singleton[WebhookConfiguration]):
    """The webhooks of a service. If it has any, the account's are not called for it."""

    model = WebhookConfiguration

    async def update(
        self,
        *,
        pre_webhook_url: str | None = None,
        post_webhook_url: str | None = None,
        method: WebhookMethod | str | None = None,
        filters: Sequence[str] | None = None,
    ) -> WebhookConfiguration:
        """Change the webhooks of the service. What is None stays as it is.

        Args:
            pre_webhook_url: What is called before it happens.
            post_webhook_url: What is called after it happened.
            method: How both are called.
            filters: The events that there are calls for, such as ``onMessageAdd`` (before) and
                ``onMessageAdded`` (after).
        """
        return await self._post(
            self._path,
            {
                "PreWebhookUrl": pre_webhook_url,
                "PostWebhookUrl": post_webhook_url,
                "Method": method,
                "Filters": filters,
            },
        )


class WebhookConfigurationRepository(Singleton[WebhookConfiguration]):
    """The webhooks of the account, for all services that have none of their own."""

    model = WebhookConfiguration

    async def update(
        self,
        *,
        pre_webhook_url: str | None = None,
        post_webhook_url: str | None = None,
        method: WebhookMethod | str | None = None,
        filters: Sequence[str] | None = None,
        target: WebhookConfigurationTarget | str | None = None,
    ) -> WebhookConfiguration:
        """Change the webhooks of the account; the arguments are those of a service's, and ``target``."""
        return await self._post(
            self._path,
            {
                "PreWebhookUrl": pre_webhook_url,
                "PostWebhookUrl": post_webhook_url,
                "Method": method,
                "Filters": filters,
                "Target": target,
            },
        )

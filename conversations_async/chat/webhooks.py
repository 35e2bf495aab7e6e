"""Webhooks of one channel.

API page: channel webhook resource, https://www.twilio.com/docs/chat/rest/channel-webhook-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from ..converter import AwareDatetime
from ..repository import Deletable, Fetchable, Streamable
from ..resources.webhooks import ScopedWebhookConfiguration, WebhookMethod, WebhookTarget

if TYPE_CHECKING:
    from collections.abc import Sequence


@frozen(kw_only=True)
class ChannelWebhook:
    """One webhook of a channel."""

    sid: str
    account_sid: str | None = None
    service_sid: str | None = None
    channel_sid: str | None = None
    #: What Conversations calls its target.
    type: WebhookTarget | None = None
    configuration: ScopedWebhookConfiguration | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    url: str | None = None


class ChannelWebhookRepository(
    Fetchable[ChannelWebhook], Deletable[ChannelWebhook], Streamable[ChannelWebhook]
):
    """The webhooks of one channel, five at the most."""

    model = ChannelWebhook

    async def create(
        self,
        *,
        type: WebhookTarget | str,  # noqa: A002  # the API's name
        configuration_url: str | None = None,
        configuration_method: WebhookMethod | str | None = None,
        configuration_filters: Sequence[str] | None = None,
        configuration_triggers: Sequence[str] | None = None,
        configuration_flow_sid: str | None = None,
        configuration_retry_count: int | None = None,
    ) -> ChannelWebhook:
        """Add a webhook to the channel.

        Args:
            type: What it does.
            configuration_url: What is called, for a webhook or trigger.
            configuration_method: How it is called, likewise.
            configuration_filters: The events that call a webhook, such as ``onMessageSent``.
            configuration_triggers: Up to five keywords that set off a trigger.
            configuration_flow_sid: The Studio flow (``FW…``).
            configuration_retry_count: How often a failed call is repeated, from 0, the API's default, to 3.

        Raises:
            NotFoundError: There is no such channel.
        """
        return await self._post(
            self._path,
            {
                "Type": type,
                "Configuration.Url": configuration_url,
                "Configuration.Method": configuration_method,
                "Configuration.Filters": configuration_filters,
                "Configuration.Triggers": configuration_triggers,
                "Configuration.FlowSid": configuration_flow_sid,
                "Configuration.RetryCount": configuration_retry_count,
            },
        )

    async def update(
        self,
        sid: str,
        *,
        configuration_url: str | None = None,
        configuration_method: WebhookMethod | str | None = None,
        configuration_filters: Sequence[str] | None = None,
        configuration_triggers: Sequence[str] | None = None,
        configuration_flow_sid: str | None = None,
        configuration_retry_count: int | None = None,
    ) -> ChannelWebhook:
        """Change a webhook (``WH…``); the arguments are those of ``create``. What is None stays as it is.

        Raises:
            NotFoundError: There is no such webhook.
        """
        return await self._post(
            self._item(sid),
            {
                "Configuration.Url": configuration_url,
                "Configuration.Method": configuration_method,
                "Configuration.Filters": configuration_filters,
                "Configuration.Triggers": configuration_triggers,
                "Configuration.FlowSid": configuration_flow_sid,
                "Configuration.RetryCount": configuration_retry_count,
            },
        )

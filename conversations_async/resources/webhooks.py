"""Webhooks of one conversation: what is called when something happens in it, besides the service's webhooks.

API page: conversation scoped webhook resource,
https://www.twilio.com/docs/conversations/api/conversation-scoped-webhook-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from ..converter import AwareDatetime, OpenEnum
from ..repository import Deletable, Fetchable, Streamable

if TYPE_CHECKING:
    from collections.abc import Sequence


class WebhookTarget(OpenEnum):
    """What a webhook does."""

    #: Call a URL for each event that the filters name.
    WEBHOOK = "webhook"
    #: Call a URL for each message that contains one of the keywords.
    TRIGGER = "trigger"
    #: Start a Studio flow.
    STUDIO = "studio"


class WebhookMethod(OpenEnum):
    """How a webhook is called.

    For webhooks of one conversation, and of an address, the specification has these in lower case; the API
    does not look at the case of an enum's value, as far as is known.
    """

    GET = "GET"
    POST = "POST"


@frozen(kw_only=True)
class ScopedWebhookConfiguration:
    """What a webhook of one conversation or channel is about; the API leaves out what does not apply."""

    url: str | None = None
    method: WebhookMethod | None = None
    #: The events; for a trigger, the API gives its keywords here.
    filters: tuple[str, ...] | None = None
    triggers: tuple[str, ...] | None = None
    flow_sid: str | None = None
    #: The index of the first message that is replayed.
    replay_after: int | None = None
    #: Only in the legacy Chat API.
    retry_count: int | None = None


@frozen(kw_only=True)
class Webhook:
    """One webhook of a conversation."""

    sid: str
    account_sid: str | None = None
    conversation_sid: str | None = None
    #: Only where the path names a service.
    chat_service_sid: str | None = None
    target: WebhookTarget | None = None
    configuration: ScopedWebhookConfiguration | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    url: str | None = None


class WebhookRepository(Fetchable[Webhook], Deletable[Webhook], Streamable[Webhook]):
    """The webhooks of one conversation, five at the most."""

    model = Webhook

    async def create(
        self,
        *,
        target: WebhookTarget | str,
        configuration_url: str | None = None,
        configuration_method: WebhookMethod | str | None = None,
        configuration_filters: Sequence[str] | None = None,
        configuration_triggers: Sequence[str] | None = None,
        configuration_flow_sid: str | None = None,
        configuration_replay_after: int | None = None,
    ) -> Webhook:
        """Add a webhook to the conversation.

        Args:
            target: What it does.
            configuration_url: What is called, for a webhook or trigger.
            configuration_method: How it is called, likewise.
            configuration_filters: The events that call a webhook, such as ``onMessageAdded``.
            configuration_triggers: Up to five keywords that set off a trigger.
            configuration_flow_sid: The Studio flow (``FW…``).
            configuration_replay_after: The index of a message: the webhook is called for it and for all
                that follow. None replays nothing.

        Raises:
            APIError: 50361 for a sixth one.
            NotFoundError: There is no such conversation.
        """
        return await self._post(
            self._path,
            {
                "Target": target,
                "Configuration.Url": configuration_url,
                "Configuration.Method": configuration_method,
                "Configuration.Filters": configuration_filters,
                "Configuration.Triggers": configuration_triggers,
                "Configuration.FlowSid": configuration_flow_sid,
                "Configuration.ReplayAfter": configuration_replay_after,
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
    ) -> Webhook:
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
            },
        )

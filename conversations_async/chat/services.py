"""Services of the legacy Chat API, with all their settings.

API page: service resource, https://www.twilio.com/docs/chat/rest/service-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from ..converter import AwareDatetime
from ..repository import Deletable, Fetchable, Streamable
from ..resources.notifications import NewMessageNotification, PushNotification
from ..resources.webhooks import WebhookMethod

if TYPE_CHECKING:
    from collections.abc import Sequence


@frozen(kw_only=True)
class ChatLimits:
    """How many there may be; each up to 1,000."""

    #: The API's default is 250.
    channel_members: int | None = None
    #: The API's default is 100.
    user_channels: int | None = None


@frozen(kw_only=True)
class ChatMediaSettings:
    """What holds for media."""

    #: In megabytes.
    size_limit_mb: int | None = None
    #: What a message of media alone says to clients that cannot show it.
    compatibility_message: str | None = None


@frozen(kw_only=True)
class ChatNotifications:
    """The push notifications of a service; the API leaves out what was never set."""

    log_enabled: bool | None = None
    new_message: NewMessageNotification | None = None
    added_to_channel: PushNotification | None = None
    removed_from_channel: PushNotification | None = None
    invited_to_channel: PushNotification | None = None


@frozen(kw_only=True)
class ChatService:
    """One service."""

    sid: str
    account_sid: str | None = None
    friendly_name: str | None = None
    default_service_role_sid: str | None = None
    default_channel_role_sid: str | None = None
    default_channel_creator_role_sid: str | None = None
    read_status_enabled: bool | None = None
    reachability_enabled: bool | None = None
    #: In seconds.
    typing_indicator_timeout: int | None = None
    #: In seconds; the API calls it deprecated.
    consumption_report_interval: int | None = None
    limits: ChatLimits | None = None
    pre_webhook_url: str | None = None
    post_webhook_url: str | None = None
    webhook_method: WebhookMethod | None = None
    webhook_filters: tuple[str, ...] | None = None
    pre_webhook_retry_count: int | None = None
    post_webhook_retry_count: int | None = None
    notifications: ChatNotifications | None = None
    media: ChatMediaSettings | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    url: str | None = None
    links: dict[str, str] | None = field(default=None, hash=False)


class ChatServiceRepository(Fetchable[ChatService], Deletable[ChatService], Streamable[ChatService]):
    """The services of the account."""

    model = ChatService

    async def create(self, *, friendly_name: str) -> ChatService:
        """Create a service."""
        return await self._post(self._path, {"FriendlyName": friendly_name})

    async def update(
        self,
        sid: str,
        *,
        friendly_name: str | None = None,
        default_service_role_sid: str | None = None,
        default_channel_role_sid: str | None = None,
        default_channel_creator_role_sid: str | None = None,
        read_status_enabled: bool | None = None,
        reachability_enabled: bool | None = None,
        typing_indicator_timeout: int | None = None,
        consumption_report_interval: int | None = None,
        limits_channel_members: int | None = None,
        limits_user_channels: int | None = None,
        pre_webhook_url: str | None = None,
        post_webhook_url: str | None = None,
        webhook_method: WebhookMethod | str | None = None,
        webhook_filters: Sequence[str] | None = None,
        pre_webhook_retry_count: int | None = None,
        post_webhook_retry_count: int | None = None,
        media_compatibility_message: str | None = None,
        notifications_log_enabled: bool | None = None,
        notifications_new_message_enabled: bool | None = None,
        notifications_new_message_template: str | None = None,
        notifications_new_message_sound: str | None = None,
        notifications_new_message_badge_count_enabled: bool | None = None,
        notifications_added_to_channel_enabled: bool | None = None,
        notifications_added_to_channel_template: str | None = None,
        notifications_added_to_channel_sound: str | None = None,
        notifications_removed_from_channel_enabled: bool | None = None,
        notifications_removed_from_channel_template: str | None = None,
        notifications_removed_from_channel_sound: str | None = None,
        notifications_invited_to_channel_enabled: bool | None = None,
        notifications_invited_to_channel_template: str | None = None,
        notifications_invited_to_channel_sound: str | None = None,
    ) -> ChatService:
        """Change the settings of a service (``IS…``), as ``ChatService`` has them.

        What is None stays as it is.

        Args:
            typing_indicator_timeout: Seconds after which somebody no longer types; the API's default is 5.
            pre_webhook_retry_count: How often a call is repeated that took over 5 seconds, or was answered
                with 429, 503 or 504; from 0, the API's default, to 3.
            post_webhook_retry_count: Likewise.

        Raises:
            NotFoundError: There is no such service.
        """
        return await self._post(
            self._item(sid),
            {
                "FriendlyName": friendly_name,
                "DefaultServiceRoleSid": default_service_role_sid,
                "DefaultChannelRoleSid": default_channel_role_sid,
                "DefaultChannelCreatorRoleSid": default_channel_creator_role_sid,
                "ReadStatusEnabled": read_status_enabled,
                "ReachabilityEnabled": reachability_enabled,
                "TypingIndicatorTimeout": typing_indicator_timeout,
                "ConsumptionReportInterval": consumption_report_interval,
                "Limits.ChannelMembers": limits_channel_members,
                "Limits.UserChannels": limits_user_channels,
                "PreWebhookUrl": pre_webhook_url,
                "PostWebhookUrl": post_webhook_url,
                "WebhookMethod": webhook_method,
                "WebhookFilters": webhook_filters,
                "PreWebhookRetryCount": pre_webhook_retry_count,
                "PostWebhookRetryCount": post_webhook_retry_count,
                "Media.CompatibilityMessage": media_compatibility_message,
                "Notifications.LogEnabled": notifications_log_enabled,
                "Notifications.NewMessage.Enabled": notifications_new_message_enabled,
                "Notifications.NewMessage.Template": notifications_new_message_template,
                "Notifications.NewMessage.Sound": notifications_new_message_sound,
                "Notifications.NewMessage.BadgeCountEnabled": notifications_new_message_badge_count_enabled,
                "Notifications.AddedToChannel.Enabled": notifications_added_to_channel_enabled,
                "Notifications.AddedToChannel.Template": notifications_added_to_channel_template,
                "Notifications.AddedToChannel.Sound": notifications_added_to_channel_sound,
                "Notifications.RemovedFromChannel.Enabled": notifications_removed_from_channel_enabled,
                "Notifications.RemovedFromChannel.Template": notifications_removed_from_channel_template,
                "Notifications.RemovedFromChannel.Sound": notifications_removed_from_channel_sound,
                "Notifications.InvitedToChannel.Enabled": notifications_invited_to_channel_enabled,
                "Notifications.InvitedToChannel.Template": notifications_invited_to_channel_template,
                "Notifications.InvitedToChannel.Sound": notifications_invited_to_channel_sound,
            },
        )

"""Push notifications of a service: which are sent, and what they say.

API page: service notification resource,
https://www.twilio.com/docs/conversations/api/service-notification-resource
"""

from __future__ import annotations

from attrs import frozen

from ..repository import Singleton


@frozen(kw_only=True)
class PushNotification:
    """One kind of notification."""

    enabled: bool | None = None
    #: The text, in which ``${CONVERSATION}``, ``${PARTICIPANT}``, ``${MESSAGE}`` … are replaced.
    template: str | None = None
    #: The name of the sound to play.
    sound: str | None = None


@frozen(kw_only=True)
class NewMessageNotification(PushNotification):
    """The notification of a new message."""

    badge_count_enabled: bool | None = None
    #: That of a message with media, in whose text ``${MEDIA}`` and ``${MEDIA_COUNT}`` are replaced too.
    with_media: PushNotification | None = None


@frozen(kw_only=True)
class NotificationConfiguration:
    """The notifications of a service."""

    account_sid: str | None = None
    chat_service_sid: str | None = None
    new_message: NewMessageNotification | None = None
    added_to_conversation: PushNotification | None = None
    removed_from_conversation: PushNotification | None = None
    log_enabled: bool | None = None
    url: str | None = None


class NotificationRepository(Singleton[NotificationConfiguration]):
    """The notifications of a service."""

    model = NotificationConfiguration

    async def update(
        self,
        *,
        log_enabled: bool | None = None,
        new_message_enabled: bool | None = None,
        new_message_template: str | None = None,
        new_message_sound: str | None = None,
        new_message_badge_count_enabled: bool | None = None,
        new_message_with_media_enabled: bool | None = None,
        new_message_with_media_template: str | None = None,
        added_to_conversation_enabled: bool | None = None,
        added_to_conversation_template: str | None = None,
        added_to_conversation_sound: str | None = None,
        removed_from_conversation_enabled: bool | None = None,
        removed_from_conversation_template: str | None = None,
        removed_from_conversation_sound: str | None = None,
    ) -> NotificationConfiguration:
        """Change the notifications of the service, as ``PushNotification`` describes them.

        What is None stays as it is. The API's default is to send none.
        """
        return await self._post(
            self._path,
            {
                "LogEnabled": log_enabled,
                "NewMessage.Enabled": new_message_enabled,
                "NewMessage.Template": new_message_template,
                "NewMessage.Sound": new_message_sound,
                "NewMessage.BadgeCountEnabled": new_message_badge_count_enabled,
                "NewMessage.WithMedia.Enabled": new_message_with_media_enabled,
                "NewMessage.WithMedia.Template": new_message_with_media_template,
                "AddedToConversation.Enabled": added_to_conversation_enabled,
                "AddedToConversation.Template": added_to_conversation_template,
                "AddedToConversation.Sound": added_to_conversation_sound,
                "RemovedFromConversation.Enabled": removed_from_conversation_enabled,
                "RemovedFromConversation.Template": removed_from_conversation_template,
                "RemovedFromConversation.Sound": removed_from_conversation_sound,
            },
        )

"""Configuration: the defaults of the account, and of each service.

API pages: configuration resource, https://www.twilio.com/docs/conversations/api/configuration-resource, and
service configuration resource, https://www.twilio.com/docs/conversations/api/service-configuration-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from ..repository import Singleton

if TYPE_CHECKING:
    from datetime import timedelta


@frozen(kw_only=True)
class Configuration:
    """The defaults of the account."""

    account_sid: str | None = None
    #: The service of all that is not under ``client.service(…)``.
    default_chat_service_sid: str | None = None
    default_messaging_service_sid: str | None = None
    #: An ISO 8601 duration, as are all timers: ``PT1M``.
    default_inactive_timer: str | None = None
    default_closed_timer: str | None = None
    url: str | None = None
    links: dict[str, str] | None = field(default=None, hash=False)


class ConfigurationRepository(Singleton[Configuration]):
    """The configuration of the account."""

    model = Configuration

    async def update(
        self,
        *,
        default_chat_service_sid: str | None = None,
        default_messaging_service_sid: str | None = None,
        default_inactive_timer: timedelta | str | None = None,
        default_closed_timer: timedelta | str | None = None,
    ) -> Configuration:
        """Change the defaults of the account. What is None stays as it is.

        Args:
            default_chat_service_sid: The service for new conversations (``IS…``).
            default_messaging_service_sid: Their messaging service (``MG…``).
            default_inactive_timer: How long until they become inactive: an ISO 8601 duration, or a
                timedelta; at least one minute.
            default_closed_timer: How long until they are closed, likewise; at least ten minutes.
        """
        return await self._post(
            self._path,
            {
                "DefaultChatServiceSid": default_chat_service_sid,
                "DefaultMessagingServiceSid": default_messaging_service_sid,
                "DefaultInactiveTimer": default_inactive_timer,
                "DefaultClosedTimer": default_closed_timer,
            },
        )


@frozen(kw_only=True)
class ServiceConfiguration:
    """The defaults of a service."""

    chat_service_sid: str | None = None
    #: The role of whoever creates a conversation, in it.
    default_conversation_creator_role_sid: str | None = None
    #: The role of everybody else in a conversation.
    default_conversation_role_sid: str | None = None
    #: The role of a new user in the service.
    default_chat_service_role_sid: str | None = None
    #: Whether users have ``is_online`` and ``is_notifiable``.
    reachability_enabled: bool | None = None
    url: str | None = None
    links: dict[str, str] | None = field(default=None, hash=False)


class ServiceConfigurationRepository(Singleton[ServiceConfiguration]):
    """The configuration of a service."""

    model = ServiceConfiguration

    async def update(
        self,
        *,
        default_conversation_creator_role_sid: str | None = None,
        default_conversation_role_sid: str | None = None,
        default_chat_service_role_sid: str | None = None,
        reachability_enabled: bool | None = None,
    ) -> ServiceConfiguration:
        """Change the defaults of the service; roles are ``RL…``. What is None stays as it is."""
        return await self._post(
            self._path,
            {
                "DefaultConversationCreatorRoleSid": default_conversation_creator_role_sid,
                "DefaultConversationRoleSid": default_conversation_role_sid,
                "DefaultChatServiceRoleSid": default_chat_service_role_sid,
                "ReachabilityEnabled": reachability_enabled,
            },
        )

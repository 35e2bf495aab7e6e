"""Users: the identities that use chat in a service.

API page: user resource, https://www.twilio.com/docs/conversations/api/user-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from attrs import field, frozen

from ..converter import Attributes, AwareDatetime, encode_json
from ..repository import DeletableWithWebhooks, Fetchable, Streamable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..repository import WebhookFlag

T = TypeVar("T")


@frozen(kw_only=True)
class AnyUser(Attributes):
    """What a user is in both APIs."""

    sid: str
    account_sid: str | None = None
    role_sid: str | None = None
    #: What the application calls the user; it never changes.
    identity: str | None = None
    friendly_name: str | None = None
    #: JSON text; ``{}`` or None where none was set; see ``parsed_attributes``.
    attributes: str | None = None
    #: None in lists, and where the service's reachability is off.
    is_online: bool | None = None
    #: Whether a push notification would arrive; None as for ``is_online``.
    is_notifiable: bool | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    url: str | None = None
    links: dict[str, str] | None = field(default=None, hash=False)


@frozen(kw_only=True)
class User(AnyUser):
    """One user of a service."""

    chat_service_sid: str | None = None


class Users(Fetchable[T], Streamable[T]):
    """What users of both APIs have in common. For a ``sid``, an identity will do."""

    async def create(
        self,
        *,
        identity: str,
        friendly_name: str | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        role_sid: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> T:
        """Create a user. An identity that joins a conversation becomes one by itself.

        Args:
            identity: What the application calls the user, up to 256 characters.
            friendly_name: Up to 256 characters.
            attributes: A mapping, or JSON text.
            role_sid: The role in the service (``RL…``); otherwise the service's default.
            webhook_enabled: Whether webhooks are called for it; the API's default is no.

        Raises:
            ConflictError: 409/50201 where there is such a user already.
            ValueError: The attributes are not JSON; nothing was sent.
        """
        return await self._post(
            self._path,
            {
                "Identity": identity,
                "FriendlyName": friendly_name,
                "Attributes": encode_json("attributes", attributes),
                "RoleSid": role_sid,
            },
            webhook_enabled=webhook_enabled,
        )

    async def update(
        self,
        sid: str,
        *,
        friendly_name: str | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        role_sid: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> T:
        """Change a user; the arguments are those of ``create``. What is None stays as it is.

        Raises:
            NotFoundError: There is no such user.
            ValueError: As for ``create``.
        """
        return await self._post(
            self._item(sid),
            {
                "FriendlyName": friendly_name,
                "Attributes": encode_json("attributes", attributes),
                "RoleSid": role_sid,
            },
            webhook_enabled=webhook_enabled,
        )


class UserRepository(Users[User], DeletableWithWebhooks[User]):
    """The users of a service. For a ``sid``, an identity will do."""

    model = User

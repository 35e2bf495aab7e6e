"""Roles: what users may do, in a service or in a conversation.

API page: role resource, https://www.twilio.com/docs/conversations/api/role-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from attrs import frozen

from ..converter import AwareDatetime, OpenEnum
from ..repository import Deletable, Fetchable, Streamable

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class RoleType(OpenEnum):
    """Where a role holds."""

    CONVERSATION = "conversation"
    SERVICE = "service"
    #: What the legacy Chat API says for a conversation …
    CHANNEL = "channel"
    #: … and for a service.
    DEPLOYMENT = "deployment"


@frozen(kw_only=True)
class AnyRole:
    """What a role is in both APIs: a set of permissions."""

    sid: str
    account_sid: str | None = None
    friendly_name: str | None = None
    type: RoleType | None = None
    #: Such as ``sendMessage``, ``leaveConversation``, ``editOwnMessage``.
    permissions: tuple[str, ...] | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    url: str | None = None


@frozen(kw_only=True)
class Role(AnyRole):
    """One role."""

    chat_service_sid: str | None = None


class Roles(Fetchable[T], Deletable[T], Streamable[T]):
    """What roles of both APIs have in common."""

    async def create(self, *, friendly_name: str, type: RoleType | str, permission: Sequence[str]) -> T:  # noqa: A002  # the API's name
        """Create a role.

        Args:
            friendly_name: Up to 64 characters.
            type: Where it holds; the permissions that there are depend on it.
            permission: The permissions that it grants.
        """
        form = {"FriendlyName": friendly_name, "Type": type, "Permission": permission}
        return await self._post(self._path, form)

    async def update(self, sid: str, *, permission: Sequence[str]) -> T:
        """Replace all permissions of a role (``RL…``).

        Raises:
            NotFoundError: There is no such role.
        """
        return await self._post(self._item(sid), {"Permission": permission})


class RoleRepository(Roles[Role]):
    """The roles of a service."""

    model = Role

"""Roles, as the legacy Chat API has them.

API page: role resource, https://www.twilio.com/docs/chat/rest/role-resource
"""

from __future__ import annotations

from attrs import frozen

from ..resources.roles import AnyRole, Roles


@frozen(kw_only=True)
class ChatRole(AnyRole):
    """One role."""

    service_sid: str | None = None


class ChatRoleRepository(Roles[ChatRole]):
    """The roles of a service."""

    model = ChatRole

"""Services: worlds of their own, each with its conversations, users and roles.

API page: service resource, https://www.twilio.com/docs/conversations/api/service-resource
"""

from __future__ import annotations

from attrs import field, frozen

from ..converter import AwareDatetime
from ..repository import Deletable, Fetchable, Streamable


@frozen(kw_only=True)
class Service:
    """One service."""

    sid: str
    account_sid: str | None = None
    friendly_name: str | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    url: str | None = None
    links: dict[str, str] | None = field(default=None, hash=False)


class ServiceRepository(Fetchable[Service], Deletable[Service], Streamable[Service]):
    """The services of the account. The API cannot rename one."""

    model = Service

    async def create(self, *, friendly_name: str) -> Service:
        """Create a service, whose name may have up to 256 characters."""
        return await self._post(self._path, {"FriendlyName": friendly_name})

"""Invites to a channel, which Conversations does not have.

API page: invite resource, https://www.twilio.com/docs/chat/rest/invite-resource
"""

from __future__ import annotations

from attrs import frozen

from ..converter import AwareDatetime
from ..repository import Deletable, Fetchable
from .members import StreamableByIdentity


@frozen(kw_only=True)
class Invite:
    """One invite to a channel."""

    sid: str
    account_sid: str | None = None
    service_sid: str | None = None
    channel_sid: str | None = None
    identity: str | None = None
    role_sid: str | None = None
    created_by: str | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    url: str | None = None


class InviteRepository(Fetchable[Invite], Deletable[Invite], StreamableByIdentity[Invite]):
    """The invites to one channel."""

    model = Invite

    async def create(self, *, identity: str, role_sid: str | None = None) -> Invite:
        """Invite a user to the channel.

        Args:
            identity: The user, who must exist.
            role_sid: The role that the user is to have in the channel (``RL…``).

        Raises:
            NotFoundError: There is no such channel, or no such user.
        """
        return await self._post(self._path, {"Identity": identity, "RoleSid": role_sid})

"""Users of a service, as the legacy Chat API has them.

API page: user resource, https://www.twilio.com/docs/chat/rest/user-resource
"""

from __future__ import annotations

from attrs import frozen

from ..repository import Deletable
from ..resources.users import AnyUser, Users


@frozen(kw_only=True)
class ChatUser(AnyUser):
    """One user of a service."""

    service_sid: str | None = None
    joined_channels_count: int | None = None


class ChatUserRepository(Users[ChatUser], Deletable[ChatUser]):
    """The users of a service. For a ``sid``, an identity will do."""

    model = ChatUser

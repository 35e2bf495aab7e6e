"""What ``client.chat`` is: which repositories the legacy API has, and where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..place import Place
from ..repository import segment
from .bindings import ChatBindingRepository, UserBindingRepository
from .channels import ChannelRepository
from .credentials import ChatCredentialRepository
from .invites import InviteRepository
from .members import MemberRepository
from .messages import ChatMessageRepository
from .roles import ChatRoleRepository
from .services import ChatServiceRepository
from .user_channels import UserChannelRepository
from .users import ChatUserRepository
from .webhooks import ChannelWebhookRepository

if TYPE_CHECKING:
    from ..session import SessionManager


class ChatScope(Place):
    """The repositories of one service of the legacy Chat API.

    Attributes:
        channels: The channels, which Conversations calls conversations.
        users: Those who use it.
        roles: What they may do.
        bindings: The devices that push notifications go to.
    """

    _product = "chat"

    def __init__(self, session: SessionManager, root: str) -> None:
        super().__init__(session, root)
        self.channels = self._at(ChannelRepository, "Channels")
        self.users = self._at(ChatUserRepository, "Users")
        self.roles = self._at(ChatRoleRepository, "Roles")
        self.bindings = self._at(ChatBindingRepository, "Bindings")

    def messages(self, channel: str) -> ChatMessageRepository:
        """Give the messages of a channel, by its SID or unique name."""
        return self._at(ChatMessageRepository, f"{_channel(channel)}/Messages")

    def members(self, channel: str) -> MemberRepository:
        """Give the members of a channel, by its SID or unique name."""
        return self._at(MemberRepository, f"{_channel(channel)}/Members")

    def invites(self, channel: str) -> InviteRepository:
        """Give the invites to a channel, by its SID or unique name."""
        return self._at(InviteRepository, f"{_channel(channel)}/Invites")

    def webhooks(self, channel: str) -> ChannelWebhookRepository:
        """Give the webhooks of a channel, by its SID or unique name."""
        return self._at(ChannelWebhookRepository, f"{_channel(channel)}/Webhooks")

    def user_channels(self, user: str) -> UserChannelRepository:
        """Give the channels of a user, by SID or identity."""
        return self._at(UserChannelRepository, f"Users/{segment('user', user)}/Channels")

    def user_bindings(self, user: str) -> UserBindingRepository:
        """Give the bindings of a user, by SID."""
        return self._at(UserBindingRepository, f"Users/{segment('user', user)}/Bindings")


def _channel(sid: str) -> str:
    return f"Channels/{segment('channel', sid)}"


class Chat(Place):
    """The legacy Chat API, most of whose resources belong to a service.

    Attributes:
        services: The services.
        credentials: The push credentials of the account.
    """

    _product = "chat"

    def __init__(self, session: SessionManager) -> None:
        super().__init__(session, "/v2")
        self.services = self._at(ChatServiceRepository, "Services")
        self.credentials = self._at(ChatCredentialRepository, "Credentials")

    def service(self, sid: str) -> ChatScope:
        """Give the repositories of a service."""
        return ChatScope(self._session, f"{self._root}/Services/{segment('service', sid)}")

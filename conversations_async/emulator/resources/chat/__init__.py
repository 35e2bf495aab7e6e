"""How does legacy Chat see the same rows? A channel is a conversation, a member a participant."""

from typing import Final

from .bindings import CHAT_BINDINGS, USER_BINDINGS
from .channels import CHANNELS, MIGRATION
from .credentials import CHAT_CREDENTIALS
from .invites import INVITES
from .members import MEMBERS
from .messages import CHAT_MESSAGES
from .roles import CHAT_ROLES
from .services import CHAT_SERVICES
from .user_channels import USER_CHANNELS
from .users import CHAT_USERS
from .webhooks import CHAT_WEBHOOKS

__all__ = ["CHAT", "MIGRATION"]

#: The resources of version 2.
CHAT: Final = (
    CHAT_CREDENTIALS,
    CHAT_SERVICES,
    CHAT_BINDINGS,
    CHANNELS,
    INVITES,
    MEMBERS,
    CHAT_MESSAGES,
    CHAT_WEBHOOKS,
    CHAT_ROLES,
    CHAT_USERS,
    USER_BINDINGS,
    USER_CHANNELS,
)

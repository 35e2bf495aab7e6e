"""The legacy Programmable Chat API (v2): the same data in an older shape. New programs do not need it."""

from .bindings import ChatBinding, ChatBindingRepository, UserBindingRepository
from .channels import Channel, ChannelRepository, ChannelType
from .client import Chat, ChatScope
from .credentials import ChatCredentialRepository
from .invites import Invite, InviteRepository
from .members import Member, MemberRepository
from .messages import ChatMessage, ChatMessageRepository, ChatMessageType
from .roles import ChatRole, ChatRoleRepository
from .services import ChatLimits, ChatMediaSettings, ChatNotifications, ChatService, ChatServiceRepository
from .user_channels import ChannelStatus, UserChannel, UserChannelRepository
from .users import ChatUser, ChatUserRepository
from .webhooks import ChannelWebhook, ChannelWebhookRepository

__all__ = [
    "Channel",
    "ChannelRepository",
    "ChannelStatus",
    "ChannelType",
    "ChannelWebhook",
    "ChannelWebhookRepository",
    "Chat",
    "ChatBinding",
    "ChatBindingRepository",
    "ChatCredentialRepository",
    "ChatLimits",
    "ChatMediaSettings",
    "ChatMessage",
    "ChatMessageRepository",
    "ChatMessageType",
    "ChatNotifications",
    "ChatRole",
    "ChatRoleRepository",
    "ChatScope",
    "ChatService",
    "ChatServiceRepository",
    "ChatUser",
    "ChatUserRepository",
    "Invite",
    "InviteRepository",
    "Member",
    "MemberRepository",
    "UserBindingRepository",
    "UserChannel",
    "UserChannelRepository",
]

"""The legacy Programmable Chat API (v2): the same messages in an older shape. New programs do not need it."""

from .messages import ChatMessage, ChatMessageRepository, ChatMessageType

__all__ = ["ChatMessage", "ChatMessageRepository", "ChatMessageType"]

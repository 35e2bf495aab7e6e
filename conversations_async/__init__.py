"""The asyncio client for the Twilio Conversations API and the legacy Programmable Chat API.

::

    async with ConversationsClient(account_sid, auth_token) as client:
        async for message in client.messages("CH…").stream(order=Order.DESC):
            print(message.author, message.body)
"""

from ._version import __version__
from .client import ConversationsClient
from .errors import (
    APIError,
    AuthenticationError,
    ConflictError,
    ConversationsError,
    DecodeError,
    NotFoundError,
    PaginationError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    TransportError,
)
from .pagination import Page, Stream
from .repository import Order
from .resources.conversations import (
    Conversation,
    ConversationBindings,
    ConversationState,
    EmailBinding,
    Timers,
)
from .resources.messages import DeliveryAmount, DeliverySummary, Media, Message
from .resources.participants import BindingType, MessagingBinding, Participant
from .resources.receipts import DeliveryStatus, Receipt
from .retry import RetryPolicy
from .session import SessionManager

__all__ = [
    "APIError",
    "AuthenticationError",
    "BindingType",
    "ConflictError",
    "Conversation",
    "ConversationBindings",
    "ConversationState",
    "ConversationsClient",
    "ConversationsError",
    "DecodeError",
    "DeliveryAmount",
    "DeliveryStatus",
    "DeliverySummary",
    "EmailBinding",
    "Media",
    "Message",
    "MessagingBinding",
    "NotFoundError",
    "Order",
    "Page",
    "PaginationError",
    "Participant",
    "PermissionDeniedError",
    "RateLimitError",
    "Receipt",
    "RequestTimeoutError",
    "RetryPolicy",
    "ServerError",
    "SessionManager",
    "Stream",
    "Timers",
    "TransportError",
    "__version__",
]

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
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ServerError,
    TransportError,
    UnsupportedMediaTypeError,
    UploadError,
)
from .pagination import Page, Stream
from .repository import Order
from .resources.addresses import Address, AddressType, AutoCreation, AutoCreationType
from .resources.bindings import Binding, DeviceType
from .resources.configuration import Configuration, ServiceConfiguration
from .resources.conversations import (
    Conversation,
    ConversationBindings,
    ConversationState,
    EmailBinding,
    Timers,
)
from .resources.credentials import Credential, PushType
from .resources.messages import ChannelMetadata, DeliveryAmount, DeliverySummary, Media, Message
from .resources.notifications import NewMessageNotification, NotificationConfiguration, PushNotification
from .resources.participant_conversations import ParticipantConversation
from .resources.participants import BindingType, MessagingBinding, Participant
from .resources.receipts import DeliveryStatus, Receipt
from .resources.roles import Role, RoleType
from .resources.services import Service
from .resources.user_conversations import NotificationLevel, UserConversation
from .resources.users import User
from .resources.webhook_configuration import WebhookConfiguration, WebhookConfigurationTarget
from .resources.webhooks import ScopedWebhookConfiguration, Webhook, WebhookMethod, WebhookTarget
from .retry import RetryPolicy
from .session import SessionManager

__all__ = [
    "APIError",
    "Address",
    "AddressType",
    "AuthenticationError",
    "AutoCreation",
    "AutoCreationType",
    "Binding",
    "BindingType",
    "ChannelMetadata",
    "Configuration",
    "ConflictError",
    "Conversation",
    "ConversationBindings",
    "ConversationState",
    "ConversationsClient",
    "ConversationsError",
    "Credential",
    "DecodeError",
    "DeliveryAmount",
    "DeliveryStatus",
    "DeliverySummary",
    "DeviceType",
    "EmailBinding",
    "Media",
    "Message",
    "MessagingBinding",
    "NewMessageNotification",
    "NotFoundError",
    "NotificationConfiguration",
    "NotificationLevel",
    "Order",
    "Page",
    "PaginationError",
    "Participant",
    "ParticipantConversation",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "PushNotification",
    "PushType",
    "RateLimitError",
    "Receipt",
    "RequestTimeoutError",
    "RetryPolicy",
    "Role",
    "RoleType",
    "ScopedWebhookConfiguration",
    "ServerError",
    "Service",
    "ServiceConfiguration",
    "SessionManager",
    "Stream",
    "Timers",
    "TransportError",
    "UnsupportedMediaTypeError",
    "UploadError",
    "User",
    "UserConversation",
    "Webhook",
    "WebhookConfiguration",
    "WebhookConfigurationTarget",
    "WebhookMethod",
    "WebhookTarget",
    "__version__",
]

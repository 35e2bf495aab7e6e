"""The asyncio client for the Twilio Conversations API and the legacy Programmable Chat API.

::

    async with ConversationsClient(account_sid, auth_token) as client:
        async for message in client.messages("CH…").stream(order=Order.DESC):
            print(message.author, message.body)

``client.service("IS…")`` is any other service, and has ``media`` to upload and download files.
``client.chat`` is the legacy API, whose classes are in ``conversations_async.chat``.
``conversations_async.webhooks`` is what the API sends: signed requests, events, and handlers of these.
``conversations_async.emulator`` is the API on this machine, for tests.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__
from .client import ConversationsClient, Scope, ServiceScope
from .errors import (
    APIError,
    AuthenticationError,
    ConflictError,
    ConversationsError,
    DecodeError,
    MergeError,
    NotFoundError,
    PaginationError,
    PayloadTooLargeError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ResponseTooLargeError,
    ServerError,
    TransportError,
    UnsupportedMediaTypeError,
    UploadError,
)
from .limits import Limits
from .merging import merge_streams
from .pagination import Page, Stream
from .repository import Order
from .resources.addresses import Address, AddressRepository, AddressType, AutoCreation, AutoCreationType
from .resources.bindings import Binding, BindingRepository, PushBindingType
from .resources.configuration import (
    Configuration,
    ConfigurationRepository,
    ServiceConfiguration,
    ServiceConfigurationRepository,
)
from .resources.conversations import (
    Conversation,
    ConversationBindings,
    ConversationRepository,
    ConversationState,
    EmailBinding,
    Timers,
)
from .resources.credentials import Credential, CredentialRepository, PushType
from .resources.media import MediaFile, MediaRepository
from .resources.messages import (
    ChannelMetadata,
    DeliveryAmount,
    DeliverySummary,
    Media,
    Message,
    MessageRepository,
)
from .resources.notifications import (
    NewMessageNotification,
    NotificationConfiguration,
    NotificationRepository,
    PushNotification,
)
from .resources.participant_conversations import ParticipantConversation, ParticipantConversationRepository
from .resources.participants import BindingType, MessagingBinding, Participant, ParticipantRepository
from .resources.receipts import DeliveryStatus, Receipt, ReceiptRepository
from .resources.roles import Role, RoleRepository, RoleType
from .resources.services import Service, ServiceRepository
from .resources.user_conversations import NotificationLevel, UserConversation, UserConversationRepository
from .resources.users import User, UserRepository
from .resources.webhook_configuration import (
    ServiceWebhookConfigurationRepository,
    WebhookConfiguration,
    WebhookConfigurationRepository,
    WebhookConfigurationTarget,
)
from .resources.webhooks import (
    ScopedWebhookConfiguration,
    Webhook,
    WebhookMethod,
    WebhookRepository,
    WebhookTarget,
)
from .retry import RetryPolicy
from .session import SessionManager
from .tokens import AccessToken
from .upload import UploadSource

if TYPE_CHECKING:
    from . import chat as chat
else:  # hidden from type checkers: to them a module's ``__getattr__`` means that every name exists

    def __getattr__(name: str) -> object:
        """Import the legacy API when it is asked for, which few programs do."""
        if name == "chat":
            return import_module(".chat", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "APIError",
    "AccessToken",
    "Address",
    "AddressRepository",
    "AddressType",
    "AuthenticationError",
    "AutoCreation",
    "AutoCreationType",
    "Binding",
    "BindingRepository",
    "BindingType",
    "ChannelMetadata",
    "Configuration",
    "ConfigurationRepository",
    "ConflictError",
    "Conversation",
    "ConversationBindings",
    "ConversationRepository",
    "ConversationState",
    "ConversationsClient",
    "ConversationsError",
    "Credential",
    "CredentialRepository",
    "DecodeError",
    "DeliveryAmount",
    "DeliveryStatus",
    "DeliverySummary",
    "EmailBinding",
    "Limits",
    "Media",
    "MediaFile",
    "MediaRepository",
    "MergeError",
    "Message",
    "MessageRepository",
    "MessagingBinding",
    "NewMessageNotification",
    "NotFoundError",
    "NotificationConfiguration",
    "NotificationLevel",
    "NotificationRepository",
    "Order",
    "Page",
    "PaginationError",
    "Participant",
    "ParticipantConversation",
    "ParticipantConversationRepository",
    "ParticipantRepository",
    "PayloadTooLargeError",
    "PermissionDeniedError",
    "PushBindingType",
    "PushNotification",
    "PushType",
    "RateLimitError",
    "Receipt",
    "ReceiptRepository",
    "RequestTimeoutError",
    "ResponseTooLargeError",
    "RetryPolicy",
    "Role",
    "RoleRepository",
    "RoleType",
    "Scope",
    "ScopedWebhookConfiguration",
    "ServerError",
    "Service",
    "ServiceConfiguration",
    "ServiceConfigurationRepository",
    "ServiceRepository",
    "ServiceScope",
    "ServiceWebhookConfigurationRepository",
    "SessionManager",
    "Stream",
    "Timers",
    "TransportError",
    "UnsupportedMediaTypeError",
    "UploadError",
    "UploadSource",
    "User",
    "UserConversation",
    "UserConversationRepository",
    "UserRepository",
    "Webhook",
    "WebhookConfiguration",
    "WebhookConfigurationRepository",
    "WebhookConfigurationTarget",
    "WebhookMethod",
    "WebhookRepository",
    "WebhookTarget",
    "__version__",
    "merge_streams",
]

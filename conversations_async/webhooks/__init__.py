"""What the API sends to you: signed webhooks, typed events, handlers, and the way into web frameworks.

::

    router = Router(auth_token, client=ConversationsClient.from_env)

    @router.on(MessageAdded, when=lambda message: message.author != "bot")
    async def answer(event: MessageAdded, client: ConversationsClient) -> None:
        await client.messages(event.conversation_sid).create(author="bot", body="Ahoy!")

    web.run_app(router.aiohttp_app("/webhooks"))

API page: Conversations webhooks, https://www.twilio.com/docs/conversations/conversations-webhooks
"""

from .answers import (
    Accept,
    Answer,
    ConversationAnswer,
    MessageAnswer,
    Modify,
    ModifyConversation,
    Reject,
    Verdict,
)
from .deduplication import Deduplicator, MemoryDeduplicator
from .events import (
    ConversationAdd,
    ConversationAdded,
    ConversationRemove,
    ConversationRemoved,
    ConversationStateUpdated,
    ConversationUpdate,
    ConversationUpdated,
    DeliveryUpdated,
    Event,
    EventSource,
    MessageAdd,
    MessageAdded,
    MessageRemove,
    MessageRemoved,
    MessageUpdate,
    MessageUpdated,
    ParticipantAdd,
    ParticipantAdded,
    ParticipantRemove,
    ParticipantRemoved,
    ParticipantUpdate,
    ParticipantUpdated,
    PostActionEvent,
    PreActionEvent,
    StateReason,
    UnknownEvent,
    UserAdded,
    UserUpdate,
    UserUpdated,
)
from .parsing import parse_event
from .reception import Incoming, Reply
from .registration import Middleware, Next
from .repair import Repair
from .router import Router
from .signature import SignatureValidator, sign, with_body_hash

__all__ = [
    "Accept",
    "Answer",
    "ConversationAdd",
    "ConversationAdded",
    "ConversationAnswer",
    "ConversationRemove",
    "ConversationRemoved",
    "ConversationStateUpdated",
    "ConversationUpdate",
    "ConversationUpdated",
    "Deduplicator",
    "DeliveryUpdated",
    "Event",
    "EventSource",
    "Incoming",
    "MemoryDeduplicator",
    "MessageAdd",
    "MessageAdded",
    "MessageAnswer",
    "MessageRemove",
    "MessageRemoved",
    "MessageUpdate",
    "MessageUpdated",
    "Middleware",
    "Modify",
    "ModifyConversation",
    "Next",
    "ParticipantAdd",
    "ParticipantAdded",
    "ParticipantRemove",
    "ParticipantRemoved",
    "ParticipantUpdate",
    "ParticipantUpdated",
    "PostActionEvent",
    "PreActionEvent",
    "Reject",
    "Repair",
    "Reply",
    "Router",
    "SignatureValidator",
    "StateReason",
    "UnknownEvent",
    "UserAdded",
    "UserUpdate",
    "UserUpdated",
    "Verdict",
    "parse_event",
    "sign",
    "with_body_hash",
]

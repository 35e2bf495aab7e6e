"""What can the API tell? One class for each event, whose fields have the names of its parameters.

``MessagingBinding.ProxyAddress`` is ``messaging_binding_proxy_address``, ``isOnline`` is ``is_online``. The
SIDs of what it is about are always there; requests were observed to lack others that are documented.

API page: Conversations webhooks, https://www.twilio.com/docs/conversations/conversations-webhooks
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from attrs import evolve, field, frozen

from ..converter import Attributes, AwareDatetime, OpenEnum, TextFlag
from ..resources.conversations import ConversationState
from ..resources.messages import Media
from ..resources.participants import BindingType
from ..resources.receipts import DeliveryStatus

if TYPE_CHECKING:
    from typing import Self

    from ..resources.messages import Message


class EventSource(OpenEnum):
    """By which way somebody acted. The first two are documented, the others observed."""

    SDK = "SDK"
    API = "API"
    SMS = "SMS"
    WHATSAPP = "WHATSAPP"


class StateReason(OpenEnum):
    """Why a conversation changed its state."""

    API = "API"
    TIMER = "TIMER"
    EVENT = "EVENT"


@frozen(kw_only=True)
class Event:
    """What any event tells."""

    #: What ``natural_key`` is made of, none of which may be None.
    _key: ClassVar[tuple[str, ...]] = ()
    #: Whether it may happen again to the same, so that all that is told tells it apart.
    _is_change: ClassVar[bool] = False

    #: The name on the wire, such as ``onMessageAdded``.
    event_type: str
    account_sid: str | None = None
    #: Observed to be left out of changes of state and of delivery.
    source: EventSource | None = None
    #: The identity of who acted; None unless that was by an SDK.
    client_identity: str | None = None
    #: How often the request was repeated, from 0; observed, not documented.
    retry_count: int | None = None
    #: The parameters that have no field, or cannot be read, by their names on the wire; a tuple where one
    #: came several times.
    extra: Mapping[str, str | tuple[str, ...]] = field(factory=dict, hash=False)

    @property
    def natural_key(self) -> str | None:
        """Tells what happened from all else that did, and is the same whenever that is told again.

        Of what was added or removed it has the SID; of what was changed the SID, when, and a hash of all that
        is told. It is up to some 150 characters long, and the same in every process.

        None where the time of a change is not told, for what is yet to happen, and for an unknown event.
        """
        if not self._key or any(getattr(self, name) is None for name in self._key):
            return None
        key = " ".join([self.event_type, *(str(getattr(self, name)) for name in self._key)])
        if not self._is_change:
            return key
        # not in the key itself, which may be kept elsewhere
        told = repr(evolve(self, source=None, client_identity=None, retry_count=None, extra={}))
        return f"{key} {blake2b(told.encode(errors='surrogatepass'), digest_size=12).hexdigest()}"


@frozen(kw_only=True)
class PreActionEvent(Event):
    """Something is about to happen: the answer may change or refuse it."""


@frozen(kw_only=True)
class PostActionEvent(Event):
    """Something has happened."""


@frozen(kw_only=True)
class UnknownEvent(Event):
    """An event that this version does not know; ``extra`` has all that is its own."""


# ---------------------------------------------------------------------------------------------- conversations


@frozen(kw_only=True)
class _AnyConversation(Attributes, Event):
    chat_service_sid: str | None = None
    messaging_service_sid: str | None = None
    friendly_name: str | None = None
    unique_name: str | None = None
    #: JSON text; see ``parsed_attributes``.
    attributes: str | None = None
    state: ConversationState | None = None


@frozen(kw_only=True)
class _NewConversation(_AnyConversation):
    """The fields beyond those of any conversation are about the message that it was created for."""

    messaging_binding_proxy_address: str | None = None
    #: Several for a group MMS.
    messaging_binding_address: tuple[str, ...] = ()
    messaging_binding_projected_address: str | None = None
    messaging_binding_author_address: str | None = None


@frozen(kw_only=True)
class _OneConversation(_AnyConversation):
    conversation_sid: str
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None


@frozen(kw_only=True)
class ConversationAdd(_NewConversation, PreActionEvent):
    """A conversation is about to be created. To refuse one that a message asks for loses the message."""

    event_type: str = "onConversationAdd"
    message_body: str | None = None
    media: tuple[Media, ...] = ()


@frozen(kw_only=True)
class ConversationRemove(_OneConversation, PreActionEvent):
    """A conversation is about to be deleted."""

    event_type: str = "onConversationRemove"


@frozen(kw_only=True)
class ConversationUpdate(_OneConversation, PreActionEvent):
    """A conversation is about to be changed."""

    event_type: str = "onConversationUpdate"


@frozen(kw_only=True)
class ConversationAdded(_NewConversation, PostActionEvent):
    """A conversation was created."""

    _key = ("conversation_sid",)

    event_type: str = "onConversationAdded"
    conversation_sid: str
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None


@frozen(kw_only=True)
class ConversationRemoved(_OneConversation, PostActionEvent):
    """A conversation was deleted."""

    _key = ("conversation_sid",)

    event_type: str = "onConversationRemoved"
    date_removed: AwareDatetime | None = None


@frozen(kw_only=True)
class ConversationUpdated(_OneConversation, PostActionEvent):
    """A conversation was changed."""

    _key = ("conversation_sid", "date_updated")
    _is_change = True

    event_type: str = "onConversationUpdated"


@frozen(kw_only=True)
class ConversationStateUpdated(PostActionEvent):
    """The state of a conversation was changed, by somebody or by a timer."""

    _key = ("conversation_sid", "state_updated", "state_to")

    event_type: str = "onConversationStateUpdated"
    conversation_sid: str
    chat_service_sid: str | None = None
    messaging_service_sid: str | None = None
    state_from: ConversationState | None = None
    state_to: ConversationState | None = None
    #: When that was.
    state_updated: AwareDatetime | None = None
    reason: StateReason | None = None


# --------------------------------------------------------------------------------------------------- messages


@frozen(kw_only=True)
class _AnyMessage(Attributes, Event):
    conversation_sid: str
    body: str | None = None
    #: An identity or address.
    author: str | None = None
    participant_sid: str | None = None
    #: JSON text; see ``parsed_attributes``.
    attributes: str | None = None
    media: tuple[Media, ...] = ()


@frozen(kw_only=True)
class _OneMessage(_AnyMessage):
    message_sid: str
    #: The place in the conversation, from 0.
    index: int | None = None
    date_created: AwareDatetime | None = None


@frozen(kw_only=True)
class _OldMessage(_OneMessage):
    date_updated: AwareDatetime | None = None


@frozen(kw_only=True)
class MessageAdd(_AnyMessage, PreActionEvent):
    """A message is about to be added; it has no SID yet."""

    event_type: str = "onMessageAdd"


@frozen(kw_only=True)
class MessageRemove(_OldMessage, PreActionEvent):
    """A message is about to be deleted."""

    event_type: str = "onMessageRemove"


@frozen(kw_only=True)
class MessageUpdate(_OldMessage, PreActionEvent):
    """A message is about to be edited."""

    event_type: str = "onMessageUpdate"


@frozen(kw_only=True)
class MessageAdded(_OneMessage, PostActionEvent):
    """A message was added."""

    _key = ("message_sid",)

    event_type: str = "onMessageAdded"
    #: Observed, not documented.
    chat_service_sid: str | None = None
    messaging_service_sid: str | None = None

    @classmethod
    def of(cls, message: Message) -> Self:
        """Make the event of a message that was read through the client; its ``natural_key`` is the same.

        What only a request tells is None: who acted, by which way, and the messaging service.

        Raises:
            ValueError: The message does not name its conversation.
        """
        if message.conversation_sid is None:
            raise ValueError("message must have a conversation_sid")
        return cls(
            account_sid=message.account_sid,
            chat_service_sid=message.chat_service_sid,
            conversation_sid=message.conversation_sid,
            message_sid=message.sid,
            index=message.index,
            date_created=message.date_created,
            body=message.body,
            author=message.author,
            participant_sid=message.participant_sid,
            attributes=message.attributes,
            media=message.media or (),
        )


@frozen(kw_only=True)
class MessageRemoved(_OldMessage, PostActionEvent):
    """A message was deleted."""

    _key = ("message_sid",)

    event_type: str = "onMessageRemoved"
    date_removed: AwareDatetime | None = None


@frozen(kw_only=True)
class MessageUpdated(_OldMessage, PostActionEvent):
    """A message was edited."""

    _key = ("message_sid", "date_updated")
    _is_change = True

    event_type: str = "onMessageUpdated"


@frozen(kw_only=True)
class DeliveryUpdated(PostActionEvent):
    """A message got further, or failed, at one participant."""

    _key = ("delivery_receipt_sid", "status")
    _is_change = True

    event_type: str = "onDeliveryUpdated"
    conversation_sid: str
    message_sid: str
    delivery_receipt_sid: str
    chat_service_sid: str | None = None
    #: The message in its channel: ``SM…``, ``MM…``, ``WA…``.
    channel_message_sid: str | None = None
    participant_sid: str | None = None
    status: DeliveryStatus | None = None
    #: Why it failed; None where it did not.
    error_code: int | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None


# ----------------------------------------------------------------------------------------------- participants


@frozen(kw_only=True)
class _AnyParticipant(Attributes, Event):
    conversation_sid: str
    #: None unless the participant is on chat.
    identity: str | None = None
    role_sid: str | None = None
    #: JSON text; see ``parsed_attributes``.
    attributes: str | None = None
    messaging_binding_proxy_address: str | None = None
    messaging_binding_address: str | None = None
    messaging_binding_projected_address: str | None = None
    messaging_binding_type: BindingType | None = None


@frozen(kw_only=True)
class _OneParticipant(_AnyParticipant):
    participant_sid: str
    date_created: AwareDatetime | None = None


@frozen(kw_only=True)
class _OldParticipant(_OneParticipant):
    date_updated: AwareDatetime | None = None


@frozen(kw_only=True)
class ParticipantAdd(_AnyParticipant, PreActionEvent):
    """A participant is about to join; it has no SID yet."""

    event_type: str = "onParticipantAdd"


@frozen(kw_only=True)
class ParticipantRemove(_OldParticipant, PreActionEvent):
    """A participant is about to leave."""

    event_type: str = "onParticipantRemove"


@frozen(kw_only=True)
class ParticipantUpdate(_OldParticipant, PreActionEvent):
    """A participant is about to be changed."""

    event_type: str = "onParticipantUpdate"


@frozen(kw_only=True)
class ParticipantAdded(_OneParticipant, PostActionEvent):
    """A participant joined."""

    _key = ("participant_sid",)

    event_type: str = "onParticipantAdded"


@frozen(kw_only=True)
class ParticipantRemoved(_OldParticipant, PostActionEvent):
    """A participant left."""

    _key = ("participant_sid",)

    event_type: str = "onParticipantRemoved"
    date_removed: AwareDatetime | None = None


@frozen(kw_only=True)
class ParticipantUpdated(_OldParticipant, PostActionEvent):
    """A participant was changed, or has read on."""

    _key = ("participant_sid", "date_updated")
    _is_change = True

    event_type: str = "onParticipantUpdated"
    #: The index of the last message that the participant has read.
    last_read_message_index: int | None = None


# ------------------------------------------------------------------------------------------------------ users


@frozen(kw_only=True)
class _AnyUser(Attributes, Event):
    user_sid: str
    chat_service_sid: str | None = None
    identity: str | None = None
    role_sid: str | None = None
    #: JSON text; see ``parsed_attributes``.
    attributes: str | None = None
    friendly_name: str | None = None


@frozen(kw_only=True)
class UserUpdate(_AnyUser, PreActionEvent):
    """A user is about to be changed."""

    event_type: str = "onUserUpdate"
    date_updated: AwareDatetime | None = None


@frozen(kw_only=True)
class UserAdded(_AnyUser, PostActionEvent):
    """A user was created."""

    _key = ("user_sid",)

    event_type: str = "onUserAdded"
    date_created: AwareDatetime | None = None


@frozen(kw_only=True)
class UserUpdated(_AnyUser, PostActionEvent):
    """A user was changed, came, or went."""

    _key = ("user_sid", "date_updated")
    _is_change = True

    event_type: str = "onUserUpdated"
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    is_online: TextFlag | None = None
    is_notifiable: TextFlag | None = None


#: The class of each event, by its name on the wire.
EVENTS: Final[Mapping[str, type[Event]]] = MappingProxyType(
    {
        f"on{event.__name__}": event
        for event in (
            ConversationAdd,
            ConversationRemove,
            ConversationUpdate,
            MessageAdd,
            MessageRemove,
            MessageUpdate,
            ParticipantAdd,
            ParticipantRemove,
            ParticipantUpdate,
            UserUpdate,
            ConversationAdded,
            ConversationRemoved,
            ConversationUpdated,
            ConversationStateUpdated,
            MessageAdded,
            MessageRemoved,
            MessageUpdated,
            ParticipantAdded,
            ParticipantRemoved,
            ParticipantUpdated,
            DeliveryUpdated,
            UserAdded,
            UserUpdated,
        )
    }
)


@cache
def wire_name(name: str) -> str:
    """Give the name that a field has on the wire."""
    words = name.title().replace("_", "")
    return re.sub(r"^Is", "is", words.replace("MessagingBinding", "MessagingBinding."))


def first_told(event: Event, *names: str) -> Any:
    """Give the first of some fields that an event has; an unknown one has them by their names on the wire."""
    return next((told for name in names if (told := _told(event, name))), None)


def _told(event: Event, name: str) -> Any:
    return getattr(event, name, None) or event.extra.get(wire_name(name))

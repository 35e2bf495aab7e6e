"""Which webhook events are there, and what does each tell?

A resource says all that could be told of a row; this table says what is. The names are documented; where a
captured request had more than the documentation lists, the addition is marked.
"""

from collections.abc import Mapping, Sequence
from typing import Final

_CONVERSATION: Final = (
    "FriendlyName",
    "UniqueName",
    "Attributes",
    "ChatServiceSid",
    "MessagingServiceSid",
    "State",
)
_ORIGIN: Final = (
    "MessagingBinding.ProxyAddress",
    "MessagingBinding.Address",
    "MessagingBinding.ProjectedAddress",
    "MessagingBinding.AuthorAddress",
)
_MESSAGE: Final = ("Body", "Author", "ParticipantSid", "Attributes", "Media")
_PARTICIPANT: Final = (
    "Identity",
    "RoleSid",
    "Attributes",
    "MessagingBinding.ProxyAddress",
    "MessagingBinding.Address",
    "MessagingBinding.ProjectedAddress",
    "MessagingBinding.Type",
)
_USER: Final = ("ChatServiceSid", "UserSid", "Identity", "RoleSid", "Attributes", "FriendlyName")
_DATES: Final = ("DateCreated", "DateUpdated")
_IN_CONVERSATION: Final = ("ConversationSid",)
_ONE_MESSAGE: Final = ("ConversationSid", "MessageSid", "Index")
_ONE_PARTICIPANT: Final = ("ConversationSid", "ParticipantSid")

#: The parameters of each event, besides those that all have. What a row lacks is left out, not sent empty.
EVENTS: Final[Mapping[str, tuple[str, ...]]] = {
    # before the action
    "onConversationAdd": (*_CONVERSATION, *_ORIGIN, "MessageBody", "Media"),
    "onConversationRemove": (*_IN_CONVERSATION, *_DATES, *_CONVERSATION),
    "onConversationUpdate": (*_IN_CONVERSATION, *_DATES, *_CONVERSATION),
    "onMessageAdd": (*_IN_CONVERSATION, *_MESSAGE),
    "onMessageRemove": (*_ONE_MESSAGE, *_DATES, *_MESSAGE),
    "onMessageUpdate": (*_ONE_MESSAGE, *_DATES, *_MESSAGE),
    "onParticipantAdd": (*_IN_CONVERSATION, *_PARTICIPANT),
    "onParticipantRemove": (*_ONE_PARTICIPANT, *_DATES, *_PARTICIPANT),
    "onParticipantUpdate": (*_ONE_PARTICIPANT, *_DATES, *_PARTICIPANT),
    "onUserUpdate": (*_USER, "DateUpdated"),
    # after it
    "onConversationAdded": (*_IN_CONVERSATION, *_DATES, *_CONVERSATION, *_ORIGIN),
    "onConversationRemoved": (*_IN_CONVERSATION, *_DATES, "DateRemoved", *_CONVERSATION),
    "onConversationUpdated": (*_IN_CONVERSATION, *_DATES, *_CONVERSATION),
    "onConversationStateUpdated": (
        *_IN_CONVERSATION,
        "ChatServiceSid",
        "MessagingServiceSid",
        "StateFrom",
        "StateTo",
        "StateUpdated",
        "Reason",
    ),
    # ChatServiceSid is not documented and has been captured.
    "onMessageAdded": (*_ONE_MESSAGE, "ChatServiceSid", "MessagingServiceSid", "DateCreated", *_MESSAGE),
    "onMessageRemoved": (*_ONE_MESSAGE, *_DATES, "DateRemoved", *_MESSAGE),
    "onMessageUpdated": (*_ONE_MESSAGE, *_DATES, *_MESSAGE),
    "onParticipantAdded": (*_ONE_PARTICIPANT, "DateCreated", *_PARTICIPANT),
    "onParticipantRemoved": (*_ONE_PARTICIPANT, *_DATES, "DateRemoved", *_PARTICIPANT),
    "onParticipantUpdated": (*_ONE_PARTICIPANT, *_DATES, *_PARTICIPANT, "LastReadMessageIndex"),
    "onDeliveryUpdated": (
        "ConversationSid",
        "ChatServiceSid",
        "MessageSid",
        "DeliveryReceiptSid",
        "ChannelMessageSid",
        "ParticipantSid",
        "Status",
        "ErrorCode",
        *_DATES,
    ),
    "onUserAdded": (*_USER, "DateCreated"),
    "onUserUpdated": (*_USER, *_DATES, "isOnline", "isNotifiable"),
}

#: The events in which captured requests name no source.
SOURCELESS: Final = frozenset({"onConversationStateUpdated", "onDeliveryUpdated"})

_OF_A_CONVERSATION: Final = ("friendly_name", "attributes")
_OF_A_MESSAGE: Final = ("body", "author", "attributes")

#: What a pre-action hook's answer may replace, which are columns, too. Attributes of a conversation are not
#: documented; an official sample returns them.
REPLACEABLE: Final[Mapping[str, Sequence[str]]] = {
    "onConversationAdd": _OF_A_CONVERSATION,
    "onConversationUpdate": _OF_A_CONVERSATION,
    "onMessageAdd": _OF_A_MESSAGE,
    "onMessageUpdate": _OF_A_MESSAGE,
}


def pick(name: str, told: Mapping[str, str | None]) -> dict[str, str]:
    """Choose what an event tells from what could be told."""
    return {key: value for key in EVENTS[name] if (value := told.get(key)) is not None}

"""What may a role permit, and which roles does a service have from the start?"""

import json
from typing import Final

from ..errors import RequestError
from ..resource import Change, Rule

#: What Conversations and Chat call the same permission, where that is not one name.
IN_CHAT: Final = {
    "addParticipant": "addMember",
    "removeParticipant": "removeMember",
    "createConversation": "createChannel",
    "joinConversation": "joinChannel",
    "leaveConversation": "leaveChannel",
    "deleteConversation": "destroyChannel",
    "editConversationName": "editChannelName",
    "editConversationAttributes": "editChannelAttributes",
    "editAnyParticipantAttributes": "editAnyMemberAttributes",
    "editOwnParticipantAttributes": "editOwnMemberAttributes",
}
_EDITS: Final = (
    "addParticipant",
    "deleteAnyMessage",
    "deleteConversation",
    "editAnyMessage",
    "editAnyMessageAttributes",
    "editAnyUserInfo",
    "editConversationAttributes",
    "editConversationName",
    "editOwnMessage",
    "editOwnMessageAttributes",
    "editOwnUserInfo",
    "removeParticipant",
    # not documented, and accepted in practice
    "addNonChatParticipant",
    "editAnyParticipantAttributes",
    "editOwnParticipantAttributes",
    "editNotificationLevel",
    # Chat's alone
    "inviteMember",
)
#: What a role of each type may permit.
PERMISSIONS: Final = {
    "service": frozenset({*_EDITS, "createConversation", "joinConversation"}),
    "conversation": frozenset(
        {*_EDITS, "deleteOwnMessage", "leaveConversation", "sendMediaMessage", "sendMessage"}
    ),
}
#: The roles that a service has from the start: the column of the service in which it is a default, its name,
#: its type and its permissions. The names are observed; the permissions partly, the rest is assumed.
_FROM_THE_START: Final = (
    (
        None,
        "service admin",
        "service",
        """createConversation joinConversation deleteConversation editConversationAttributes
        editConversationName addParticipant inviteMember removeParticipant editAnyParticipantAttributes
        editAnyMessage deleteAnyMessage editAnyMessageAttributes editAnyUserInfo""",
    ),
    ("user_role_sid", "service user", "service", "createConversation joinConversation editOwnUserInfo"),
    (
        "creator_role_sid",
        "channel admin",
        "conversation",
        """deleteConversation removeParticipant editConversationName editConversationAttributes addParticipant
        sendMessage sendMediaMessage leaveConversation editAnyMessage editAnyMessageAttributes
        editAnyParticipantAttributes deleteAnyMessage editNotificationLevel""",
    ),
    (
        "participant_role_sid",
        "channel user",
        "conversation",
        """sendMessage sendMediaMessage leaveConversation editOwnMessage editOwnMessageAttributes
        deleteOwnMessage editNotificationLevel""",
    ),
)


def make_roles(change: Change) -> None:
    """Give a new service the roles that every service has."""
    service = change.get("id")
    defaults = {}
    for column, name, kind, permissions in _FROM_THE_START:
        role = {
            "sid": change.act.new_sid("RL"),
            "parent": service,
            "created": change.now,
            "updated": change.now,
            "friendly_name": name,
            "type": kind,
            "permissions": json.dumps(permissions.split()),
        }
        change.store.insert("roles", role)
        if column is not None:
            defaults[column] = role["sid"]
    change.store.update("services", service, defaults)


def role_exists(kind: str, code: int, *, column: str = "role_sid", absent: int = 50100) -> Rule:
    """Make the rule that a role which is given by its SID is one of the service, and of a type."""

    def rule(change: Change) -> None:
        sid = change.values.get(column)
        if sid is None:
            return
        role = change.store.find("roles", parent=change.above["services"]["id"], sid=sid)
        if role is None:
            raise RequestError(absent)
        if role["type"] != kind:
            raise RequestError(code)

    return rule

"""Where somebody takes part: the conversations of an identity, or of an address.

API page: participant conversation resource,
https://www.twilio.com/docs/conversations/api/participant-conversation-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from .._checks import refuse_both
from ..converter import AwareDatetime
from ..repository import PAGE_SIZE_DEFAULT, Repository
from .conversations import ConversationState, Timers
from .participants import MessagingBinding

if TYPE_CHECKING:
    from ..pagination import Stream


@frozen(kw_only=True)
class ParticipantConversation:
    """One conversation that somebody takes part in."""

    conversation_sid: str
    account_sid: str | None = None
    chat_service_sid: str | None = None
    participant_sid: str | None = None
    participant_user_sid: str | None = None
    #: None unless the participant is on chat.
    participant_identity: str | None = None
    #: None for a participant on chat.
    participant_messaging_binding: MessagingBinding | None = None
    conversation_unique_name: str | None = None
    conversation_friendly_name: str | None = None
    #: JSON text.
    conversation_attributes: str | None = None
    conversation_date_created: AwareDatetime | None = None
    conversation_date_updated: AwareDatetime | None = None
    conversation_created_by: str | None = None
    conversation_state: ConversationState | None = None
    conversation_timers: Timers | None = None
    links: dict[str, str] | None = field(default=None, hash=False)


class ParticipantConversationRepository(Repository[ParticipantConversation]):
    """The conversations of whomever is asked for."""

    model = ParticipantConversation
    member = "conversations"
    # one address may take part in a conversation twice, by way of two proxy addresses
    key = "participant_sid"

    def stream(
        self,
        *,
        identity: str | None = None,
        address: str | None = None,
        page_size: int = PAGE_SIZE_DEFAULT,
        limit: int | None = None,
        read_ahead: int = 1,
        cursor: str | None = None,
    ) -> Stream[ParticipantConversation]:
        """Read the conversations of an identity, or of an address, page after page.

        Args:
            identity: The chat user.
            address: The number or address of somebody on another channel, such as ``whatsapp:+15558675310``.
            page_size: As for every stream, as are ``limit``, ``read_ahead`` and ``cursor``.

        Raises:
            ValueError: As for every stream; also where both identity and address are given, which the API
                refuses (50451).
        """
        refuse_both(identity=identity, address=address)
        filters = {"Identity": identity, "Address": address}
        return self._stream(filters, page_size=page_size, limit=limit, read_ahead=read_ahead, cursor=cursor)

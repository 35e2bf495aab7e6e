"""Participants: who takes part in a conversation, over chat, SMS, WhatsApp or other channels.

API page: conversation participant resource,
https://www.twilio.com/docs/conversations/api/conversation-participant-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from .._checks import refuse_both
from ..converter import Attributes, AwareDatetime, OpenEnum, encode_json
from ..repository import DeletableWithWebhooks, Fetchable, Streamable, check_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ..repository import WebhookFlag


class BindingType(OpenEnum):
    """The channel of a participant who is not on chat."""

    SMS = "sms"
    WHATSAPP = "whatsapp"
    MESSENGER = "messenger"
    RCS = "rcs"
    EMAIL = "email"


@frozen(kw_only=True)
class MessagingBinding:
    """How messages reach a participant who is not on chat; the API leaves out what does not apply."""

    type: BindingType | None = None
    #: The participant's own number or address.
    address: str | None = None
    #: The number or address that the participant writes to.
    proxy_address: str | None = None
    #: The number that stands for a chat participant in a group MMS.
    projected_address: str | None = None
    name: str | None = None
    level: str | None = None


@frozen(kw_only=True)
class Participant(Attributes):
    """One participant of a conversation."""

    sid: str
    account_sid: str | None = None
    conversation_sid: str | None = None
    #: Only where the path names a service.
    chat_service_sid: str | None = None
    #: None unless the participant is on chat.
    identity: str | None = None
    #: JSON text, ``{}`` where none was set; see ``parsed_attributes``.
    attributes: str | None = None
    #: None for a participant on chat.
    messaging_binding: MessagingBinding | None = None
    role_sid: str | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    #: The index of the last message that the participant has read.
    last_read_message_index: int | None = None
    last_read_timestamp: AwareDatetime | None = None
    url: str | None = None


_TAKES_PART = 50433


class ParticipantRepository(
    Fetchable[Participant], DeletableWithWebhooks[Participant], Streamable[Participant]
):
    """The participants of one conversation. For a ``sid``, ``fetch`` also takes an identity.

    That ``update`` and ``delete`` do so too is likely, and documented nowhere.
    """

    model = Participant

    async def create(
        self,
        *,
        identity: str | None = None,
        messaging_binding_address: str | None = None,
        messaging_binding_proxy_address: str | None = None,
        messaging_binding_projected_address: str | None = None,
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        role_sid: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> Participant:
        """Add a participant: by identity on chat, by address and proxy address on another channel.

        Args:
            identity: The chat user, up to 256 characters; it is once in a conversation at the most.
            messaging_binding_address: The participant's number or address, such as ``+15558675310`` or
                ``whatsapp:+15558675310``.
            messaging_binding_proxy_address: The number or address that the participant writes to.
            messaging_binding_projected_address: For a group MMS: the number that stands for the identity.
            date_created: When the participant joined, for an import of history.
            date_updated: When the participant was last changed, likewise.
            attributes: A mapping, or JSON text; up to 4 KB.
            role_sid: The role in the conversation (``RL…``); otherwise the service's default.
            webhook_enabled: Whether webhooks are called for it; the API's default is no.

        Raises:
            ConflictError: 409/50433 where the identity takes part already, 409/50416 where the pair of
                addresses is in use.
            NotFoundError: There is no such conversation.
            ValueError: A datetime is naive, the attributes are not JSON, or both identity and address are
                given, which the API refuses (50451); nothing was sent.
        """
        refuse_both(identity=identity, messaging_binding_address=messaging_binding_address)
        return await self._post(
            self._path,
            {
                "Identity": identity,
                "MessagingBinding.Address": messaging_binding_address,
                "MessagingBinding.ProxyAddress": messaging_binding_proxy_address,
                "DateCreated": date_created,
                "DateUpdated": date_updated,
                "Attributes": encode_json("attributes", attributes),
                "MessagingBinding.ProjectedAddress": messaging_binding_projected_address,
                "RoleSid": role_sid,
            },
            webhook_enabled=webhook_enabled,
        )

    async def update(
        self,
        sid: str,
        *,
        identity: str | None = None,
        messaging_binding_proxy_address: str | None = None,
        messaging_binding_projected_address: str | None = None,
        last_read_message_index: int | None = None,
        last_read_timestamp: datetime | None = None,
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        role_sid: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> Participant:
        """Change a participant; the arguments are those of ``create``. What is None stays as it is.

        Args:
            sid: The participant (``MB…``).
            messaging_binding_proxy_address: The text ``"null"`` removes it.
            messaging_binding_projected_address: The text ``"null"`` removes it.
            last_read_message_index: The index of the last message that was read.
            last_read_timestamp: When it was read.
            attributes: They replace the old ones as a whole.

        Raises:
            NotFoundError: There is no such participant.
        """
        return await self._post(
            self._item(sid),
            {
                "DateCreated": date_created,
                "DateUpdated": date_updated,
                "Attributes": encode_json("attributes", attributes),
                "RoleSid": role_sid,
                "MessagingBinding.ProxyAddress": messaging_binding_proxy_address,
                "MessagingBinding.ProjectedAddress": messaging_binding_projected_address,
                "Identity": identity,
                "LastReadMessageIndex": last_read_message_index,
                "LastReadTimestamp": last_read_timestamp,
            },
            webhook_enabled=webhook_enabled,
        )

    async def ensure(
        self,
        *,
        identity: str,
        messaging_binding_projected_address: str | None = None,
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        role_sid: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> Participant:
        """Give the participant of this identity, who joins the conversation if need be.

        The other arguments are those of ``create``, and count only if the participant is created. Callers
        that race, in other processes too, all get the same one. After any error, this can be called again.

        Raises:
            NotFoundError: There is no such conversation, or somebody removed the participant at that moment.
            ValueError: As for ``create``; also where the identity looks like the SID of a participant.
        """
        form = {
            "Identity": identity,
            "DateCreated": date_created,
            "DateUpdated": date_updated,
            "Attributes": encode_json("attributes", attributes),
            "MessagingBinding.ProjectedAddress": messaging_binding_projected_address,
            "RoleSid": role_sid,
        }
        check_name("identity", identity, "MB")
        return await self._ensure(identity, form, taken=_TAKES_PART, webhook_enabled=webhook_enabled)

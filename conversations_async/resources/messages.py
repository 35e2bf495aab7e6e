"""Messages: what is said in a conversation, in order.

API page: conversation message resource, https://www.twilio.com/docs/conversations/api/conversation-message-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from ..converter import Attributes, AwareDatetime, OpenEnum, encode_json
from ..once import OnceCreatable, with_key
from ..repository import DeletableWithWebhooks, Fetchable, StreamableInOrder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ..repository import WebhookFlag


class DeliveryAmount(OpenEnum):
    """How many of the participants who are not on chat a delivery status holds for."""

    ALL = "all"
    SOME = "some"
    NONE = "none"


@frozen(kw_only=True)
class DeliverySummary:
    """How far a message got, summed over the participants who are not on chat."""

    #: How many participants the message went to.
    total: int | None = None
    sent: DeliveryAmount | None = None
    delivered: DeliveryAmount | None = None
    read: DeliveryAmount | None = None
    failed: DeliveryAmount | None = None
    undelivered: DeliveryAmount | None = None


@frozen(kw_only=True)
class Media:
    """What a message says of a file; ``service.media.fetch(media.sid)`` gives the whole ``MediaFile``."""

    sid: str
    #: In bytes.
    size: int | None = None
    #: The media type, such as ``image/jpeg``.
    content_type: str | None = None
    filename: str | None = None


@frozen(kw_only=True)
class Message(Attributes):
    """One message of a conversation."""

    sid: str
    account_sid: str | None = None
    conversation_sid: str | None = None
    #: Only where the path names a service.
    chat_service_sid: str | None = None
    #: The place in the conversation, from 0: always ascending, not always without gaps.
    index: int | None = None
    #: The identity or address of the author; ``system`` unless one was given.
    author: str | None = None
    #: None for a message of media alone.
    body: str | None = None
    #: None where nothing is attached.
    media: tuple[Media, ...] | None = None
    #: JSON text, ``{}`` where none was set; see ``parsed_attributes``.
    attributes: str | None = None
    #: None for messages of the system.
    participant_sid: str | None = None
    date_created: AwareDatetime | None = None
    #: None until the message is edited, or equal to ``date_created``: the API does both.
    date_updated: AwareDatetime | None = None
    #: None where all participants are on chat.
    delivery: DeliverySummary | None = None
    content_sid: str | None = None
    url: str | None = None
    links: dict[str, str] | None = field(default=None, hash=False)


@frozen(kw_only=True)
class ChannelMetadata:
    """What a channel such as WhatsApp adds to a message. The API links to it, and does not describe it."""

    account_sid: str | None = None
    conversation_sid: str | None = None
    chat_service_sid: str | None = None
    message_sid: str | None = None
    url: str | None = None
    #: All other members of the answer, as they came.
    extra: dict[str, Any] = field(factory=dict, hash=False)


class MessageRepository(
    Fetchable[Message], DeletableWithWebhooks[Message], StreamableInOrder[Message], OnceCreatable[Message]
):
    """The messages of one conversation."""

    model = Message

    async def create(
        self,
        *,
        author: str | None = None,
        body: str | None = None,
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        media_sid: str | None = None,
        content_sid: str | None = None,
        content_variables: str | Mapping[str, Any] | None = None,
        subject: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> Message:
        """Add a message to the conversation.

        Args:
            author: The identity or address of the author; the API's default is ``system``.
            body: The text, up to 1,600 characters.
            date_created: When the message was written, for an import of history.
            date_updated: When it was last edited, likewise.
            attributes: A mapping, or JSON text; up to 4 KB.
            media_sid: The media to attach (``ME…``); it can be attached to one message only.
            content_sid: The content template to fill (``HX…``); ``body`` and ``media_sid`` do not count then.
            content_variables: The template's variables: a mapping, or JSON text.
            subject: Up to 256 characters. No answer returns it.
            webhook_enabled: Whether webhooks are called for it; the API's default is no.

        Raises:
            APIError: 400/50377 for a closed conversation, 50508 for media of another message, …
            NotFoundError: There is no such conversation.
            ValueError: A datetime is naive, or attributes or variables are not JSON; nothing was sent.
        """
        return await self._post(
            self._path,
            {
                "Author": author,
                "Body": body,
                "DateCreated": date_created,
                "DateUpdated": date_updated,
                "Attributes": encode_json("attributes", attributes),
                "MediaSid": media_sid,
                "ContentSid": content_sid,
                "ContentVariables": encode_json("content_variables", content_variables),
                "Subject": subject,
            },
            webhook_enabled=webhook_enabled,
        )

    async def create_once(
        self,
        *,
        key: str,
        look_back: int = 100,
        author: str | None = None,
        body: str | None = None,
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        media_sid: str | None = None,
        content_sid: str | None = None,
        content_variables: str | Mapping[str, Any] | None = None,
        subject: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> Message:
        """Add a message, unless the conversation has the one with this key: that is returned, as it is now.

        The key travels in the message's attributes, as one more member, ``idempotency_key``. Before the first
        attempt the newest messages are searched for it. After a failure that leaves open whether the message
        was written, those that came since are read back, and only if it is not among them is it tried again.
        So whoever got an error that is ``ambiguous``, or was cancelled, or has died, calls again with the
        same key, and there is one message.

        What it costs:
            One GET before the first attempt, none with ``look_back=0``; two requests for each ambiguous
            failure, to read back and to try again, more where more than 100 messages have come meanwhile. Of
            the 4 KB of attributes, the key takes its own length and 25 bytes, and the caller has the rest.

        What the policy of the client means:
            ``max_attempts`` counts attempts to write, and waits are those of a GET; with 1 it is read back
            and not tried again. ``total_timeout`` is for the whole call: a ``timeout`` as long as that leaves
            no time to read back. Of the ``budget``, each request that a failure brings about costs one.

        What it cannot do:
            The API itself compares no keys. Two callers that write at the same time, each before it could see
            the other's message, both write. So may a request that timed out here and is still worked on
            there, if it ends after the look; the wait before the look makes that less likely. A message whose
            attributes somebody overwrites, or that is deleted, is unknown; so is, to a later call, one with
            ``look_back`` or more newer messages, whoever wrote these.

        Args:
            key: What tells this message from all others of the conversation: 1 to 64 printable characters.
            look_back: How many of the newest messages are searched before the first attempt. Up to 1,000
                take one request. After a failure, all that are newer than this search are read back. 0, for a
                key that is fresh, leaves it out, and a failure then has the newest 1,000 read back; 1 costs
                little, and spares that.
            author: As for ``create``, and all below.
            attributes: A mapping, or JSON text; an object in any case, without ``idempotency_key``.

        Raises:
            ConversationsError: What the last write failed with; ``attempts`` counts the writes alone. Where
                ``ambiguous`` is true, it may be there all the same, and reading back failed, too (that is the
                cause), or did not find it. Otherwise it is not there; or it is the search that failed.
            ValueError: The key or the attributes are none, or as for ``create``; nothing was sent.
        """
        return await self._post_once(
            {
                "Author": author,
                "Body": body,
                "DateCreated": date_created,
                "DateUpdated": date_updated,
                "Attributes": with_key(key, attributes),
                "MediaSid": media_sid,
                "ContentSid": content_sid,
                "ContentVariables": encode_json("content_variables", content_variables),
                "Subject": subject,
            },
            key=key,
            look_back=look_back,
            webhook_enabled=webhook_enabled,
        )

    async def update(
        self,
        sid: str,
        *,
        author: str | None = None,
        body: str | None = None,
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        subject: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> Message:
        """Edit a message; the arguments are those of ``create``. What is None stays as it is.

        Args:
            sid: The message (``IM…``).
            body: The new text, up to 1,600 characters.
            attributes: They replace the old ones as a whole.

        Raises:
            NotFoundError: There is no such message.
        """
        return await self._post(
            self._item(sid),
            {
                "Author": author,
                "Body": body,
                "DateCreated": date_created,
                "DateUpdated": date_updated,
                "Attributes": encode_json("attributes", attributes),
                "Subject": subject,
            },
            webhook_enabled=webhook_enabled,
        )

    async def channel_metadata(self, sid: str) -> ChannelMetadata:
        """Read what the channel of a message (``IM…``) adds to it.

        Raises:
            NotFoundError: There is no such message, or its channel adds nothing (50530).
        """
        return await self._get(f"{self._item(sid)}/ChannelMetadata", ChannelMetadata)

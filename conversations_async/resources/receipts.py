"""Receipts: what became of a message at each participant who is not on chat.

API page: delivery receipt resource, https://www.twilio.com/docs/conversations/api/receipt-resource
"""

from __future__ import annotations

from attrs import frozen

from ..converter import AwareDatetime, OpenEnum
from ..repository import Fetchable, Streamable


class DeliveryStatus(OpenEnum):
    """How far a message got at one participant."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNDELIVERED = "undelivered"


@frozen(kw_only=True)
class Receipt:
    """What became of one message at one participant."""

    sid: str
    account_sid: str | None = None
    conversation_sid: str | None = None
    #: Only where the path names a service.
    chat_service_sid: str | None = None
    message_sid: str | None = None
    #: The message in its channel: ``SM…``, ``MM…``, ``WA…``.
    channel_message_sid: str | None = None
    participant_sid: str | None = None
    status: DeliveryStatus | None = None
    #: Why it failed; 0 where it did not.
    error_code: int | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    url: str | None = None


class ReceiptRepository(Fetchable[Receipt], Streamable[Receipt]):
    """The delivery and read receipts of one message."""

    model = Receipt
    member = "delivery_receipts"

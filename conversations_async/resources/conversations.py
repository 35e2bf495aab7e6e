"""Conversations: what messages and participants belong to.

API page: conversation resource, https://www.twilio.com/docs/conversations/api/conversation-resource
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from ..converter import Attributes, AwareDatetime, OpenEnum, encode_json
from ..errors import APIError
from ..repository import PAGE_SIZE_DEFAULT, DeletableWithWebhooks, Fetchable, check_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..pagination import Stream
    from ..repository import WebhookFlag

_PARTICIPANTS_MAX = 10
_NAME_TAKEN = 50353
_CLOSED = 50377


class ConversationState(OpenEnum):
    """Where a conversation is in its life."""

    #: Its participants are still being created.
    INITIALIZING = "initializing"
    ACTIVE = "active"
    INACTIVE = "inactive"
    #: For good: what is closed can be read and deleted, not changed.
    CLOSED = "closed"


@frozen(kw_only=True)
class Timers:
    """When a conversation changes its state by itself; None where no timer runs."""

    date_inactive: AwareDatetime | None = None
    date_closed: AwareDatetime | None = None


@frozen(kw_only=True)
class EmailBinding:
    """The sender of the e-mails of a conversation."""

    name: str | None = None
    projected_address: str | None = None


@frozen(kw_only=True)
class ConversationBindings:
    """How a conversation presents itself on channels that need it."""

    email: EmailBinding | None = None


@frozen(kw_only=True)
class Conversation(Attributes):
    """One conversation."""

    sid: str
    account_sid: str | None = None
    chat_service_sid: str | None = None
    messaging_service_sid: str | None = None
    friendly_name: str | None = None
    #: It will do wherever the SID does.
    unique_name: str | None = None
    #: JSON text, ``{}`` where none was set; see ``parsed_attributes``.
    attributes: str | None = None
    state: ConversationState | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    timers: Timers | None = None
    bindings: ConversationBindings | None = None
    url: str | None = None
    links: dict[str, str] | None = field(default=None, hash=False)


class ConversationRepository(Fetchable[Conversation], DeletableWithWebhooks[Conversation]):
    """The conversations of a service. For a ``sid``, a unique name will do."""

    model = Conversation

    async def create(
        self,
        *,
        friendly_name: str | None = None,
        unique_name: str | None = None,
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        messaging_service_sid: str | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        state: ConversationState | str | None = None,
        timers_inactive: timedelta | str | None = None,
        timers_closed: timedelta | str | None = None,
        bindings_email_address: str | None = None,
        bindings_email_name: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> Conversation:
        """Create a conversation.

        Args:
            friendly_name: Up to 256 characters.
            unique_name: A name of its own within the service.
            date_created: When it began, for an import of history.
            date_updated: When it was last changed, likewise.
            messaging_service_sid: The messaging service to use (``MG…``).
            attributes: A mapping, or JSON text; up to 16 KB.
            state: ``active``, the API's default, or ``inactive``.
            timers_inactive: How long until it becomes inactive: an ISO 8601 duration, or a timedelta; at
                least one minute.
            timers_closed: How long until it is closed, likewise; at least ten minutes.
            bindings_email_address: The address that its e-mails come from.
            bindings_email_name: The name that its e-mails come from.
            webhook_enabled: Whether webhooks are called for it; the API's default is no.

        Raises:
            ConflictError: 409/50353 where the unique name is taken.
            ValueError: A datetime is naive, or the attributes are not JSON; nothing was sent.
        """
        return await self._post(
            self._path,
            {
                "FriendlyName": friendly_name,
                "UniqueName": unique_name,
                "DateCreated": date_created,
                "DateUpdated": date_updated,
                "MessagingServiceSid": messaging_service_sid,
                "Attributes": encode_json("attributes", attributes),
                "State": state,
                "Timers.Inactive": timers_inactive,
                "Timers.Closed": timers_closed,
                "Bindings.Email.Address": bindings_email_address,
                "Bindings.Email.Name": bindings_email_name,
            },
            webhook_enabled=webhook_enabled,
        )

    async def create_with_participants(
        self,
        *,
        participant: Sequence[str | Mapping[str, Any]] | None = None,
        friendly_name: str | None = None,
        unique_name: str | None = None,
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        messaging_service_sid: str | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        state: ConversationState | str | None = None,
        timers_inactive: timedelta | str | None = None,
        timers_closed: timedelta | str | None = None,
        bindings_email_address: str | None = None,
        bindings_email_name: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> Conversation:
        """Create a conversation and its participants in one call.

        With participants, the API goes on creating them after it has answered: the conversation is
        ``initializing`` until all exist, and ``closed`` where one could not be created.

        The other arguments are those of ``create``.

        Args:
            participant: Up to 10 participants, each a mapping, or JSON text, of what ``participants.create``
                has, under the API's nested names: ``{"identity": "alice"}``, ``{"messaging_binding":
                {"address": …}}``.

        Raises:
            ValueError: As for ``create``; also for more than 10 participants.
        """
        listed = isinstance(participant, Sequence) and not isinstance(participant, str)
        if participant is not None and not (listed and len(participant) <= _PARTICIPANTS_MAX):
            raise ValueError(f"participant must be a list of at most {_PARTICIPANTS_MAX} participants")
        # it stands beside the collection, not in it
        path = f"{self._path.rpartition('/')[0]}/ConversationWithParticipants"
        return await self._post(
            path,
            {
                "FriendlyName": friendly_name,
                "UniqueName": unique_name,
                "DateCreated": date_created,
                "DateUpdated": date_updated,
                "MessagingServiceSid": messaging_service_sid,
                "Attributes": encode_json("attributes", attributes),
                "State": state,
                "Timers.Inactive": timers_inactive,
                "Timers.Closed": timers_closed,
                "Bindings.Email.Address": bindings_email_address,
                "Bindings.Email.Name": bindings_email_name,
                "Participant": [encode_json("participant", one) for one in participant]
                if participant
                else participant,
            },
            webhook_enabled=webhook_enabled,
        )

    async def update(
        self,
        sid: str,
        *,
        friendly_name: str | None = None,
        unique_name: str | None = None,
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        messaging_service_sid: str | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        state: ConversationState | str | None = None,
        timers_inactive: timedelta | str | None = None,
        timers_closed: timedelta | str | None = None,
        bindings_email_address: str | None = None,
        bindings_email_name: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> Conversation:
        """Change a conversation; the arguments are those of ``create``. What is None stays as it is.

        Args:
            sid: The conversation (``CH…``), or its unique name.
            attributes: They replace the old ones as a whole.
            state: ``active``, ``inactive`` or, for good, ``closed``.

        Raises:
            APIError: 400/50377 where it is closed.
            ConflictError: 409/50353 where the unique name is taken.
            NotFoundError: There is no such conversation.
        """
        return await self._post(
            self._item(sid),
            {
                "FriendlyName": friendly_name,
                "UniqueName": unique_name,
                "DateCreated": date_created,
                "DateUpdated": date_updated,
                "MessagingServiceSid": messaging_service_sid,
                "Attributes": encode_json("attributes", attributes),
                "State": state,
                "Timers.Inactive": timers_inactive,
                "Timers.Closed": timers_closed,
                "Bindings.Email.Address": bindings_email_address,
                "Bindings.Email.Name": bindings_email_name,
            },
            webhook_enabled=webhook_enabled,
        )

    async def close(self, sid: str, *, webhook_enabled: bool | WebhookFlag | None = None) -> Conversation:
        """Close a conversation, for good; one that is closed already is given as it is.

        Raises:
            NotFoundError: There is no such conversation.
        """
        try:
            return await self.update(sid, state=ConversationState.CLOSED, webhook_enabled=webhook_enabled)
        except APIError as error:
            if error.code != _CLOSED:
                raise
        return await self.fetch(sid)

    async def ensure(
        self,
        unique_name: str,
        *,
        friendly_name: str | None = None,
        date_created: datetime | None = None,
        date_updated: datetime | None = None,
        messaging_service_sid: str | None = None,
        attributes: str | Mapping[str, Any] | None = None,
        state: ConversationState | str | None = None,
        timers_inactive: timedelta | str | None = None,
        timers_closed: timedelta | str | None = None,
        bindings_email_address: str | None = None,
        bindings_email_name: str | None = None,
        webhook_enabled: bool | WebhookFlag | None = None,
    ) -> Conversation:
        """Give the conversation of this unique name, and create it if there is none.

        One that exists is given as it is, even if it is closed; the other arguments, which are those of
        ``create``, count only if it is created. Callers that race, in other processes too, all get the same
        one. After any error, this can be called again.

        Raises:
            NotFoundError: Somebody deleted it at that moment.
            ValueError: As for ``create``; also where the unique name looks like a SID, which would be found
                instead.
        """
        form = {
            "FriendlyName": friendly_name,
            "UniqueName": unique_name,
            "DateCreated": date_created,
            "DateUpdated": date_updated,
            "MessagingServiceSid": messaging_service_sid,
            "Attributes": encode_json("attributes", attributes),
            "State": state,
            "Timers.Inactive": timers_inactive,
            "Timers.Closed": timers_closed,
            "Bindings.Email.Address": bindings_email_address,
            "Bindings.Email.Name": bindings_email_name,
        }
        check_name("unique_name", unique_name, "CH")
        return await self._ensure(unique_name, form, taken=_NAME_TAKEN, webhook_enabled=webhook_enabled)

    def stream(
        self,
        *,
        start_date: date | str | None = None,
        end_date: date | str | None = None,
        state: ConversationState | str | None = None,
        page_size: int = PAGE_SIZE_DEFAULT,
        limit: int | None = None,
        read_ahead: int = 1,
        cursor: str | None = None,
    ) -> Stream[Conversation]:
        """Read the conversations, page after page.

        Args:
            start_date: Those created then or later. A bare date is its first second in UTC.
            end_date: Those created then or earlier. A bare date is its last second in UTC.
            state: Those that are ``active``, ``inactive`` or ``closed``.
            page_size: As for every stream, as are ``limit``, ``read_ahead`` and ``cursor``.

        Raises:
            ValueError: As for every stream; also where a datetime is naive.
        """
        filters = {
            "StartDate": _moment(start_date, time.min),
            "EndDate": _moment(end_date, time.max),
            "State": state,
        }
        return self._stream(filters, page_size=page_size, limit=limit, read_ahead=read_ahead, cursor=cursor)


def _moment(value: date | str | None, otherwise: time) -> datetime | str | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, otherwise, UTC)
    return value

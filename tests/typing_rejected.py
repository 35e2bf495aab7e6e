"""Wrong uses of the public API, as a type checker sees them.

Nothing here is ever run, nor collected by pytest. ``mypy --strict`` and pyright check this file with the rest of
the tests. Each wrong line silences the one complaint that it has to cause, in each checker: where a line is no
longer rejected, its comment is superfluous, and that is an error (``warn_unused_ignores`` in mypy;
``reportUnnecessaryTypeIgnoreComment`` in pyright, which has to be told to leave mypy's comments alone, by
``enableTypeIgnoreComments = false``). ``typing_accepted.py`` is the other direction.
"""

# ruff: noqa: E501  # a line has two ignores and their reason

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from conversations_async import (
    ConversationsClient,
    DecodeError,
    Limits,
    Media,
    Message,
    Order,
    RetryPolicy,
    merge_streams,
)
from conversations_async.errors import APIError, ConversationsError
from conversations_async.webhooks import (
    Accept,
    ConversationAdd,
    Event,
    MessageAdd,
    MessageAdded,
    Modify,
    ModifyConversation,
    ParticipantAdd,
    PreActionEvent,
    Reject,
    Router,
)

if TYPE_CHECKING:
    from conversations_async import Conversation, Page, Participant, Receipt, Stream
    from conversations_async.chat import ChatMessage

NOW = datetime.now(UTC)


def clients() -> None:
    """Make clients of wrong arguments."""
    ConversationsClient()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no account
    ConversationsClient(5, "token")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no SID
    ConversationsClient("AC1", "token", "SK1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position
    ConversationsClient("AC1", token="t")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # misspelt
    ConversationsClient("AC1", timeout="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # text
    ConversationsClient("AC1", retry=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no policy
    ConversationsClient("AC1", retry=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # none
    ConversationsClient.from_env("AC1")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]  # by position
    ConversationsClient.from_env(region="ie1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no option
    RetryPolicy(5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position
    RetryPolicy(attempts=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # misspelt
    RetryPolicy(max_attempts="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # text
    RetryPolicy(budget=0.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no whole number
    ConversationsClient("AC1", limits=30)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no limits
    ConversationsClient("AC1", ssl=False)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no context
    ConversationsClient("AC1", proxy=80)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no address
    ConversationsClient("AC1", trust_env=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no flag
    ConversationsClient("AC1", max_response_size=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # none
    Limits(30)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position
    Limits(per_service="30")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # text


def places(client: ConversationsClient) -> None:
    """Look for repositories in wrong places, and without their identifiers."""
    client.messages()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # of no conversation
    client.messages(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no identifier
    client.participants(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no identifier
    client.receipts("CH1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # of no message
    client.service()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # of no name
    client.message("CH1")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # misspelt
    client.chat.messages("CH1")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # no service
    client.service("IS1").chat  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # elsewhere  # noqa: B018  # never run
    client.chat.service("IS1").conversations  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # not in Chat  # noqa: B018  # never run

    client.bindings  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # of no service  # noqa: B018  # never run
    client.media  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # of no service  # noqa: B018  # never run
    client.service("IS1").addresses  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # the account's  # noqa: B018  # never run
    client.with_options(region="ie1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no option
    client.with_options(5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position


async def what_is_required(client: ConversationsClient) -> None:
    """Leave out what the API requires, and add what it does not know."""
    await client.users.create()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # nobody
    await client.users.create(identity=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # nobody
    await client.services.create()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no name
    await client.webhooks("CH1").create()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no target
    await client.webhooks("CH1").update("WH1", configuration_replay_after=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # at creation only
    await client.addresses.create(type="sms")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no address
    await client.credentials.create(friendly_name="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no type
    await client.roles.create(friendly_name="x", type="service")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no permission
    await client.roles.delete("RL1", webhook_enabled=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no webhooks
    await client.configuration.fetch("x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # there is one
    await client.participants("CH1").ensure("alice")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position
    await client.conversations.ensure()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no name
    await client.conversations.ensure("x", unique_name="y")  # type: ignore[misc]  # pyright: ignore[reportCallIssue]  # twice
    await client.service("IS1").media.upload(b"")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no media type
    await client.service("IS1").media.upload([b""], content_type="a/b")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a list
    await client.chat.credentials.update("CR1", type="apn")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # for good
    await client.chat.service("IS1").users.delete("US1", webhook_enabled=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # no webhooks


async def conversations(client: ConversationsClient) -> None:
    """Call the repository of conversations wrongly."""
    repository = client.conversations
    await repository.create("Support")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position
    await repository.create(friendly="Support")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # misspelt
    await repository.create(FriendlyName="S")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # wire name
    await repository.create(friendly_name=7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no text
    await repository.create(date_created="2015-12-16")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # text
    await repository.create(attributes=["a"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no mapping
    await repository.create(state=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no state
    await repository.create(timers_closed=600)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # seconds
    await repository.create(webhook_enabled="maybe")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no flag
    await repository.create(participant=[])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # the other call
    await repository.create_with_participants(participant=[5])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]  # no participant
    await repository.fetch()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # of no conversation
    await repository.update(state="closed")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # of no conversation
    await repository.update("CH1", "name")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position
    await repository.delete("CH1", True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position  # noqa: FBT003  # the point
    await repository.list()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # a stream's
    repository.stream("active")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position
    repository.stream(order=Order.ASC)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # messages only
    repository.stream(page_size="50")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # text
    repository.stream(page_size=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # there is one
    repository.stream(limit=1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # half an item
    repository.stream(start_date=20230504)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no date


async def messages(client: ConversationsClient) -> None:
    """Call the repository of messages wrongly."""
    repository = client.messages("CH1")
    await repository.create("Ahoy there!")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position
    await repository.create(boddy="Ahoy")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # misspelt
    await repository.create(body=b"Ahoy")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # bytes
    await repository.create(media_sid=["ME1"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # one only
    await repository.create(from_="smee")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # Chat's word
    await repository.update(body="Ahoy")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # of no message
    await repository.update("IM1", media_sid="ME1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # create's
    await repository.delete("IM1", webhooks=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # misspelt
    repository.stream(order=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no order
    repository.stream(pagesize=100)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # misspelt
    await repository.stream()  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]  # iterate instead
    for _ in repository.stream():  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]  # not async
        pass


def merged(stream: Stream[Message], page: Page[Message]) -> None:
    """Merge what is no stream, and what is one only."""
    merge_streams(stream)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # one only
    merge_streams([page])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no stream
    merge_streams([stream], 3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position
    merge_streams([stream], concurrency="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # text

    async def report(stream: Stream[Message] | None, error: Exception) -> None: ...

    merge_streams([stream], on_error=report)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # nobody would await it


async def participants_and_receipts(client: ConversationsClient) -> None:
    """Call the repositories of participants and receipts wrongly."""
    participants, receipts = client.participants("CH1"), client.receipts("CH1", "IM1")
    await participants.create("alice")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position
    await participants.create(address="+1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # misspelt
    await participants.update("MB1", messaging_binding_address="+1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # create's
    await participants.update("MB1", last_read_message_index="7")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # text
    participants.stream(order=Order.ASC)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # messages only
    await receipts.create()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # read only
    await receipts.delete("DY1")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # read only
    receipts.stream(read_ahead="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # text


async def chat_messages(client: ConversationsClient) -> None:
    """Call the repository of the legacy API wrongly."""
    repository = client.chat.service("IS1").messages("CH1")
    await repository.create(author="smee")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # it is from_
    await repository.update("IM1", media_sid="ME1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # create's
    message: Message = await repository.fetch("IM1")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # another class
    message.sid.upper()


async def results(client: ConversationsClient, stream: Stream[Message], page: Page[Message]) -> None:
    """Take results for what they are not."""
    items: list[Conversation] = await stream.list()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # of messages
    items.clear()
    sids: list[str] = page.items  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # of messages
    sids.clear()
    body: str = (await client.messages("CH1").fetch("IM1")).body  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # may be None
    body.upper()
    deleted: bool = await client.conversations.delete("CH1")  # type: ignore[func-returns-value, assignment]  # pyright: ignore[reportAssignmentType]  # gives nothing
    del deleted


def models(
    conversation: Conversation,
    message: Message,
    participant: Participant,
    receipt: Receipt,
    chat: ChatMessage,
) -> None:
    """Change what does not change, and read what there is not."""
    conversation.state = None  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # frozen
    message.body = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # frozen
    participant.identity = "bob"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # frozen
    receipt.status = None  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # frozen
    chat.from_ = "bob"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # frozen
    message.parsed_attributes = {}  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # computed
    RetryPolicy().max_attempts = 1  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # frozen
    message.subject  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # never answered  # noqa: B018  # never run
    message.media[0]  # type: ignore[index]  # pyright: ignore[reportOptionalSubscript]  # may be None
    Media("ME1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position
    Message()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # of no SID
    Media(sid="ME1", size="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # text
    Message(sid="IM1", media=[Media(sid="ME1")])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # a list


def errors(error: ConversationsError) -> None:
    """Make errors that lack something, and read what only some have."""
    APIError(message="why")  # type: ignore[call-arg]  # of no status; pyright takes it to be inherited
    APIError("why", status=404)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position
    DecodeError(message="why")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # of no model
    error.code  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # an APIError's  # noqa: B018  # never run


def policies(policy: RetryPolicy) -> None:
    """Ask a policy wrongly."""
    policy.delay(1, "GET")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position
    policy.delay(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # of no method
    policy.delay(1, method="GET", status="429")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # text


def routers(client: ConversationsClient) -> None:
    """Make routers of wrong arguments."""
    Router(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no text
    Router("token", client)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # by position
    Router("token", client="AC1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no client
    Router("token", fallback=Modify(body="b"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # of what?
    Router("token", handle_within="60")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # text
    Router("token", trusted_proxies=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # none
    Router("token", repair=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no Repair
    Router("token", deduplicator=set())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # no deduplicator
    Router("token", timeout=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # misspelt
    Router("token", on_error=lambda error: None)  # type: ignore[misc, arg-type]  # pyright: ignore[reportArgumentType]  # of no event

    async def report(error: Exception, event: Event) -> None: ...

    Router("token", on_error=report)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # nobody would await it
    Reject("403")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # text
    Modify("body")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # by position
    Modify(friendly_name="f")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # of a conversation
    ModifyConversation(body="b")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # of a message


def answers(router: Router) -> None:
    """Register handlers that answer what their events do not take."""

    @router.on(ParticipantAdd)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]  # of messages
    async def modify(event: ParticipantAdd) -> Modify | None: ...

    @router.on(MessageAdded)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]  # too late
    async def too_late(event: MessageAdded) -> Modify | None: ...

    @router.on(MessageAdded)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]  # too late, too
    async def refuse(event: MessageAdded, client: ConversationsClient) -> Reject | None: ...

    @router.on(MessageAdd)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]  # of conversations
    async def rename(event: MessageAdd) -> ModifyConversation | None: ...

    @router.on(ConversationAdd)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]  # of messages
    async def rewrite(event: ConversationAdd, client: ConversationsClient) -> Modify | None: ...

    @router.on(PreActionEvent)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]  # of some of them
    async def each(event: PreActionEvent) -> Modify | None: ...

    @router.on(MessageAdd)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]  # no answer
    async def check(event: MessageAdd) -> bool | None: ...


def handlers(router: Router) -> None:
    """Register what cannot be called with its event."""

    @router.on(MessageAdded)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]  # another event
    async def other(event: MessageAdd) -> None: ...

    @router.on(PreActionEvent)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]  # one of them
    async def narrow(event: MessageAdd) -> None: ...

    @router.on(MessageAdded)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]  # not async
    def at_once(event: MessageAdded) -> None: ...

    @router.on()  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]  # not async
    def at_once_too(event: MessageAdded) -> None: ...

    @router.on(MessageAdd)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]  # another client
    async def with_text(event: MessageAdd, client: str) -> Accept | None: ...

    @router.on(MessageAdded)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]  # no third
    async def three(event: MessageAdded, client: ConversationsClient, third: int) -> None: ...

    @router.on  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]  # without brackets
    async def bare(event: MessageAdded) -> None: ...

    @router.middleware  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # of one argument
    async def alone(event: Event) -> None: ...


def conditions(router: Router) -> None:
    """Register conditions that cannot be met."""
    router.on(MessageAdded, when=lambda event: event.friendly_name)  # type: ignore[type-var, attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # a conversation's
    router.on(MessageAdd, when=lambda event: event.message_sid)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  # not yet
    router.on(MessageAdded, when=lambda: True)  # type: ignore[type-var, misc, arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]  # of nothing
    router.on(MessageAdded, author=5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]  # no text
    router.on(MessageAdded, "alice")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]  # by position
    router.on(5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]  # no event
    router.on(MessageAdded(conversation_sid="CH1", message_sid="IM1"))  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]  # no class

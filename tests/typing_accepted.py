"""Correct calls of the public API, as a type checker sees them.

Nothing here is ever run, nor collected by pytest. ``mypy --strict`` and pyright check this file with the rest
of the tests: every call has to be accepted, and every result has to have the type that is asserted.
``typing_rejected.py`` is the other direction.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_type

from conversations_async import (
    Address,
    APIError,
    AutoCreation,
    Binding,
    BindingType,
    ChannelMetadata,
    Configuration,
    Conversation,
    ConversationBindings,
    ConversationsClient,
    ConversationsError,
    ConversationState,
    Credential,
    DecodeError,
    DeliveryAmount,
    DeliveryStatus,
    DeliverySummary,
    EmailBinding,
    Limits,
    Media,
    MediaFile,
    Message,
    MessagingBinding,
    NotFoundError,
    NotificationConfiguration,
    NotificationLevel,
    Order,
    Page,
    Participant,
    ParticipantConversation,
    PushType,
    Receipt,
    RequestTimeoutError,
    RetryPolicy,
    Role,
    RoleType,
    Service,
    ServiceConfiguration,
    Stream,
    Timers,
    TransportError,
    User,
    UserConversation,
    Webhook,
    WebhookConfiguration,
    WebhookMethod,
    WebhookTarget,
    merge_streams,
)
from conversations_async.chat import (
    Channel,
    ChannelWebhook,
    Chat,
    ChatBinding,
    ChatMessage,
    ChatMessageRepository,
    ChatMessageType,
    ChatRole,
    ChatScope,
    ChatService,
    ChatUser,
    Invite,
    Member,
    UserChannel,
)
from conversations_async.client import ServiceScope
from conversations_async.resources.conversations import ConversationRepository
from conversations_async.resources.messages import MessageRepository
from conversations_async.resources.participants import ParticipantRepository
from conversations_async.resources.receipts import ReceiptRepository
from conversations_async.webhooks import (
    Accept,
    ConversationAnswer,
    ConversationUpdate,
    Event,
    MemoryDeduplicator,
    MessageAdd,
    MessageAdded,
    MessageAnswer,
    MessageUpdated,
    Modify,
    ModifyConversation,
    Next,
    ParticipantAdd,
    PostActionEvent,
    PreActionEvent,
    Reject,
    Repair,
    Router,
    Verdict,
)
from conversations_async.webhooks.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import aiohttp

NOW = datetime.now(UTC)


async def clients(borrowed: aiohttp.ClientSession) -> None:
    """Make clients, with each kind of credentials and every option."""
    async with ConversationsClient("AC1", "token") as client:
        assert_type(client, ConversationsClient)
    async with ConversationsClient.from_env() as client:
        assert_type(client, ConversationsClient)
    ConversationsClient("AC1", auth_token=None, api_key="SK1", api_secret="secret")
    ConversationsClient(
        "AC1",
        "token",
        region="ie1",
        edge="dublin",
        base_url="http://127.0.0.1:8080",
        timeout=10,
        retry=RetryPolicy(max_attempts=3, base_delay=1, max_delay=2.5, total_timeout=60, retry_posts=True),
        max_connections=10,
        session=borrowed,
        limits=Limits(per_conversation=30, per_service=None),
        max_response_size=1 << 20,
        ssl=ssl.create_default_context(),
        proxy="http://127.0.0.1:3128",
        trust_env=True,
    )
    RetryPolicy(budget=None)
    ConversationsClient.from_env(timeout=1.5, retry=RetryPolicy(), max_connections=1, session=borrowed)
    ConversationsClient.from_env(limits=Limits(), max_response_size=1, ssl=None, proxy=None, trust_env=False)
    assert_type(await client.close(), None)


def places(client: ConversationsClient) -> None:
    """Find the repositories, at the default path, under a service, and those of the legacy API."""
    assert_type(client.conversations, ConversationRepository)
    assert_type(client.messages("CH1"), MessageRepository)
    assert_type(client.participants("CH1"), ParticipantRepository)
    assert_type(client.receipts("CH1", "IM1"), ReceiptRepository)
    assert_type(client.service("IS1"), ServiceScope)
    assert_type(client.service("IS1").conversations, ConversationRepository)
    assert_type(client.service("IS1").messages("CH1"), MessageRepository)
    assert_type(client.service("IS1").participants("CH1"), ParticipantRepository)
    assert_type(client.service("IS1").receipts("CH1", "IM1"), ReceiptRepository)
    assert_type(client.chat, Chat)
    assert_type(client.chat.service("IS1"), ChatScope)
    assert_type(client.chat.service("IS1").messages("CH1"), ChatMessageRepository)
    assert_type(client.with_options(timeout=5, account_sid="AC2", auth_token="token"), ConversationsClient)
    assert_type(client.with_options(retry=RetryPolicy(), api_key="SK1", api_secret="s"), ConversationsClient)


async def conversations(client: ConversationsClient) -> None:
    """Create, read, change and delete conversations."""
    repository = client.conversations
    assert_type(await repository.create(), Conversation)
    assert_type(
        await repository.create(
            friendly_name="Support #7",
            unique_name="support-7",
            date_created=NOW,
            date_updated=NOW,
            messaging_service_sid="MG1",
            attributes={"importance": "high"},
            state=ConversationState.ACTIVE,
            timers_inactive=timedelta(minutes=1),
            timers_closed="PT10M",
            bindings_email_address="a@b.test",
            bindings_email_name="Support",
            webhook_enabled=True,
        ),
        Conversation,
    )
    assert_type(
        await repository.create_with_participants(participant=[{"identity": "alice"}, '{"identity": "bob"}']),
        Conversation,
    )
    assert_type(await repository.fetch("CH1"), Conversation)
    assert_type(await repository.fetch(sid="CH1"), Conversation)
    assert_type(await repository.update("CH1", state="closed", attributes="{}"), Conversation)
    assert_type(await repository.delete("CH1"), None)
    assert_type(await repository.delete("CH1", webhook_enabled="true"), None)
    assert_type(repository.stream(), Stream[Conversation])
    assert_type(
        repository.stream(
            start_date=date(2023, 5, 4),
            end_date=NOW,
            state=ConversationState.CLOSED,
            page_size=100,
            limit=500,
            read_ahead=0,
            cursor="/v1/Conversations?PageSize=100",
        ),
        Stream[Conversation],
    )
    repository.stream(start_date="2023-05-04", state="active", limit=None, cursor=None)


async def messages(client: ConversationsClient) -> None:
    """Create, read, change and delete messages."""
    repository = client.messages("CH1")
    assert_type(
        await repository.create(
            author="smee",
            body="Ahoy there!",
            date_created=NOW,
            date_updated=NOW,
            attributes='{"importance": "high"}',
            media_sid="ME1",
            content_sid="HX1",
            content_variables={"1": "Smee"},
            subject="About it",
            webhook_enabled=False,
        ),
        Message,
    )
    assert_type(await repository.fetch("IM1"), Message)
    assert_type(await repository.update("IM1", body="", author=None), Message)
    assert_type(await repository.delete("IM1", webhook_enabled=None), None)
    assert_type(repository.stream(order=Order.DESC, page_size=1000), Stream[Message])
    assert_type(repository.stream(order="asc"), Stream[Message])


async def participants(client: ConversationsClient) -> None:
    """Create, read, change and delete participants."""
    repository = client.participants("CH1")
    assert_type(await repository.create(identity="alice", role_sid="RL1"), Participant)
    assert_type(
        await repository.create(
            messaging_binding_address="whatsapp:+15558675310",
            messaging_binding_proxy_address="whatsapp:+15558675311",
            messaging_binding_projected_address="+15558675312",
        ),
        Participant,
    )
    assert_type(await repository.fetch("alice"), Participant)
    assert_type(
        await repository.update("MB1", last_read_message_index=7, last_read_timestamp=NOW), Participant
    )
    assert_type(await repository.delete("MB1"), None)
    assert_type(repository.stream(limit=1), Stream[Participant])


async def receipts(client: ConversationsClient) -> None:
    """Read receipts."""
    repository = client.receipts("CH1", "IM1")
    assert_type(await repository.fetch("DY1"), Receipt)
    assert_type(repository.stream(page_size=10), Stream[Receipt])


async def chat_messages(client: ConversationsClient) -> None:
    """Create, read, change and delete messages of the legacy API."""
    repository = client.chat.service("IS1").messages("CH1")
    assert_type(await repository.create(from_="smee", body="Ahoy", media_sid="ME1"), ChatMessage)
    assert_type(await repository.fetch("IM1"), ChatMessage)
    assert_type(await repository.update("IM1", body="Ahoy!", last_updated_by="smee"), ChatMessage)
    assert_type(await repository.delete("IM1", webhook_enabled="false"), None)
    assert_type(repository.stream(order=Order.ASC), Stream[ChatMessage])


async def streams(stream: Stream[Message]) -> None:
    """Read a stream: by item, by page, whole; and close it early."""
    async for message in stream:
        assert_type(message, Message)
        break
    async for page in stream.pages():
        assert_type(page, Page[Message])
        assert_type(page.items, list[Message])
        assert_type(page.index, int | None)
        assert_type(page.page_size, int | None)
        assert_type(page.cursor, str | None)
    assert_type(aiter(stream), AsyncGenerator[Message, None])
    assert_type(stream.pages(), AsyncGenerator[Page[Message], None])
    assert_type(await stream.list(), list[Message])
    assert_type(await stream.aclose(), None)


def merged(client: ConversationsClient, texts: Stream[Message], people: Stream[Participant]) -> None:
    """Merge streams, of one model or of several, from either kind of iterable."""

    def report(stream: Stream[Message] | None, error: Exception) -> None: ...

    assert_type(merge_streams([texts, texts]), Stream[Message])
    assert_type(merge_streams({texts: "a"}, concurrency=3, on_error=report), Stream[Message])
    _: Stream[Message | Participant] = merge_streams([texts, people])
    both: list[Stream[Message | Participant]] = [texts, people]
    assert_type(merge_streams(both), Stream[Message | Participant])
    every = (client.messages(found.sid).stream() async for found in client.conversations.stream())
    assert_type(merge_streams(every, on_error=None), Stream[Message])


def models(conversation: Conversation, message: Message, participant: Participant, receipt: Receipt) -> None:
    """Read the fields of models."""
    assert_type(conversation.sid, str)
    assert_type(conversation.unique_name, str | None)
    assert_type(conversation.attributes, str | None)
    assert_type(conversation.parsed_attributes, Any)
    assert_type(conversation.state, ConversationState | None)
    assert_type(conversation.timers, Timers | None)
    assert_type(Timers().date_closed, datetime | None)
    assert_type(conversation.bindings, ConversationBindings | None)
    assert_type(ConversationBindings().email, EmailBinding | None)
    assert_type(conversation.links, dict[str, str] | None)
    assert_type(message.index, int | None)
    assert_type(message.media, tuple[Media, ...] | None)
    assert_type(Media(sid="ME1").size, int | None)
    assert_type(message.delivery, DeliverySummary | None)
    assert_type(DeliverySummary(total=1).read, DeliveryAmount | None)
    assert_type(message.date_created, datetime | None)
    assert_type(participant.messaging_binding, MessagingBinding | None)
    assert_type(MessagingBinding().type, BindingType | None)
    assert_type(participant.last_read_timestamp, datetime | None)
    assert_type(receipt.status, DeliveryStatus | None)
    assert_type(receipt.error_code, int | None)


def chat_models(message: ChatMessage) -> None:
    """Read the fields of the models of the legacy API."""
    assert_type(message.from_, str | None)
    assert_type(message.type, ChatMessageType | None)
    assert_type(message.media, Media | None)
    assert_type(message.was_edited, bool | None)


def enums(text: str) -> None:
    """Make enum values of any text, and use them as strings."""
    assert_type(Order(text), Order)
    assert_type(Order.DESC.upper(), str)
    state: str = ConversationState.CLOSED
    assert_type({"closed": 1}[state], int)


async def errors(client: ConversationsClient) -> None:
    """Catch errors, and read their fields."""
    try:
        await client.conversations.fetch("CH1")
    except NotFoundError as error:
        assert_type(error.status, int)
        assert_type(error.code, int | None)
        assert_type(error.message, str)
        assert_type(error.more_info, str | None)
        assert_type(error.details, dict[str, Any] | None)
        assert_type(error.retry_after, float | None)
    except APIError as error:
        assert_type(error.request_id, str | None)
    except RequestTimeoutError as error:
        timeout: TimeoutError = error
        transport: TransportError = error
        assert_type(transport.sent, bool)
        raise timeout from None
    except DecodeError as error:
        assert_type(error.model, str)
        assert_type(error.field, str)
    except ConversationsError as error:
        assert_type(error.ambiguous, bool)
        assert_type(error.status, int | None)
        assert_type(error.method, str | None)
        assert_type(error.path, str | None)
        assert_type(error.attempts, int)


def policies(policy: RetryPolicy) -> None:
    """Ask a policy."""
    assert_type(policy.delay(1, method="GET"), float | None)
    assert_type(
        policy.delay(2, method="POST", status=429, sent=True, retry_after=1, elapsed=0.5, random=lambda: 0.5),
        float | None,
    )


async def any_mapping_and_sequence(
    client: ConversationsClient, attributes: Mapping[str, object], participant: Sequence[Mapping[str, str]]
) -> None:
    """Give attributes and participants in any mapping and sequence, not in dict and list alone."""
    await client.conversations.create(attributes=attributes)
    await client.conversations.create_with_participants(participant=participant)
    await client.conversations.create_with_participants(participant=tuple(participant))


async def the_rest_of_conversations(client: ConversationsClient) -> None:
    """Call what there is besides conversations, participants and messages."""
    assert_type(await client.conversations.ensure("support-7", timers_closed="PT10M"), Conversation)
    assert_type(await client.conversations.close("support-7", webhook_enabled=True), Conversation)
    assert_type(await client.participants("CH1").ensure(identity="alice", attributes={}), Participant)
    assert_type(await client.messages("CH1").channel_metadata("IM1"), ChannelMetadata)
    assert_type(
        await client.webhooks("CH1").create(
            target=WebhookTarget.WEBHOOK,
            configuration_method="post",
            configuration_filters=["onMessageAdded"],
            configuration_replay_after=0,
        ),
        Webhook,
    )
    assert_type(await client.webhooks("CH1").delete("WH1"), None)
    assert_type(await client.users.create(identity="alice", webhook_enabled="false"), User)
    assert_type(await client.users.fetch("alice"), User)
    assert_type(await client.users.delete("alice", webhook_enabled=True), None)
    assert_type(client.user_conversations("alice").stream(), Stream[UserConversation])
    assert_type(
        await client.user_conversations("alice").update("CH1", notification_level=NotificationLevel.MUTED),
        UserConversation,
    )
    streamed = client.participant_conversations.stream(address="+1555", limit=5)
    assert_type(streamed, Stream[ParticipantConversation])
    assert_type(
        await client.roles.create(friendly_name="x", type=RoleType.SERVICE, permission=["sendMessage"]), Role
    )
    assert_type(await client.roles.update("RL1", permission=("sendMessage",)), Role)
    credential = await client.credentials.create(type="fcm", secret="hush")
    assert_type(credential.sandbox, bool | None)
    assert_type(await client.credentials.update("CR1", type=PushType.APN, sandbox=False), Credential)
    address = await client.addresses.create(type="sms", address="+1555", auto_creation_enabled=True)
    assert_type(address.auto_creation, AutoCreation | None)
    assert_type(client.addresses.stream(type="whatsapp"), Stream[Address])
    assert_type(await client.configuration.update(default_inactive_timer=timedelta(minutes=1)), Configuration)
    assert_type(await client.webhook_configuration.update(target="flex"), WebhookConfiguration)
    assert_type(await client.services.create(friendly_name="x"), Service)


async def services(service: ServiceScope) -> None:
    """Call what only services have."""
    assert_type(await service.configuration.fetch(), ServiceConfiguration)
    assert_type(service.bindings.stream(binding_type=["apn"], identity=["alice"]), Stream[Binding])
    assert_type(await service.webhook_configuration.update(method=WebhookMethod.GET), WebhookConfiguration)
    assert_type(await service.notifications.update(log_enabled=True), NotificationConfiguration)
    for source in b"bytes", "a path", Path("a path"), stream_of_bytes():
        assert_type(await service.media.upload(source, content_type="image/png", size=5), MediaFile)
    assert_type(await service.media.send("CH1", b"", content_type="image/png", body="Look"), Message)
    assert_type(await service.media.fetch("ME1"), MediaFile)
    async with service.media.download("ME1") as chunks:
        async for chunk in chunks:
            assert_type(chunk, bytes)


async def stream_of_bytes() -> AsyncIterator[bytes]:
    """Give bytes."""
    yield b"bytes"


async def the_rest_of_chat(chat: Chat) -> None:
    """Call the legacy API."""
    service = chat.service("IS1")
    assert_type(await service.channels.create(type="private"), Channel)
    assert_type(await service.channels.migrate("CH1", messaging_service_sid="MG1"), Channel)
    assert_type(service.channels.stream(type=["public"]), Stream[Channel])
    assert_type(await service.members("CH1").create(identity="alice"), Member)
    assert_type(service.invites("CH1").stream(identity=["alice"]), Stream[Invite])
    assert_type(await service.webhooks("CH1").create(type="studio"), ChannelWebhook)
    assert_type(await service.users.create(identity="alice"), ChatUser)
    assert_type(await service.user_channels("alice").fetch("CH1"), UserChannel)
    assert_type(service.user_bindings("alice").stream(binding_type=["fcm"]), Stream[ChatBinding])
    assert_type(await service.roles.fetch("RL1"), ChatRole)
    assert_type(await chat.services.update("IS1", limits_channel_members=100), ChatService)
    assert_type(await chat.credentials.fetch("CR1"), Credential)


def routers(client: ConversationsClient) -> None:
    """Make routers, of either kind of client and with every option."""
    Router("token", "new token", client=client)
    Router("token", client=ConversationsClient.from_env)
    Router(
        "token",
        client=lambda: ConversationsClient("AC1", "token"),
        public_url="https://example.com/hooks",
        trusted_proxies=["10.0.0.0/8"],
        answer_within=4,
        fallback=Reject(),
        handle_within=None,
        concurrency=1,
        queue_size=1,
        drain=0,
        deduplicator=MemoryDeduplicator(),
        repair=Repair(wait=1),
        max_body_size=1,
        on_error=lambda error, event: print(error.args, event.event_type),  # noqa: T201  # never run
    )


def handlers_of_messages(router: Router) -> None:
    """Register handlers of messages, with and without the client, and with each of the answers."""

    @router.on(MessageAdded)
    async def alone(event: MessageAdded) -> None:
        assert_type(event.message_sid, str)

    @router.on(MessageAdded, author="bob", participant=["MB1"], when=lambda event: event.message_sid == "IM1")
    async def with_client(event: MessageAdded, client: ConversationsClient) -> None:
        assert_type(client.messages(event.conversation_sid), MessageRepository)

    @router.on(MessageAdd, when=lambda event: event.body)
    async def modify(event: MessageAdd) -> Modify | None:
        return Modify(body="b", attributes={}) if event.body else None

    @router.on(MessageAdd)
    async def any_of_them(event: MessageAdd, client: ConversationsClient) -> MessageAnswer:
        return Reject(status=451) if event.author else Accept()

    @router.on(MessageAdd)
    async def nothing(event: MessageAdd) -> None: ...

    @router.on(MessageAdd)
    async def wide(event: Event) -> Verdict: ...


def handlers_of_all_else(router: Router) -> None:
    """Register handlers of other events, of several, and of those that annotations name."""

    @router.on(ConversationUpdate)
    async def rename(event: ConversationUpdate) -> ConversationAnswer:
        return ModifyConversation(friendly_name=event.friendly_name)

    @router.on(ParticipantAdd)
    async def refuse(event: ParticipantAdd) -> Reject:
        return Reject()

    @router.on(PreActionEvent)
    async def each(event: PreActionEvent, client: ConversationsClient) -> Verdict: ...

    @router.on(PostActionEvent)
    async def past(event: PostActionEvent) -> None: ...

    @router.on(Event, when=lambda event: event.event_type == "onTomorrow")
    async def everything(event: Event) -> None: ...

    @router.on()
    async def by_annotation(event: MessageAdded | MessageUpdated, client: ConversationsClient) -> None: ...

    @router.on(author=("alice", "bob"), when=lambda event: event.author != "bot")
    async def by_annotation_too(event: MessageAdd) -> MessageAnswer: ...

    @router.middleware
    async def around(event: Event, call_next: Next) -> object:
        return await call_next(event)


async def dispatched(router: Router) -> None:
    """Give events to handlers, as tests do."""
    assert_type(await router.dispatch(MessageAdd(conversation_sid="CH1", body="Ahoy")), Answer)
    async with router as entered:
        assert_type(entered, Router)

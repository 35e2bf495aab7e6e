"""The client and the emulator together, through real sockets: what a program sees of the API."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

from conversations_async import (
    APIError,
    AuthenticationError,
    BindingType,
    ConflictError,
    Conversation,
    ConversationsClient,
    ConversationState,
    DeliveryAmount,
    DeliveryStatus,
    Media,
    MessagingBinding,
    NotFoundError,
    Order,
    PermissionDeniedError,
    RetryPolicy,
)
from conversations_async.emulator import Emulator

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION, MESSAGE
from .servers import Scripted, answer

if TYPE_CHECKING:
    from conversations_async.client import Scope

THEN = datetime(2020, 2, 29, 12, 30, 15, tzinfo=UTC)


@pytest.fixture(params=["the default service", "another service"])
async def scope(request: pytest.FixtureRequest, emulator: Emulator, client: ConversationsClient) -> Scope:
    """Give the repositories of one scope, then those of the other."""
    if "default" in request.param:
        return client
    return client.service((await client.services.create(friendly_name="another")).sid)


async def test_the_life_of_a_conversation(scope: Scope) -> None:
    """Created, read by SID and name, changed, closed, refused, deleted, gone."""
    created = await scope.conversations.create(
        friendly_name="Support",
        unique_name="a name/with ünsafe?characters#%2F",
        attributes={"topic": "feedback"},
        date_created=THEN,
        date_updated=THEN + timedelta(hours=1),
        state="inactive",
        timers_inactive=timedelta(minutes=1),
        timers_closed="PT10M",
        bindings_email_address="a@example.com",
        bindings_email_name="A",
    )
    assert created.state is ConversationState.INACTIVE
    assert created.parsed_attributes == {"topic": "feedback"}
    assert (created.date_created, created.date_updated) == (THEN, THEN + timedelta(hours=1))
    assert created.timers is not None
    assert created.timers.date_inactive is not None
    # they count from now, and not from the dates of an imported history
    assert created.timers.date_closed == created.timers.date_inactive + timedelta(minutes=9)
    assert created.bindings is not None
    assert created.bindings.email is not None
    assert created.unique_name is not None
    assert await scope.conversations.fetch(created.sid) == created
    assert await scope.conversations.fetch(created.unique_name) == created

    changed = await scope.conversations.update(created.sid, friendly_name="", unique_name="plain")
    assert (changed.friendly_name, changed.unique_name) == (None, "plain")
    assert changed.attributes == created.attributes
    closed = await scope.conversations.update("plain", state=ConversationState.CLOSED)
    assert closed.state == "closed"
    with pytest.raises(APIError) as refused:
        await scope.messages("plain").create(body="too late")
    assert (refused.value.status, refused.value.code) == (400, 50377)

    await scope.conversations.delete("plain")
    with pytest.raises(NotFoundError) as gone:
        await scope.conversations.fetch(created.sid)
    assert (gone.value.code, gone.value.attempts) == (20404, 1)
    assert gone.value.request_id is not None
    assert gone.value.request_id.startswith("RQ")


async def test_a_conversation_with_participants(scope: Scope) -> None:
    """Conversation and participants are created in one call, from mappings or JSON."""
    created = await scope.conversations.create_with_participants(
        unique_name="together",
        participant=[
            {"identity": "alice", "attributes": '{"role": "captain"}'},
            '{"messaging_binding": {"address": "+15558675310", "proxy_address": "+15017122661"}}',
        ],
    )
    assert created.unique_name == "together"
    alice, bob = await scope.participants("together").stream().list()
    assert (alice.identity, alice.parsed_attributes) == ("alice", {"role": "captain"})
    assert bob.messaging_binding is not None
    assert bob.messaging_binding.address == "+15558675310"


async def test_the_life_of_a_message(client: ConversationsClient, scope: Scope) -> None:
    """Created, read, changed field by field, deleted; its index is never used again."""
    conversation = await scope.conversations.create()
    messages = scope.messages(conversation.sid)
    first = await messages.create(author="smee", body="Ahoy", subject="greeting", attributes='{"a":  1}')
    assert (first.index, first.author, first.body, first.attributes) == (0, "smee", "Ahoy", '{"a":  1}')
    assert (first.media, first.delivery, first.content_sid) == (None, None, None)
    edited = await messages.update(first.sid, body="", author="hook", date_updated=THEN)
    assert (edited.body, edited.author, edited.date_updated) == ("", "hook", THEN)
    assert await messages.fetch(first.sid) == edited
    assert conversation.chat_service_sid is not None
    media = client.service(conversation.chat_service_sid).media
    file = await media.upload(b"parrot", content_type="image/png", filename="parrot.png")
    picture = await messages.create(media_sid=file.sid)
    assert picture.media == (Media(sid=file.sid, size=6, content_type="image/png", filename="parrot.png"),)
    template = await messages.create(content_sid="HX" + "2" * 32, content_variables={"name": "John"})
    assert template.content_sid == "HX" + "2" * 32
    await messages.delete(template.sid)
    assert (await messages.create(body="next")).index == 3


async def test_participants_and_receipts(scope: Scope) -> None:
    """A message reaches who is not on chat; its summary and its receipts say so."""
    conversation = await scope.conversations.create()
    participants, messages = scope.participants(conversation.sid), scope.messages(conversation.sid)
    role = await scope.roles.create(friendly_name="any", type="conversation", permission=["sendMessage"])
    alice = await participants.create(identity="alice", role_sid=role.sid)
    assert alice.role_sid == role.sid
    bob = await participants.create(
        messaging_binding_address="whatsapp:+15558675310",
        messaging_binding_proxy_address="whatsapp:+15017122661",
        attributes={"role": "driver"},
    )
    assert alice.messaging_binding is None
    assert bob.messaging_binding == MessagingBinding(
        type=BindingType.WHATSAPP, address="whatsapp:+15558675310", proxy_address="whatsapp:+15017122661"
    )
    assert await participants.fetch("alice") == alice
    assert [one.sid async for one in participants.stream()] == [alice.sid, bob.sid]

    message = await messages.create(author="alice", body="Where are you?")
    assert message.participant_sid == alice.sid
    assert message.delivery is not None
    assert (message.delivery.total, message.delivery.sent) == (1, DeliveryAmount.ALL)
    assert message.delivery.failed is DeliveryAmount.NONE
    receipts = scope.receipts(conversation.sid, message.sid)
    (receipt,) = await receipts.stream().list()
    service = None if isinstance(scope, ConversationsClient) else conversation.chat_service_sid
    assert [each.chat_service_sid for each in (alice, bob, message, receipt)] == [service] * 4
    assert (receipt.participant_sid, receipt.status) == (bob.sid, DeliveryStatus.SENT)
    assert await receipts.fetch(receipt.sid) == receipt

    read = await participants.update(alice.sid, last_read_message_index=0, last_read_timestamp=THEN)
    assert (read.last_read_message_index, read.last_read_timestamp) == (0, THEN)
    with pytest.raises(ConflictError) as twice:
        await participants.create(identity="alice")
    assert twice.value.code == 50433
    await participants.delete("alice")
    assert [one.sid async for one in participants.stream()] == [bob.sid]


@pytest.mark.parametrize("page_size", [1, 7, 50, 1000])
async def test_streams_in_both_orders(scope: Scope, page_size: int) -> None:
    """All messages come once each and in order, whatever the page size."""
    conversation = await scope.conversations.create()
    messages = scope.messages(conversation.sid)
    for number in range(20):
        await messages.create(body=str(number))
    up = await messages.stream(order=Order.ASC, page_size=page_size).list()
    down = await messages.stream(order="desc", page_size=page_size, read_ahead=3).list()
    assert [message.body for message in up] == [str(number) for number in range(20)]
    assert down == up[::-1]
    assert await messages.stream(order=Order.DESC, page_size=page_size, limit=3).list() == down[:3]


async def test_a_stream_meets_what_is_written_meanwhile(client: ConversationsClient) -> None:
    """Messages that are added and deleted while one reads neither repeat nor hide others."""
    conversation = await client.conversations.create()
    messages = client.messages(conversation.sid)
    first = [await messages.create(body=str(number)) for number in range(6)]
    seen = []
    async for message in messages.stream(page_size=2, read_ahead=0):
        seen.append(message.index)
        if message.index == 1:
            await messages.delete(first[0].sid)
            await messages.delete(first[3].sid)
            await messages.create(body="late")
    assert seen == [0, 1, 2, 4, 5, 6]


@pytest.mark.parametrize("order", [Order.ASC, Order.DESC])
async def test_the_cursor_of_a_cut_page_outlives_changes(client: ConversationsClient, order: Order) -> None:
    """What is added or deleted before the place where the limit cut neither hides nor repeats a message."""
    conversation = await client.conversations.create()
    messages = client.messages(conversation.sid)
    written = [await messages.create(body=str(number)) for number in range(10)]
    (page,) = [page async for page in messages.stream(order=order, limit=4).pages()]
    read = [message.index for message in page.items]
    for number in read[:2]:
        await messages.delete(written[number or 0].sid)
    await messages.create(body="new")
    assert page.cursor is not None
    read += [message.index async for message in messages.stream(cursor=page.cursor)]
    assert read == (list(range(11)) if order is Order.ASC else list(range(9, -1, -1)))


async def test_conversations_are_filtered(client: ConversationsClient) -> None:
    """By state and by day of creation, both ends included."""
    for day in (1, 2, 3):
        created = datetime(2020, 1, day, 23, 59, 59, tzinfo=UTC)
        await client.conversations.create(unique_name=f"day {day}", date_created=created)
    await client.conversations.update("day 3", state="closed")

    async def names(**filters: Any) -> list[str | None]:
        return sorted([each.unique_name async for each in client.conversations.stream(**filters)], key=str)

    second = datetime(2020, 1, 2, tzinfo=UTC)
    assert await names(end_date=second.date()) == ["day 1", "day 2"]
    assert await names(start_date=second.date()) == ["day 2", "day 3"]
    assert await names(start_date=second, end_date=second.date(), state="active") == ["day 2"]
    assert await names(state=ConversationState.CLOSED) == ["day 3"]
    assert await names(start_date="2020-01-03T00:00:00Z") == ["day 3"]


async def test_legacy_chat_sees_the_same_messages(client: ConversationsClient) -> None:
    """A channel is a conversation: what one API writes, the other reads."""
    conversation = await client.conversations.create(unique_name="old and new")
    assert conversation.chat_service_sid is not None
    new = client.messages(conversation.sid)
    old = client.chat.service(conversation.chat_service_sid).messages("old and new")
    written = await new.create(author="alice", body="from new", attributes={"a": 1})
    seen = await old.fetch(written.sid)
    assert (seen.from_, seen.body, seen.to, seen.index) == ("alice", "from new", conversation.sid, 0)
    assert seen.parsed_attributes == {"a": 1}
    back = await old.create(from_="bob", body="from old")
    assert (await new.fetch(back.sid)).author == "bob"
    edited = await old.update(back.sid, body="changed", last_updated_by="carol")
    assert (edited.was_edited, edited.last_updated_by) == (True, "carol")
    assert [each.sid async for each in old.stream(order=Order.DESC, page_size=1)] == [back.sid, written.sid]
    await old.delete(written.sid)
    assert [each.body async for each in new.stream()] == ["changed"]


async def test_services_are_apart(emulator: Emulator, client: ConversationsClient) -> None:
    """A unique name is free in another service, and a conversation is found in its own only."""
    other = client.service((await client.services.create(friendly_name="another")).sid)
    here: Conversation = await client.conversations.create(unique_name="same")
    there = await other.conversations.create(unique_name="same")
    assert here.sid != there.sid
    with pytest.raises(NotFoundError):
        await client.conversations.fetch(there.sid)
    assert [each.sid async for each in other.conversations.stream()] == [there.sid]


async def test_many_at_once(client: ConversationsClient) -> None:
    """Concurrent writes all arrive, once each."""
    conversation = await client.conversations.create()
    messages = client.messages(conversation.sid)
    await asyncio.gather(*(messages.create(body=str(number)) for number in range(200)))
    stored = await messages.stream(page_size=1000).list()
    assert [message.index for message in stored] == list(range(200))
    assert sorted(int(message.body or "") for message in stored) == list(range(200))


async def test_a_wrong_token_is_refused() -> None:
    """An emulator with credentials lets in only who has them."""
    retry = RetryPolicy(max_attempts=1)
    async with Emulator(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN) as emulator:
        async with ConversationsClient(ACCOUNT_SID, "wrong", base_url=emulator.url, retry=retry) as client:
            with pytest.raises(AuthenticationError) as caught:
                await client.conversations.create()
        assert caught.value.code == 20003
        async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url) as client:
            await client.conversations.create()


async def test_ensure_finds_or_creates_a_conversation(client: ConversationsClient) -> None:
    """``ensure`` creates the conversation once; later calls give it as it is, whatever they say."""
    made = await client.conversations.ensure("support/7", friendly_name="Support", attributes={"a": 1})
    assert (made.unique_name, made.friendly_name, made.parsed_attributes) == (
        "support/7",
        "Support",
        {"a": 1},
    )
    assert await client.conversations.ensure("support/7", friendly_name="Another") == made
    assert await client.conversations.stream().list() == [made]


async def test_ensure_finds_or_creates_a_participant(client: ConversationsClient) -> None:
    """``ensure`` adds the participant once, and knows a missing conversation from a missing participant."""
    await client.conversations.create(unique_name="parrots")
    participants = client.participants("parrots")
    made = await participants.ensure(identity="alice", attributes={"a": 1})
    assert (made.identity, made.parsed_attributes) == ("alice", {"a": 1})
    assert await participants.ensure(identity="alice") == made
    assert await participants.stream().list() == [made]
    with pytest.raises(NotFoundError):
        await client.participants("nowhere").ensure(identity="alice")


@pytest.mark.parametrize("times", [2, 20])
async def test_ensure_is_safe_in_a_race(client: ConversationsClient, times: int) -> None:
    """Callers that race all get the same conversation and the same participant, and none gets an error."""
    found = await asyncio.gather(*(client.conversations.ensure("parrots") for _ in range(times)))
    assert len({conversation.sid for conversation in found}) == 1
    joined = await asyncio.gather(
        *(client.participants("parrots").ensure(identity="alice") for _ in range(times))
    )
    assert len({participant.sid for participant in joined}) == 1


@pytest.mark.parametrize("code", [50350, 50391])
async def test_ensure_hides_no_other_conflict(code: int) -> None:
    """A conflict that is not about the name, or the identity, is the caller's to know."""
    conflict = answer(409, {"code": code, "message": "Something else"})
    script = [answer(404, {"code": 20404}), conflict] * 2
    async with (
        Scripted.of(script) as server,
        ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=server.url) as client,
    ):
        with pytest.raises(ConflictError) as caught:
            await client.conversations.ensure("parrots")
        assert caught.value.code == code
        with pytest.raises(ConflictError) as caught:
            await client.participants("parrots").ensure(identity="alice")
        assert caught.value.code == code


async def test_ensure_does_not_forget_that_it_may_have_created() -> None:
    """Where a creation may have been carried out, and reading fails after it, the error says so."""
    taken = answer(409, {"code": 50353, "message": "It exists"})
    script = [answer(404, {"code": 20404}), answer(500, {}), taken, answer(403, {})]
    retry = RetryPolicy(base_delay=0, retry_posts=True)
    async with (
        Scripted.of(script) as server,
        ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=server.url, retry=retry) as client,
    ):
        with pytest.raises(PermissionDeniedError) as caught:
            await client.conversations.ensure("parrots")
    assert caught.value.ambiguous


@pytest.mark.parametrize("name", ["", ".", "..", None])
async def test_ensure_names_its_argument(client: ConversationsClient, name: Any) -> None:
    """A unique name or identity that cannot be one is refused under its own name."""
    with pytest.raises(ValueError, match=r"^unique_name must"):
        await client.conversations.ensure(name)
    with pytest.raises(ValueError, match=r"^identity must"):
        await client.participants("parrots").ensure(identity=name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"date_created": datetime(2020, 2, 29)}, "date_created must be an aware"),  # noqa: DTZ001  # it is the point
        ({"attributes": "{"}, "attributes must be"),
        ({"webhook_enabled": "maybe"}, "webhook_enabled must be"),
    ],
)
async def test_ensure_checks_what_it_may_not_need(
    client: ConversationsClient, options: dict[str, Any], message: str
) -> None:
    """What could not be sent is refused also where there is nothing to create."""
    await client.conversations.ensure("parrots")
    with pytest.raises(ValueError, match=message):
        await client.conversations.ensure("parrots", **options)
    await client.participants("parrots").ensure(identity="alice")
    with pytest.raises(ValueError, match=message):
        await client.participants("parrots").ensure(identity="alice", **options)


async def test_ensure_takes_no_sid_for_a_name(client: ConversationsClient) -> None:
    """What looks like a SID would be found as one, whatever its name is: it is refused."""
    conversation = await client.conversations.create()
    with pytest.raises(ValueError, match="unique_name must be a name"):
        await client.conversations.ensure(conversation.sid)
    participants = client.participants(conversation.sid)
    alice = await participants.ensure(identity="alice")
    with pytest.raises(ValueError, match="identity must be a name"):
        await participants.ensure(identity=alice.sid)
    assert (await participants.ensure(identity="MB12")).identity == "MB12"


async def test_close_is_for_good_and_may_be_repeated(client: ConversationsClient) -> None:
    """``close`` closes; what is closed already is given as it is, and what does not exist is an error."""
    conversation = await client.conversations.create(unique_name="parrots")
    closed = await client.conversations.close(conversation.sid)
    assert closed.state == ConversationState.CLOSED
    assert await client.conversations.close("parrots") == closed
    with pytest.raises(NotFoundError):
        await client.conversations.close("nowhere")


async def test_close_hides_no_other_refusal() -> None:
    """A refusal that is not about being closed is the caller's to know."""
    async with (
        Scripted.of([answer(400, {"code": 50374, "message": "No"})]) as server,
        ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=server.url) as client,
    ):
        with pytest.raises(APIError) as caught:
            await client.conversations.close("parrots")
    assert (caught.value.code, len(server.requests)) == (50374, 1)


async def test_a_user_is_found_by_identity(scope: Scope) -> None:
    """A user is created, found by SID or identity, changed and deleted."""
    user = await scope.users.create(identity="alice", friendly_name="Alice", attributes={"duty": "tech"})
    assert await scope.users.fetch("alice") == await scope.users.fetch(user.sid) == user
    assert (await scope.users.update("alice", friendly_name="A.")).friendly_name == "A."
    with pytest.raises(ConflictError):
        await scope.users.create(identity="alice")
    await scope.users.delete("alice")
    assert await scope.users.stream().list() == []


async def test_channel_metadata_is_read_as_it_comes() -> None:
    """What a channel adds to a message is read at the link that messages carry, and kept as it came."""
    body = {"message_sid": MESSAGE, "type": "whatsapp", "data": {"context": {"id": 1}}}
    async with (
        Scripted.of([answer(200, body)]) as server,
        ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=server.url) as client,
    ):
        found = await client.messages("a/b").channel_metadata(MESSAGE)
    assert found.message_sid == MESSAGE
    assert found.extra == {"type": "whatsapp", "data": {"context": {"id": 1}}}
    (request,) = server.requests
    assert request.target == f"/v1/Conversations/a%2Fb/Messages/{MESSAGE}/ChannelMetadata"


@pytest.mark.parametrize("options", [{}, {"messaging_service_sid": "MG1", "webhook_enabled": True}])
async def test_a_channel_migrates_to_conversations(options: dict[str, Any]) -> None:
    """A public channel becomes one that Conversations sees by the one call of version 3."""
    async with (
        Scripted.of([answer(200, {"sid": CONVERSATION, "messaging_service_sid": "MG1"})]) as server,
        ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=server.url) as client,
    ):
        channel = await client.chat.service("v2/").channels.migrate("v2/x", **options)
    assert channel.messaging_service_sid == "MG1"
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/v3/Services/v2%2F/Channels/v2%2Fx")
    assert dict(parse_qsl(request.body.decode())) == {"Type": "private"} | (
        {"MessagingServiceSid": "MG1"} if options else {}
    )
    assert ("X-Twilio-Webhook-Enabled" in request.headers) == bool(options)


async def test_who_is_meant_is_said_once(client: ConversationsClient) -> None:
    """Identity and address together are refused before anything is sent."""
    with pytest.raises(ValueError, match="identity and messaging_binding_address"):
        await client.participants("x").create(identity="alice", messaging_binding_address="+1555")
    with pytest.raises(ValueError, match="identity and address"):
        client.participant_conversations.stream(identity="alice", address="+1555")

"""Messages arrive from outside as the API brings them in, over real sockets."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from conversations_async.emulator import Delivered, Emulator, RequestError

from .test_emulator_webhooks import OURS, PHONE, Receiver, client, emulator, listen, receiver

if TYPE_CHECKING:
    from conversations_async import ConversationsClient

__all__ = ["client", "emulator", "receiver"]  # fixtures


async def phone(client: ConversationsClient, conversation: str, *, kind: str = "") -> None:
    """Let a phone take part."""
    await client.participants(conversation).create(
        messaging_binding_address=kind + PHONE, messaging_binding_proxy_address=kind + OURS
    )


async def test_from_a_phone(emulator: Emulator, client: ConversationsClient, receiver: Receiver) -> None:
    """A phone's message goes into the open conversation that has its pair of addresses."""
    await client.conversations.create(unique_name="other")
    await client.conversations.create(unique_name="a")
    await phone(client, "a")
    await listen(client, receiver)
    delivered = await emulator.deliver(
        from_=PHONE, to=OURS, body="Hi", attributes={"a": 1}, channel_metadata={"data": {"button": "yes"}}
    )
    (message,) = await client.messages("a").stream().list()
    (participant,) = await client.participants("a").stream().list()
    assert delivered == Delivered(
        conversation_sid=str(message.conversation_sid), message_sid=message.sid, index=0, is_new=False
    )
    assert (message.author, message.body, message.participant_sid) == (PHONE, "Hi", participant.sid)
    assert message.parsed_attributes == {"a": 1}
    assert message.delivery is None
    metadata = await client.messages("a").channel_metadata(message.sid)
    assert metadata.message_sid == message.sid
    await emulator.settled()
    (form,) = receiver.of("onMessageAdded")
    assert (form["Source"], form["Author"], form["ParticipantSid"]) == ("SMS", PHONE, participant.sid)
    assert "ClientIdentity" not in form


async def test_over_another_channel(
    emulator: Emulator, client: ConversationsClient, receiver: Receiver
) -> None:
    """WhatsApp has addresses, and a source, of its own."""
    await client.conversations.create(unique_name="a")
    await phone(client, "a", kind="whatsapp:")
    await listen(client, receiver)
    await emulator.deliver(from_=f"whatsapp:{PHONE}", to=f"whatsapp:{OURS}", body="Hi", attributes="{}")
    await emulator.settled()
    assert [form["Source"] for form in receiver.of("onMessageAdded")] == ["whatsapp"]


async def test_a_long_one_with_a_file(emulator: Emulator, client: ConversationsClient) -> None:
    """What arrives may be longer than what REST takes, and have a file."""
    room = await client.conversations.create(unique_name="a")
    await phone(client, "a")
    await emulator.deliver(
        from_=PHONE, to=OURS, body="x" * 32768, media=b"JPG", content_type="image/jpeg", filename="a.jpg"
    )
    (message,) = await client.messages("a").stream().list()
    assert message.body == "x" * 32768
    assert message.media is not None
    assert room.chat_service_sid is not None
    async with client.service(room.chat_service_sid).media.download(message.media[0].sid) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == b"JPG"
    with pytest.raises(RequestError, match="50504"):
        await emulator.deliver(from_=PHONE, to=OURS, body="x" * 32769)


async def test_from_a_chat_user(emulator: Emulator, client: ConversationsClient, receiver: Receiver) -> None:
    """A chat user writes as a participant, in any service; pre-action hooks are asked, and may change it."""
    service = client.service((await client.services.create(friendly_name="x")).sid)
    await service.webhook_configuration.update(pre_webhook_url=receiver.url, post_webhook_url=receiver.url)
    room = await service.conversations.create(unique_name="a")
    await service.participants("a").create(identity="alice")
    receiver.answers["onMessageAdd"] = 200, {"body": "changed"}
    for name in "a", room.sid:
        assert await emulator.deliver(
            from_="alice", conversation=name, service=room.chat_service_sid, body="Hi"
        )
    await emulator.settled()
    assert sorted(receiver.events) == ["onMessageAdd"] * 2 + ["onMessageAdded"] * 2
    assert {(form["Source"], form["ClientIdentity"]) for form in receiver.of("onMessageAdd")} == {
        ("SDK", "alice")
    }
    assert [message.body for message in await service.messages("a").stream().list()] == ["changed"] * 2


async def test_refused_by_a_hook(emulator: Emulator, client: ConversationsClient, receiver: Receiver) -> None:
    """What a pre-action hook refuses is lost, and None comes back."""
    await client.conversations.create(unique_name="a")
    await phone(client, "a")
    await client.webhook_configuration.update(pre_webhook_url=receiver.url)
    receiver.answers["onMessageAdd"] = 403, {}
    assert await emulator.deliver(from_=PHONE, to=OURS, body="Hi") is None
    assert await client.messages("a").stream().list() == []


async def test_autocreation(emulator: Emulator, client: ConversationsClient, receiver: Receiver) -> None:
    """An address configuration makes conversation and participant, with a webhook; all events are fired."""
    service = (await client.services.create(friendly_name="x")).sid
    await client.addresses.create(
        type="sms",
        address=OURS,
        auto_creation_enabled=True,
        auto_creation_type="webhook",
        auto_creation_conversation_service_sid=service,
        auto_creation_webhook_url=f"{receiver.url}/own",
        auto_creation_webhook_method="POST",
        auto_creation_webhook_filters=["onMessageAdded"],
    )
    await client.service(service).webhook_configuration.update(
        pre_webhook_url=receiver.url, post_webhook_url=receiver.url
    )
    first = await emulator.deliver(from_=PHONE, to=OURS, body="Hi")
    second = await emulator.deliver(from_=PHONE, to=OURS, body="Ho")
    assert first is not None
    assert second is not None
    assert (first.is_new, second.is_new, second.index) == (True, False, 1)
    assert first.conversation_sid == second.conversation_sid
    await emulator.settled()
    (asked,) = receiver.of("onConversationAdd")
    assert asked == {
        "EventType": "onConversationAdd",
        "AccountSid": asked["AccountSid"],
        "ChatServiceSid": service,
        "MessagingBinding.ProxyAddress": OURS,
        "MessagingBinding.Address": PHONE,
        "MessagingBinding.AuthorAddress": PHONE,
        "MessageBody": "Hi",
        "Attributes": "{}",
        "State": "active",
        "RetryCount": "0",
        "Source": "SMS",
    }
    (added,) = receiver.of("onParticipantAdded")
    assert (added["MessagingBinding.Type"], added["MessagingBinding.Address"]) == ("sms", PHONE)
    heard = [heard.event for heard in receiver.heard if heard.url.endswith("/own")]
    assert heard == ["onMessageAdded", "onMessageAdded"]
    asked_first = [event for event in receiver.events if not event.endswith("ed")]
    assert asked_first == ["onConversationAdd", "onParticipantAdd", "onMessageAdd", "onMessageAdd"]
    rooms = await client.service(service).conversations.stream().list()
    assert [room.sid for room in rooms] == [first.conversation_sid]


async def test_autocreation_of_other_types(emulator: Emulator, client: ConversationsClient) -> None:
    """A Studio flow is noted, the default type adds nothing; a closed conversation is followed by another."""
    await client.addresses.create(
        type="sms",
        address=OURS,
        auto_creation_enabled=True,
        auto_creation_type="studio",
        auto_creation_studio_flow_sid="FW" + "1" * 32,
    )
    first = await emulator.deliver(from_=PHONE, to=OURS, body="Hi")
    assert first is not None
    assert [call.flow_sid for call in emulator.webhooks] == ["FW" + "1" * 32]
    await client.conversations.close(first.conversation_sid)
    await client.addresses.update(OURS, auto_creation_type="default")
    second = await emulator.deliver(from_=PHONE, to=OURS, body="Ho")
    assert second is not None
    assert second.conversation_sid != first.conversation_sid
    assert await client.webhooks(second.conversation_sid).stream().list() == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"from_": "bogus"}, 50407),
        ({"from_": OURS}, 50409),
        ({"from_": f"whatsapp:{PHONE}"}, 50414),
        ({"from_": PHONE, "body": "x" * 32769}, 50504),
        ({"from_": PHONE, "attributes": "no JSON"}, 50304),
    ],
)
async def test_what_the_rules_refuse_leaves_nothing(
    emulator: Emulator, client: ConversationsClient, message: dict[str, Any], code: int
) -> None:
    """Where a first message cannot be, no conversation is made for it."""
    await client.addresses.create(type="sms", address=OURS, auto_creation_enabled=True)
    with pytest.raises(RequestError, match=str(code)):
        given: dict[str, Any] = {"to": OURS, "body": "Hi", **message}
        await emulator.deliver(**given)
    assert await client.conversations.stream().list() == []


async def test_two_first_messages_at_once(emulator: Emulator, client: ConversationsClient) -> None:
    """Messages that arrive together make one conversation."""
    await client.addresses.create(type="sms", address=OURS, auto_creation_enabled=True)
    delivered = await asyncio.gather(*(emulator.deliver(from_=PHONE, to=OURS, body=body) for body in "abc"))
    assert len({one and one.conversation_sid for one in delivered}) == 1
    assert sorted(one.index for one in delivered if one) == [0, 1, 2]


async def test_nowhere_to_go(emulator: Emulator, client: ConversationsClient) -> None:
    """Where there is no conversation, and nothing that makes one, the line names both addresses."""
    await client.addresses.create(type="sms", address=OURS, auto_creation_enabled=False)
    with pytest.raises(LookupError, match=r"'\+15558675310' and '\+15017122661'"):
        await emulator.deliver(from_=PHONE, to=OURS, body="Hi")
    for conversation, service in ("a", None), ("a", "IS" + "0" * 32):
        with pytest.raises(LookupError, match=r"there is no conversation 'a'"):
            await emulator.deliver(from_="alice", conversation=conversation, service=service, body="Hi")


async def test_a_stranger(emulator: Emulator, client: ConversationsClient) -> None:
    """A chat user who takes no part in a conversation cannot write in it."""
    await client.conversations.create(unique_name="a")
    with pytest.raises(RequestError, match="50430"):
        await emulator.deliver(from_="mallory", conversation="a", body="Hi")


async def test_deleted_meanwhile(emulator: Emulator, client: ConversationsClient, receiver: Receiver) -> None:
    """A conversation that goes while its hook is asked takes the message with it."""
    await client.conversations.create(unique_name="a")
    await phone(client, "a")
    await client.webhook_configuration.update(pre_webhook_url=receiver.url)
    receiver.gate.clear()
    delivering = asyncio.create_task(emulator.deliver(from_=PHONE, to=OURS, body="Hi"))
    await receiver.wait("onMessageAdd")
    await client.conversations.delete("a")
    receiver.gate.set()
    with pytest.raises(LookupError, match="deleted meanwhile"):
        await delivering


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"body": "x"}, "give either to, an address, or conversation"),
        ({"body": "x", "to": OURS, "conversation": "a"}, "give either to, an address, or conversation"),
        ({"body": "x", "to": OURS, "service": "IS"}, "service goes with conversation"),
        ({"to": OURS}, "give body, media or both"),
    ],
)
async def test_what_cannot_be(emulator: Emulator, wrong: dict[str, Any], line: str) -> None:
    """A message that makes no sense is refused before anything is done."""
    with pytest.raises(ValueError, match=rf"^{line}"):
        await emulator.deliver(from_=PHONE, **wrong)


async def test_only_while_running() -> None:
    """What is not running delivers nothing, and says so."""
    emulator = Emulator()
    for call in (
        emulator.deliver(from_=PHONE, to=OURS, body="Hi"),
        emulator.settled(),
    ):
        with pytest.raises(RuntimeError, match="the emulator is not running"):
            await call
    for control in emulator.snapshot, emulator.reset:
        with pytest.raises(RuntimeError, match="the emulator is not running"):
            control()
    assert json.dumps(emulator.webhooks) == "[]"

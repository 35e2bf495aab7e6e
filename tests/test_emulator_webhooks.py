"""The emulator calls webhooks as the API does, over real sockets."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import web
from attrs import define, field, frozen
from twilio.request_validator import (  # type: ignore[import-untyped]  # it has no types
    RequestValidator,
)

from conversations_async import APIError, ConflictError, ConversationsClient, RetryPolicy
from conversations_async.emulator import Carrier, Emulator, Limits, RequestError, WebhookCall
from conversations_async.emulator.acts import Call

from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .servers import Scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PHONE, OURS = "+15558675310", "+15017122661"


@frozen
class Heard:
    """A webhook request that arrived."""

    method: str
    url: str
    form: dict[str, str]
    headers: dict[str, str]
    body: str

    @property
    def event(self) -> str:
        """What it tells of."""
        return self.form["EventType"]


@define
class Receiver:
    """A program that listens for webhooks, and answers as it is told."""

    url: str = ""
    heard: list[Heard] = field(factory=list)
    #: The status and the body of each answer, by event; None: it does not answer.
    answers: dict[str, tuple[int, object]] = field(factory=dict)
    #: What is waited for before an answer.
    gate: asyncio.Event = field(factory=asyncio.Event)
    _arrived: asyncio.Event = field(factory=asyncio.Event)

    @property
    def events(self) -> list[str]:
        """What was told of, in the order of arrival."""
        return [heard.event for heard in self.heard]

    def of(self, event: str) -> list[dict[str, str]]:
        """What was told of one kind of event."""
        return [heard.form for heard in self.heard if heard.event == event]

    async def wait(self, event: str, times: int = 1) -> None:
        """Wait until an event was told of so often, however long that takes in reason."""
        async with asyncio.timeout(10):
            while len(self.of(event)) < times:
                self._arrived.clear()
                await self._arrived.wait()

    async def hear(self, request: web.Request) -> web.Response:
        """Take one."""
        body = await request.text()
        form = dict(parse_qsl(body or request.query_string, keep_blank_values=True))
        url = f"{self.url.rpartition('/')[0]}{request.raw_path}"
        self.heard.append(Heard(request.method, url, form, dict(request.headers), body))
        self._arrived.set()
        await self.gate.wait()
        status, answer = self.answers.get(form["EventType"], (200, {}))
        return web.Response(
            status=status, body=answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        )


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Listen on a free port."""
    receiver = Receiver()
    receiver.gate.set()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.hear)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    receiver.gate.set()
    await runner.cleanup()


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator whose messages to phones take no time until they are sent, and long until they are read."""
    async with Emulator(carrier=Carrier(delivered_after=60, read_after=60), drain=1) as emulator:
        yield emulator


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[ConversationsClient]:
    """A client of it."""
    async with ConversationsClient(
        ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url, retry=RetryPolicy(max_attempts=1)
    ) as client:
        yield client


async def listen(client: ConversationsClient, receiver: Receiver, **more: Any) -> None:
    """Let the account's post-action webhooks come."""
    await client.webhook_configuration.update(**{"post_webhook_url": receiver.url} | more)


class TestPostAction:
    """What webhooks tell after the action."""

    async def test_every_event(
        self, emulator: Emulator, client: ConversationsClient, receiver: Receiver
    ) -> None:
        """Each write tells of itself, in order, if the request asks for webhooks."""
        await listen(client, receiver)
        await client.conversations.create(unique_name="a", webhook_enabled=True)
        await client.conversations.update("a", friendly_name="A", webhook_enabled=True)
        participants, messages = client.participants("a"), client.messages("a")
        alice = await participants.create(identity="alice", webhook_enabled=True)
        await participants.update("alice", last_read_message_index=0, webhook_enabled=True)
        message = await messages.create(author="alice", body="Hi", webhook_enabled=True)
        await messages.update(message.sid, body="Ho", webhook_enabled=True)
        await messages.delete(message.sid, webhook_enabled=True)
        await participants.delete(alice.sid, webhook_enabled=True)
        await client.users.update("alice", friendly_name="Alice", webhook_enabled=True)
        await client.conversations.update("a", state="closed", webhook_enabled=True)
        await client.conversations.delete("a", webhook_enabled=True)
        await emulator.settled()
        events = ["Added", "Updated", "Removed"]
        assert [event for event in receiver.events if "User" not in event] == [
            "onConversationAdded",
            "onConversationUpdated",
            "onParticipantAdded",
            "onParticipantUpdated",
            *(f"onMessage{event}" for event in events),
            "onParticipantRemoved",
            "onConversationUpdated",
            "onConversationStateUpdated",
            "onConversationRemoved",
        ]
        assert [event for event in receiver.events if "User" in event] == ["onUserAdded", "onUserUpdated"]

    async def test_what_was_taken_back(
        self, emulator: Emulator, client: ConversationsClient, receiver: Receiver
    ) -> None:
        """Of participants that are taken back, as one of them cannot be, nobody hears."""
        await listen(client, receiver)
        await client.conversations.create_with_participants(
            participant=[{"identity": "alice"}, {"identity": "alice"}], webhook_enabled=True
        )
        await emulator.settled()
        assert receiver.events == ["onConversationAdded"]

    async def test_what_a_message_tells(
        self, emulator: Emulator, client: ConversationsClient, receiver: Receiver
    ) -> None:
        """The parameters are those that have been captured, and what is absent is left out."""
        await listen(client, receiver)
        room = await client.conversations.create(messaging_service_sid="MG" + "1" * 32)
        alice = await client.participants(room.sid).create(identity="alice")
        message = await client.messages(room.sid).create(
            author="alice", body="Hi", attributes="{}", webhook_enabled=True
        )
        await emulator.settled()
        (form,) = receiver.of("onMessageAdded")
        assert form.pop("DateCreated").endswith("Z")
        assert form == {
            "EventType": "onMessageAdded",
            "AccountSid": ACCOUNT_SID,
            "Source": "API",
            "RetryCount": "0",
            "ChatServiceSid": room.chat_service_sid,
            "MessagingServiceSid": "MG" + "1" * 32,
            "ConversationSid": room.sid,
            "MessageSid": message.sid,
            "ParticipantSid": alice.sid,
            "Author": "alice",
            "Body": "Hi",
            "Attributes": "{}",
            "Index": "0",
        }

    async def test_media(self, emulator: Emulator, client: ConversationsClient, receiver: Receiver) -> None:
        """A message's media are told as JSON, in the names that webhooks use."""
        await listen(client, receiver)
        room = await client.conversations.create()
        assert room.chat_service_sid is not None
        media = client.service(room.chat_service_sid).media
        file = await media.upload(b"GIF", content_type="image/gif", filename="a.gif")
        await client.messages(room.sid).create(media_sid=file.sid, webhook_enabled=True)
        await emulator.settled()
        (form,) = receiver.of("onMessageAdded")
        assert "Body" not in form
        assert json.loads(form["Media"]) == [
            {"Sid": file.sid, "ContentType": "image/gif", "Filename": "a.gif", "Size": 3}
        ]

    async def test_silent_unless_asked(
        self, emulator: Emulator, client: ConversationsClient, receiver: Receiver
    ) -> None:
        """A write that does not ask for webhooks, and one that is refused, call none."""
        await listen(client, receiver)
        room = await client.conversations.create(unique_name="a")
        await client.messages(room.sid).create(body="Hi", webhook_enabled=False)
        with pytest.raises(ConflictError):
            await client.conversations.create(unique_name="a", webhook_enabled=True)
        await emulator.settled()
        assert receiver.heard == []

    async def test_signature(
        self, emulator: Emulator, client: ConversationsClient, receiver: Receiver
    ) -> None:
        """The official validator accepts what is sent, by POST and by GET, and refuses another token's."""
        await listen(client, receiver, post_webhook_url=f"{receiver.url}?a=1&b=%20x")
        await client.conversations.create(attributes={"Ä": "☸ & +"}, webhook_enabled=True)
        await emulator.settled()
        await listen(client, receiver, method="GET")
        await client.conversations.create(friendly_name="ß & +", webhook_enabled=True)
        await emulator.settled()
        posted, got = receiver.heard
        assert (posted.method, got.method) == ("POST", "GET")
        assert posted.headers["Content-Type"] == "application/x-www-form-urlencoded; charset=utf-8"
        right, wrong = RequestValidator(AUTH_TOKEN), RequestValidator("another")
        for heard, form in (posted, posted.form), (got, {}):
            signature = heard.headers["X-Twilio-Signature"]
            assert right.validate(heard.url, form, signature)
            assert not wrong.validate(heard.url, form, signature)
        assert got.form["FriendlyName"] == "ß & +"

    async def test_filters(self, emulator: Emulator, client: ConversationsClient, receiver: Receiver) -> None:
        """Only the events that the filters name are sent."""
        await listen(client, receiver, filters=["onMessageAdded"])
        room = await client.conversations.create(webhook_enabled=True)
        await client.messages(room.sid).create(body="Hi", webhook_enabled=True)
        await emulator.settled()
        assert receiver.events == ["onMessageAdded"]

    async def test_a_service_has_its_own(
        self, emulator: Emulator, client: ConversationsClient, receiver: Receiver
    ) -> None:
        """A service that has webhooks of its own does not call the account's; others do."""
        await listen(client, receiver)
        one, two = [(await client.services.create(friendly_name=name)).sid for name in "ab"]
        await client.service(one).webhook_configuration.update(post_webhook_url=f"{receiver.url}/own")
        for service in one, two:
            await client.service(service).conversations.create(webhook_enabled=True)
        await emulator.settled()
        paths = {
            heard.form["ChatServiceSid"]: heard.url.removeprefix(receiver.url) for heard in receiver.heard
        }
        assert (len(receiver.heard), paths) == (2, {one: "/own", two: ""})


class TestScoped:
    """Webhooks of one conversation."""

    async def test_all_three_targets(
        self, emulator: Emulator, client: ConversationsClient, receiver: Receiver
    ) -> None:
        """A webhook hears what its filters name, a trigger its keywords; a Studio flow is noted."""
        room = await client.conversations.create()
        hooks, messages = client.webhooks(room.sid), client.messages(room.sid)
        await hooks.create(
            target="webhook",
            configuration_url=f"{receiver.url}/all",
            configuration_filters=["onMessageAdded"],
        )
        await hooks.create(
            target="trigger", configuration_url=f"{receiver.url}/word", configuration_triggers=["parrot"]
        )
        studio = await hooks.create(target="studio", configuration_flow_sid="FW" + "1" * 32)
        for body in "Norwegian Blue", "A dead Parrot":
            await messages.create(body=body, webhook_enabled=True)
        await messages.create(body="parrot, unheard")
        await client.conversations.update(room.sid, friendly_name="x", webhook_enabled=True)
        await emulator.settled()
        heard = [(heard.url.rpartition("/")[2], heard.form["Body"]) for heard in receiver.heard]
        assert sorted(heard) == [
            ("all", "A dead Parrot"),
            ("all", "Norwegian Blue"),
            ("word", "A dead Parrot"),
        ]
        flows = [call for call in emulator.webhooks if call.flow_sid is not None]
        assert [(call.webhook_sid, call.url, call.attempts) for call in flows] == [(studio.sid, None, 0)] * 2

    async def test_replay(self, emulator: Emulator, client: ConversationsClient, receiver: Receiver) -> None:
        """A new webhook hears the messages that there are, beginning with the index it names."""
        room = await client.conversations.create()
        for body in "abc":
            await client.messages(room.sid).create(body=body)
        await client.webhooks(room.sid).create(
            target="webhook",
            configuration_url=receiver.url,
            configuration_filters=["onMessageAdded"],
            configuration_replay_after=1,
        )
        await emulator.settled()
        assert [form["Body"] for form in receiver.of("onMessageAdded")] == ["b", "c"]

    async def test_the_last_words(
        self, emulator: Emulator, client: ConversationsClient, receiver: Receiver
    ) -> None:
        """A conversation's own webhook hears of its end."""
        room = await client.conversations.create()
        await client.webhooks(room.sid).create(
            target="webhook", configuration_url=receiver.url, configuration_filters=["onConversationRemoved"]
        )
        await client.conversations.delete(room.sid, webhook_enabled=True)
        await emulator.settled()
        (form,) = receiver.of("onConversationRemoved")
        assert form["ConversationSid"] == room.sid
        assert form["DateRemoved"] >= form["DateCreated"]


@pytest.fixture
async def asking() -> AsyncIterator[Emulator]:
    """An emulator that asks pre-action hooks about what the REST API does, too."""
    async with Emulator(pre_webhooks_for_rest=True) as emulator:
        yield emulator


@pytest.fixture
async def asked(asking: Emulator, receiver: Receiver) -> AsyncIterator[ConversationsClient]:
    """A client of it, whose account's hooks are asked."""
    async with ConversationsClient(
        ACCOUNT_SID, AUTH_TOKEN, base_url=asking.url, retry=RetryPolicy(max_attempts=1)
    ) as client:
        await client.webhook_configuration.update(
            pre_webhook_url=receiver.url, post_webhook_url=f"{receiver.url}/after"
        )
        yield client


class TestPreAction:
    """What hooks are asked before the action."""

    async def test_accepts(self, asking: Emulator, asked: ConversationsClient, receiver: Receiver) -> None:
        """An empty answer lets it happen, once; the hook hears what is to be, without a SID or dates."""
        room = await asked.conversations.create(unique_name="a", webhook_enabled=True)
        await asking.settled()
        assert receiver.events == ["onConversationAdd", "onConversationAdded"]
        (form,) = receiver.of("onConversationAdd")
        assert form == {
            "EventType": "onConversationAdd",
            "AccountSid": ACCOUNT_SID,
            "Source": "API",
            "RetryCount": "0",
            "UniqueName": "a",
            "Attributes": "{}",
            "ChatServiceSid": room.chat_service_sid,
            "State": "active",
        }
        assert [found.sid for found in await asked.conversations.stream().list()] == [room.sid]

    async def test_every_question(
        self, asking: Emulator, asked: ConversationsClient, receiver: Receiver
    ) -> None:
        """Every write has its question, but for a new user."""
        await asked.conversations.create(unique_name="a", webhook_enabled=True)
        await asked.conversations.update("a", friendly_name="A", webhook_enabled=True)
        await asked.participants("a").create(identity="alice", webhook_enabled=True)
        await asked.participants("a").update("alice", attributes={}, webhook_enabled=True)
        message = await asked.messages("a").create(author="alice", body="Hi", webhook_enabled=True)
        await asked.messages("a").update(message.sid, body="Ho", webhook_enabled=True)
        await asked.messages("a").delete(message.sid, webhook_enabled=True)
        await asked.participants("a").delete("alice", webhook_enabled=True)
        await asked.users.create(identity="bob", webhook_enabled=True)
        await asked.users.update("bob", friendly_name="B", webhook_enabled=True)
        await asked.conversations.delete("a", webhook_enabled=True)
        await asking.settled()
        assert [heard.event for heard in receiver.heard if not heard.url.endswith("/after")] == [
            "onConversationAdd",
            "onConversationUpdate",
            "onParticipantAdd",
            "onParticipantUpdate",
            "onMessageAdd",
            "onMessageUpdate",
            "onMessageRemove",
            "onParticipantRemove",
            "onUserUpdate",
            "onConversationRemove",
        ]
        (form,) = receiver.of("onMessageUpdate")
        assert (form["MessageSid"], form["Body"], form["Index"]) == (message.sid, "Ho", "0")

    @pytest.mark.parametrize("status", [400, 403, 500])
    async def test_refuses(
        self, asking: Emulator, asked: ConversationsClient, receiver: Receiver, status: int
    ) -> None:
        """A refusal is 50056 to the caller; nothing is written, and nobody else hears of it."""
        room = await asked.conversations.create()
        receiver.answers["onMessageAdd"] = status, {}
        with pytest.raises(APIError) as refused:
            await asked.messages(room.sid).create(body="Hi", webhook_enabled=True)
        assert (refused.value.status, refused.value.code) == (403, 50056)
        assert await asked.messages(room.sid).stream().list() == []
        await asking.settled()
        assert receiver.events == ["onMessageAdd"]
        receiver.answers.clear()
        assert (await asked.messages(room.sid).create(body="Ho", webhook_enabled=True)).index == 0

    async def test_modifies(self, asking: Emulator, asked: ConversationsClient, receiver: Receiver) -> None:
        """What the answer names is replaced, everywhere; the rest stays."""
        receiver.answers["onMessageAdd"] = 200, {"body": "***", "author": "censor", "unknown": 1}
        receiver.answers["onConversationAdd"] = 200, {"friendly_name": "named by the hook"}
        room = await asked.conversations.create(friendly_name="mine", webhook_enabled=True)
        assert room.friendly_name == "named by the hook"
        message = await asked.messages(room.sid).create(
            author="alice", body="Hi", attributes={"a": 1}, webhook_enabled=True
        )
        assert (message.body, message.author, message.attributes) == ("***", "censor", '{"a": 1}')
        assert await asked.messages(room.sid).fetch(message.sid) == message
        await asking.settled()
        assert [form["Body"] for form in receiver.of("onMessageAdded")] == ["***"]
        receiver.answers["onMessageUpdate"] = 200, {"attributes": '{"seen": true}'}
        changed = await asked.messages(room.sid).update(message.sid, body="again", webhook_enabled=True)
        assert (changed.body, changed.attributes) == ("again", '{"seen": true}')

    @pytest.mark.parametrize(
        ("replaced", "code"),
        [({"attributes": "no JSON"}, 50304), ({"body": ["x"]}, 20001), ({"body": "\ud800"}, 20001)],
    )
    async def test_a_bad_replacement(
        self, asked: ConversationsClient, receiver: Receiver, replaced: dict[str, Any], code: int
    ) -> None:
        """A replacement that does not hold makes the call fail."""
        room = await asked.conversations.create()
        receiver.answers["onMessageAdd"] = 200, replaced
        with pytest.raises(APIError) as refused:
            await asked.messages(room.sid).create(body="Hi", webhook_enabled=True)
        assert refused.value.code == code
        assert await asked.messages(room.sid).stream().list() == []

    @pytest.mark.parametrize("answer", [b"", b"no JSON", b"[]", b"[" * 100_000, b'{"body": null}'])
    async def test_an_answer_that_says_nothing(
        self, asked: ConversationsClient, receiver: Receiver, answer: bytes
    ) -> None:
        """An answer without a replacement changes nothing."""
        room = await asked.conversations.create()
        receiver.answers["onMessageAdd"] = 200, answer
        assert (await asked.messages(room.sid).create(body="Hi", webhook_enabled=True)).body == "Hi"

    @pytest.mark.parametrize("status", [204, 302])
    async def test_other_answers(self, asked: ConversationsClient, receiver: Receiver, status: int) -> None:
        """Another answer than 200, 4xx and 5xx lets it happen as it was asked for."""
        room = await asked.conversations.create()
        receiver.answers["onMessageAdd"] = status, b""
        assert (await asked.messages(room.sid).create(body="Hi", webhook_enabled=True)).body == "Hi"

    async def test_each_hook_is_asked(
        self, asking: Emulator, asked: ConversationsClient, receiver: Receiver
    ) -> None:
        """What brings about several things is asked about each, and one refusal is one of all."""
        create = asked.conversations.create_with_participants
        await create(participant=[{"identity": "alice"}, {"identity": "bob"}], webhook_enabled=True)
        await asking.settled()
        asks = [heard.event for heard in receiver.heard if not heard.url.endswith("/after")]
        assert asks == ["onConversationAdd", "onParticipantAdd", "onParticipantAdd"]
        receiver.answers["onParticipantAdd"] = 403, {}
        with pytest.raises(APIError, match="50056"):
            await create(participant=[{"identity": "carol"}], webhook_enabled=True)
        assert len(await asked.conversations.stream().list()) == 1

    async def test_what_it_is_told_will_be(
        self, asking: Emulator, asked: ConversationsClient, receiver: Receiver
    ) -> None:
        """However often something is done again, hooks are told the SIDs that it has in the end."""
        room = await asked.conversations.create_with_participants(
            participant=[{"identity": "alice"}, {"identity": "bob"}], webhook_enabled=True
        )
        assert {form["ConversationSid"] for form in receiver.of("onParticipantAdd")} == {room.sid}
        await asking.deliver(from_="alice", conversation=room.sid, media=b"GIF")
        await asking.settled()
        (question,), (answer,) = receiver.of("onMessageAdd"), receiver.of("onMessageAdded")
        assert question["Media"] == answer["Media"]

    async def test_an_answer_is_for_its_question(
        self, asking: Emulator, asked: ConversationsClient, receiver: Receiver
    ) -> None:
        """Where what is asked about changes meanwhile, the new question is asked, too."""
        receiver.gate.clear()
        receiver.answers["onParticipantAdd"] = 403, {}
        creating = asyncio.create_task(
            asked.conversations.create_with_participants(
                participant=[{"identity": "alice"}], webhook_enabled=True
            )
        )
        await receiver.wait("onConversationAdd")
        await asked.webhook_configuration.update(filters=["onParticipantAdd"])
        receiver.gate.set()
        with pytest.raises(APIError, match="50056"):
            await creating

    async def test_the_end_meanwhile(self, receiver: Receiver) -> None:
        """What a hook has not answered when the emulator ends is not done."""
        async with Emulator(pre_webhooks_for_rest=True) as emulator:
            async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url) as client:
                await client.conversations.create(unique_name="a")
                await client.participants("a").create(identity="alice")
                await client.webhook_configuration.update(pre_webhook_url=receiver.url)
            receiver.gate.clear()
            delivering = asyncio.create_task(emulator.deliver(from_="alice", conversation="a", body="Hi"))
            await receiver.wait("onMessageAdd")
        with pytest.raises(RequestError, match="20500"):
            await delivering

    async def test_the_author_in_chat(self, asked: ConversationsClient, receiver: Receiver) -> None:
        """What replaces the author does so in the legacy API, too, where the parameter has another name."""
        room = await asked.conversations.create()
        assert room.chat_service_sid is not None
        receiver.answers["onMessageAdd"] = 200, {"author": "censor", "body": "***"}
        channel = asked.chat.service(room.chat_service_sid).messages(room.sid)
        message = await channel.create(from_="alice", body="Hi", webhook_enabled=True)
        assert (message.from_, message.body) == ("censor", "***")

    async def test_limits_hold_meanwhile(self, receiver: Receiver) -> None:
        """While hooks are asked, no more is let in than the limits allow."""
        emulator = Emulator(pre_webhooks_for_rest=True, limits=Limits(participants=1))
        async with emulator, ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url) as client:
            await client.conversations.create(unique_name="a")
            await client.webhook_configuration.update(pre_webhook_url=receiver.url)
            receiver.gate.clear()
            joining = asyncio.gather(
                *(client.participants("a").create(identity=who, webhook_enabled=True) for who in "abc"),
                return_exceptions=True,
            )
            await receiver.wait("onParticipantAdd", 3)
            receiver.gate.set()
            assert sum(isinstance(joined, APIError) for joined in await joining) == 2
            assert len(await client.participants("a").stream().list()) == 1

    async def test_a_reset_meanwhile(
        self, asking: Emulator, asked: ConversationsClient, receiver: Receiver
    ) -> None:
        """What a hook was asked about before a reset does not happen after it."""
        await asked.conversations.create(unique_name="a")
        await asked.participants("a").create(identity="alice")
        receiver.gate.clear()
        writing = asyncio.gather(
            asked.messages("a").create(body="Hi", webhook_enabled=True),
            asking.deliver(from_="alice", conversation="a", body="Hi"),
            return_exceptions=True,
        )
        await receiver.wait("onMessageAdd", 2)
        snapshot = asking.snapshot()
        asking.reset()
        asking.restore(snapshot)
        receiver.gate.set()
        written, delivered = await writing
        assert isinstance(written, APIError)
        assert isinstance(delivered, RequestError)
        assert (written.code, delivered.code) == (20500, 20500)
        assert await asked.messages("a").stream().list() == []

    async def test_a_refusal_by_the_rules_comes_first(
        self, asked: ConversationsClient, receiver: Receiver
    ) -> None:
        """What the rules refuse, no hook is asked about."""
        with pytest.raises(APIError):
            await asked.conversations.create(state="closed", webhook_enabled=True)
        assert receiver.heard == []

    async def test_no_answer(self, asked: ConversationsClient, receiver: Receiver, asking: Emulator) -> None:
        """A hook that does not answer in time, or is not there, changes nothing."""
        receiver.gate.clear()
        await asked.webhook_configuration.update(pre_webhook_url=f"{receiver.url}#rt=100&ct=100")
        await asked.conversations.create(unique_name="slow", webhook_enabled=True)
        await asked.webhook_configuration.update(pre_webhook_url="http://127.0.0.1:1/#rc=0")
        await asked.conversations.create(unique_name="gone", webhook_enabled=True)
        receiver.gate.set()
        questions = [call for call in asking.webhooks if call.event == "onConversationAdd"]
        assert [call.status for call in questions] == [None, None]
        assert questions[0].error == "no answer in time"
        assert questions[1].error is not None
        assert questions[1].error.startswith("no connection")

    async def test_not_by_default(
        self, emulator: Emulator, client: ConversationsClient, receiver: Receiver
    ) -> None:
        """Without the switch, REST asks nobody."""
        await client.webhook_configuration.update(pre_webhook_url=receiver.url)
        await client.conversations.create(webhook_enabled=True)
        await emulator.settled()
        assert receiver.heard == []


class TestCalling:
    """How calls are made."""

    async def test_retries(self, emulator: Emulator, client: ConversationsClient, receiver: Receiver) -> None:
        """A call is repeated as the URL's fragment says, with the same token and a growing count."""
        await listen(client, receiver, post_webhook_url=f"{receiver.url}#rc=2&rp=5xx")
        receiver.answers["onConversationAdded"] = 503, {}
        await client.conversations.create(webhook_enabled=True)
        await emulator.settled()
        assert [heard.form["RetryCount"] for heard in receiver.heard] == ["0", "1", "2"]
        assert len({heard.headers["I-Twilio-Idempotency-Token"] for heard in receiver.heard}) == 1
        assert not any("#" in heard.url for heard in receiver.heard)
        for heard in receiver.heard:
            assert RequestValidator(AUTH_TOKEN).validate(
                heard.url, heard.form, heard.headers["X-Twilio-Signature"]
            )
        (call,) = emulator.webhooks
        assert (call.attempts, call.status, call.error) == (3, 503, None)
        assert call.token == receiver.heard[0].headers["I-Twilio-Idempotency-Token"]

    async def test_no_retry_by_default(
        self, emulator: Emulator, client: ConversationsClient, receiver: Receiver
    ) -> None:
        """An answer of any status is an answer; only a connection that fails is tried again, once."""
        await listen(client, receiver, post_webhook_url=f"{receiver.url}#rc=x&rt=y")
        receiver.answers["onConversationAdded"] = 500, {}
        await client.conversations.create(webhook_enabled=True)
        await listen(client, receiver, post_webhook_url="http://127.0.0.1:1/")
        await client.conversations.create(webhook_enabled=True)
        await emulator.settled()
        assert [(call.attempts, call.status) for call in emulator.webhooks] == [(1, 500), (2, None)]

    async def test_a_slow_receiver_holds_up_nobody(
        self, emulator: Emulator, client: ConversationsClient, receiver: Receiver
    ) -> None:
        """Requests are answered, and calls kept in their order, while a receiver takes its time."""
        await listen(client, receiver)
        receiver.gate.clear()
        room = await client.conversations.create(webhook_enabled=True)
        for body in "abc":
            await client.messages(room.sid).create(body=body, webhook_enabled=True)
        assert emulator.webhooks == []
        receiver.gate.set()
        await emulator.settled()
        assert [form["Body"] for form in receiver.of("onMessageAdded")] == ["a", "b", "c"]

    async def test_many_at_once(self, receiver: Receiver) -> None:
        """However many calls wait for a slow receiver, each of them is made at once."""
        receiver.gate.clear()
        emulator = Emulator(webhook_url=receiver.url)
        async with emulator, ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url) as client:
            creating = (client.conversations.create(webhook_enabled=True) for _ in range(150))
            await asyncio.gather(*creating)
            await receiver.wait("onConversationAdded", 150)
            receiver.gate.set()
            await emulator.settled()
        assert {call.status for call in emulator.webhooks} == {200}

    async def test_a_url_without_a_path(self, receiver: Receiver) -> None:
        """The signature is of what is sent, which has a slash where the URL has no path."""
        origin = receiver.url.removesuffix("/hook")
        async with Emulator(webhook_url=origin, account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN) as emulator:
            async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url) as client:
                await client.conversations.create(webhook_enabled=True)
            await emulator.settled()
        (heard,) = receiver.heard
        assert heard.url == f"{origin}/"
        signature = heard.headers["X-Twilio-Signature"]
        assert RequestValidator(AUTH_TOKEN).validate(heard.url, heard.form, signature)

    @pytest.mark.parametrize("url", ["http://127.0.0.1/a b", "http://127.0.0.1/é", "http://h/\r\nX: 1"])
    async def test_what_cannot_be_sent(self, client: ConversationsClient, url: str) -> None:
        """A URL that is not escaped is refused where it is configured."""
        with pytest.raises(APIError, match="50054"):
            await client.webhook_configuration.update(post_webhook_url=url)

    async def test_a_listener_that_fails(self, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
        """Whoever is told of requests and webhooks may fail, and nothing else does."""

        def fail(happened: object) -> None:
            raise RuntimeError(type(happened).__name__)

        emulator = Emulator(webhook_url=receiver.url, on_request=fail, on_webhook=fail)
        async with emulator, ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url) as client:
            await client.conversations.create(webhook_enabled=True)
            await emulator.settled()
        assert [call.status for call in emulator.webhooks] == [200]
        assert len([line for line in caplog.messages if line.startswith("the listener")]) == 2

    async def test_a_listener_that_steers(self, receiver: Receiver) -> None:
        """Whoever is told of a webhook is told in the emulator's thread, and may turn the clock."""
        told: list[tuple[str, str]] = []

        def turn(call: WebhookCall) -> None:
            told.append((call.event, threading.current_thread().name))
            box.clock.advance(hours=1)

        with Emulator(webhook_url="http://elsewhere.invalid/", on_webhook=turn) as box:
            async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=box.url) as client:
                await client.conversations.create(timers_inactive="PT1M", timers_closed="PT10M")
                box.clock.advance(minutes=1)
                await client.conversations.stream().list()
            await box.settled()
        assert told == [("onConversationStateUpdated", "emulator")] * 2

    async def test_a_failure_of_its_own(
        self,
        emulator: Emulator,
        client: ConversationsClient,
        receiver: Receiver,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Where a call fails for a reason of the emulator's own, that is logged, and the next is made."""
        await listen(client, receiver)
        room = await client.conversations.create()
        with monkeypatch.context() as patch:
            patch.setattr(emulator._engine.courier, "_attempt", None)
            await client.messages(room.sid).create(body="a", webhook_enabled=True)
            await emulator.settled()
        await client.messages(room.sid).create(body="b", webhook_enabled=True)
        await emulator.settled()
        assert [form["Body"] for form in receiver.of("onMessageAdded")] == ["b"]
        assert caplog.messages == ["the emulator failed at the webhook onMessageAdded"]

    async def test_after_the_end(self, receiver: Receiver) -> None:
        """What is posted after the end is not called, and harms nothing."""
        async with Emulator(webhook_url=receiver.url) as emulator:
            courier = emulator._engine.courier
        courier.post(Call(event="onMessageAdded", url=receiver.url, method="POST", form={}))
        await courier.settled()
        assert (receiver.heard, courier.log) == ([], [])

    async def test_no_secret_in_an_error(
        self, emulator: Emulator, client: ConversationsClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Neither the log nor the error of a call tells the query of its URL, or what it carried."""
        async with Scripted.of([b"no HTTP\r\n\r\n"]) as server:
            await listen(client, Receiver(f"{server.url}/hook?key=hunter2"), method="GET")
            await client.conversations.create(friendly_name="hunter3", webhook_enabled=True)
            await emulator.settled()
        told = [call.error or "" for call in emulator.webhooks] + caplog.messages
        assert len(told) == 2
        assert not any("hunter" in text or "\n" in text for text in told)

    async def test_elsewhere_is_not_called(self, emulator: Emulator, client: ConversationsClient) -> None:
        """A host that is not this machine's is noted, and not called, unless it is allowed."""
        await client.webhook_configuration.update(
            post_webhook_url="https://example.com/hook", pre_webhook_url="https://example.com/hook"
        )
        room = await client.conversations.create(unique_name="a", webhook_enabled=True)
        await client.participants("a").create(identity="alice")
        await emulator.deliver(from_="alice", conversation=room.sid, body="Hi")
        await emulator.settled()
        assert {(call.event, call.attempts) for call in emulator.webhooks} == {
            (event, 0) for event in ("onConversationAdded", "onMessageAdd", "onMessageAdded")
        }
        assert all("not called" in (call.error or "") for call in emulator.webhooks)

    async def test_what_is_no_http(self, emulator: Emulator, client: ConversationsClient) -> None:
        """A receiver that speaks no HTTP is a failure, and not the end of the emulator."""
        async with Scripted.of([b"no HTTP\r\n\r\n"]) as server:
            await client.webhook_configuration.update(post_webhook_url=f"{server.url}/#rc=0")
            await client.conversations.create(webhook_enabled=True)
            await emulator.settled()
        (call,) = emulator.webhooks
        assert call.status is None
        assert call.error is not None

    @pytest.mark.parametrize(
        "url", ["ftp://localhost/", "localhost", "http://", "http://[", "", "http://h/a b"]
    )
    def test_webhook_url(self, url: str) -> None:
        """The URL to begin with must be one that can be called."""
        with pytest.raises(ValueError, match=r"^webhook_url must be an http or https URL"):
            Emulator(webhook_url=url)

    async def test_the_end_waits_as_long_as_it_is_told(self, receiver: Receiver) -> None:
        """At the end, calls are made that take less than ``drain``, and the others dropped and counted."""
        for drain, seen in (0.0, []), (5.0, [200, 200]):
            receiver.heard.clear()
            async with Emulator(webhook_url=receiver.url, drain=drain) as emulator:
                if not drain:
                    receiver.gate.clear()
                async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url) as client:
                    room = await client.conversations.create(webhook_enabled=True)
                    await client.messages(room.sid).create(body="Hi", webhook_enabled=True)
            assert [call.status for call in emulator.webhooks if call.status] == seen
            assert [call.error for call in emulator.webhooks if not call.status] == (
                [] if drain else ["dropped: the emulator has ended"] * 2
            )
            receiver.gate.set()

    async def test_reset_forgets_calls(
        self, emulator: Emulator, client: ConversationsClient, receiver: Receiver
    ) -> None:
        """After a reset nothing is called that was caused before."""
        await listen(client, receiver)
        receiver.gate.clear()
        await client.conversations.create(webhook_enabled=True)
        emulator.reset()
        await emulator.settled()
        receiver.gate.set()
        assert emulator.webhooks == []
        assert (await client.webhook_configuration.fetch()).post_webhook_url is None


class TestTimers:
    """What happens by itself."""

    async def test_states(self, emulator: Emulator, client: ConversationsClient, receiver: Receiver) -> None:
        """Timers make a conversation inactive and closed, in their order, and say so."""
        await listen(client, receiver)
        room = await client.conversations.create(timers_inactive="PT1H", timers_closed="PT48H")
        other = await client.conversations.create(timers_closed="PT24H")
        states = []
        for hours in 0.5, 0.5, 46, 1:
            emulator.clock.advance(hours=hours)
            states.append((await client.conversations.fetch(room.sid)).state)
        assert states == ["active", "inactive", "inactive", "closed"]
        await emulator.settled()
        told = receiver.of("onConversationStateUpdated")
        moves = {
            sid: [(form["StateFrom"], form["StateTo"]) for form in told if form["ConversationSid"] == sid]
            for sid in (room.sid, other.sid)
        }
        # in the order of one conversation; what is told of another may overtake it
        assert moves == {
            room.sid: [("active", "inactive"), ("inactive", "closed")],
            other.sid: [("active", "closed")],
        }
        assert {form["Reason"] for form in told} == {"TIMER"}
        assert all("Source" not in form for form in told)

    async def test_all_at_once(self, emulator: Emulator, client: ConversationsClient) -> None:
        """One turn of the clock fires all timers on the way, each at its own time."""
        room = await client.conversations.create(timers_inactive="PT1H", timers_closed="PT2H")
        emulator.clock.advance(days=3)
        closed = await client.conversations.fetch(room.sid)
        assert closed.state == "closed"
        assert closed.timers is not None
        assert closed.date_updated == closed.timers.date_closed

    async def test_a_message_starts_them_anew(
        self, emulator: Emulator, client: ConversationsClient, receiver: Receiver
    ) -> None:
        """A message makes an inactive conversation active, for the reason EVENT, and starts its timers."""
        await listen(client, receiver)
        room = await client.conversations.create(timers_inactive="PT1H", timers_closed="PT10H")
        emulator.clock.advance(hours=9)
        await client.messages(room.sid).create(body="Hi", webhook_enabled=True)
        emulator.clock.advance(minutes=59)
        assert (await client.conversations.fetch(room.sid)).state == "active"
        emulator.clock.advance(hours=9, minutes=1)
        assert (await client.conversations.fetch(room.sid)).state == "closed"
        await emulator.settled()
        reasons = [(form["StateTo"], form["Reason"]) for form in receiver.of("onConversationStateUpdated")]
        assert reasons == [
            ("inactive", "TIMER"), ("active", "EVENT"), ("inactive", "TIMER"), ("closed", "TIMER")
        ]  # fmt: skip

    async def test_only_messages_start_them_anew(
        self, emulator: Emulator, client: ConversationsClient
    ) -> None:
        """Who joins leaves running timers alone; waking, by REST or by joining, starts them anew."""
        room = await client.conversations.create(timers_inactive="PT1H", timers_closed="PT10H")
        participants = client.participants(room.sid)
        emulator.clock.advance(minutes=30)
        await participants.create(identity="alice")
        emulator.clock.advance(minutes=30)
        assert (await client.conversations.fetch(room.sid)).state == "inactive"
        states = []
        for wake in (
            client.conversations.update(room.sid, state="active"),
            participants.create(identity="bob"),
        ):
            await wake
            for _ in range(2):
                emulator.clock.advance(minutes=30)
                states.append((await client.conversations.fetch(room.sid)).state)
        assert states == ["active", "inactive"] * 2

    async def test_the_rest_in_real_time(self, receiver: Receiver) -> None:
        """After a turn of the clock, what is left of a timer passes by itself."""
        emulator = Emulator(webhook_url=receiver.url)
        async with emulator, ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url) as client:
            await client.conversations.create(timers_inactive="PT1M")
            emulator.clock.advance(seconds=59.9)
            await receiver.wait("onConversationStateUpdated")

    async def test_in_real_time(self, receiver: Receiver) -> None:
        """A timer fires by itself, while nobody asks."""
        async with (
            Emulator(
                webhook_url=receiver.url, carrier=Carrier(delivered_after=0.01, read_after=0.01)
            ) as emulator,
            ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url) as client,
        ):
            room = await client.conversations.create()
            await client.participants(room.sid).create(
                messaging_binding_address=PHONE, messaging_binding_proxy_address=OURS
            )
            await client.messages(room.sid).create(body="Hi")
            await receiver.wait("onDeliveryUpdated", 2)
        assert [form["Status"] for form in receiver.of("onDeliveryUpdated")] == ["delivered", "read"]

    async def test_only_forward(self, emulator: Emulator) -> None:
        """The clock does not go back."""
        with pytest.raises(ValueError, match="the clock goes forward only"):
            emulator.clock.advance(hours=-1)


class TestDelivery:
    """Messages to phones."""

    async def test_receipts(
        self, emulator: Emulator, client: ConversationsClient, receiver: Receiver
    ) -> None:
        """A receipt goes from sent to delivered to read, with one event for each."""
        await listen(client, receiver, filters=["onDeliveryUpdated"])
        room = await client.conversations.create()
        phone = await client.participants(room.sid).create(
            messaging_binding_address=PHONE, messaging_binding_proxy_address=OURS
        )
        message = await client.messages(room.sid).create(body="Hi", webhook_enabled=True)
        summaries = []
        for _ in range(3):
            delivery = (await client.messages(room.sid).fetch(message.sid)).delivery
            assert delivery is not None
            summaries.append((delivery.total, delivery.sent, delivery.delivered, delivery.read))
            emulator.clock.advance(minutes=1)
        assert summaries == [
            (1, "all", "none", "none"), (1, "all", "all", "none"), (1, "all", "all", "all")
        ]  # fmt: skip
        await emulator.settled()
        told = receiver.of("onDeliveryUpdated")
        assert [form["Status"] for form in told] == ["sent", "delivered", "read"]
        (receipt,) = await client.receipts(room.sid, message.sid).stream().list()
        assert receipt.status == "read"
        assert {key: told[2][key] for key in told[2] if not key.startswith("Date")} == {
            "EventType": "onDeliveryUpdated",
            "AccountSid": ACCOUNT_SID,
            "ConversationSid": room.sid,
            "ChatServiceSid": room.chat_service_sid,
            "MessageSid": message.sid,
            "DeliveryReceiptSid": receipt.sid,
            "ChannelMessageSid": receipt.channel_message_sid,
            "ParticipantSid": phone.sid,
            "Status": "read",
            "RetryCount": "0",
        }

    async def test_failure(self, emulator: Emulator, client: ConversationsClient, receiver: Receiver) -> None:
        """A message fails as it was told to, for as many messages as were named."""
        await listen(client, receiver, filters=["onDeliveryUpdated"])
        emulator.carrier.fail("+1555*", status="failed", error_code=30006, times=1)
        emulator.carrier.fail("+44*")
        room = await client.conversations.create()
        await client.participants(room.sid).create(
            messaging_binding_address=PHONE, messaging_binding_proxy_address=OURS
        )
        sent = [await client.messages(room.sid).create(body=body) for body in "ab"]
        emulator.clock.advance(minutes=2)
        receipts = [
            receipt for message in sent async for receipt in client.receipts(room.sid, message.sid).stream()
        ]
        assert [(receipt.status, receipt.error_code) for receipt in receipts] == [
            ("failed", 30006),
            ("read", 0),
        ]
        await emulator.settled()
        assert [form.get("ErrorCode") for form in receiver.of("onDeliveryUpdated")] == ["30006", None, None]
        emulator.reset()
        assert emulator.carrier.outcome("+44123") is None

    async def test_a_phone_that_is_gone(self, emulator: Emulator, client: ConversationsClient) -> None:
        """A message to a participant who has left since arrives all the same."""
        room = await client.conversations.create()
        phone = await client.participants(room.sid).create(
            messaging_binding_address=PHONE, messaging_binding_proxy_address=OURS
        )
        message = await client.messages(room.sid).create(body="Hi")
        await client.participants(room.sid).delete(phone.sid)
        emulator.clock.advance(minutes=2)
        (receipt,) = await client.receipts(room.sid, message.sid).stream().list()
        assert receipt.status == "read"

    @pytest.mark.parametrize(
        ("wrong", "line"),
        [
            ({"status": "lost"}, "status must be failed or undelivered, not 'lost'"),
            ({"times": 0}, "times must be at least 1, not 0"),
        ],
    )
    def test_wrong_failures(self, wrong: dict[str, Any], line: str) -> None:
        """A failure that cannot be is refused."""
        with pytest.raises(ValueError, match=rf"^{line}$"):
            Carrier().fail(**wrong)

    @pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "1", True])
    def test_wrong_times(self, seconds: Any) -> None:
        """A time that is none is refused."""
        with pytest.raises(ValueError, match=r"^read_after must be a number of seconds, 0 or more, not"):
            Carrier(read_after=seconds)

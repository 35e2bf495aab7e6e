"""The official client against the emulator: it cannot tell, whether it waits or awaits.

It is unchanged but for the origin that its requests go to, which is one of this machine.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from attrs import Factory, frozen
from twilio.base.exceptions import TwilioRestException  # type: ignore[import-untyped]  # it has no types
from twilio.http.async_http_client import AsyncTwilioHttpClient  # type: ignore[import-untyped]  # likewise
from twilio.http.http_client import TwilioHttpClient  # type: ignore[import-untyped]  # likewise
from twilio.rest import Client  # type: ignore[import-untyped]  # likewise

from conversations_async.emulator import Carrier, Emulator

from . import test_official
from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .operations import OPERATIONS
from .test_emulator_operations import BINDING, OUR_NUMBER, PHONE, SLOW, add_service, unlike

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

#: The official client still uses what aiohttp 3.14 deprecates.
pytestmark = test_official.pytestmark

MOMENT, LATER = "2015-12-16T22:18:37Z", "2015-12-16T22:18:38Z"
FLOW, MESSAGING, CONTENT = "FW" + "1" * 32, "MG" + "1" * 32, "HX" + "1" * 32
HOOK = "http://127.0.0.1:9/hook"
TEXT = "größe & co,\n+ 1%"


# ------------------------------------------------------------------------------------------------- the client


@frozen
class Local:
    """An official transport, whose requests to the vendor's hosts go to this machine instead."""

    transport: Any
    origin: str
    is_async: bool

    def request(self, method: str, url: str, **options: Any) -> Any:
        """Send a request, or give what sends it when awaited."""
        vendor, _, place = url.removeprefix("https://").partition("/")
        if url.startswith("https://") and vendor in test_official.HOSTS:
            url = f"{self.origin}/{place}"
        # what the emulator links to is there already
        assert url.startswith(f"{self.origin}/")
        return self.transport.request(method, url, **options)


@frozen
class Caller:
    """The official client in one of its two styles."""

    emulator: Emulator
    client: Any
    is_async: bool

    async def do(self, thing: Any, verb: str, *values: Any, **keywords: Any) -> Any:
        """Call a method: the emulator has a thread of its own, and so a call may block this one."""
        called = getattr(thing, f"{verb}_async" if self.is_async else verb)(*values, **keywords)
        return await called if self.is_async else called

    async def stream(self, thing: Any, **keywords: Any) -> list[Any]:
        """Read a stream to its end."""
        stream = await self.do(thing, "stream", **keywords)
        return [one async for one in stream] if self.is_async else list(stream)


@frozen
class World:
    """What a caller finds in the emulator."""

    caller: Caller
    #: The service that is meant, and whether it is named, or is the default one.
    service: str
    in_service: bool
    conversation: str
    message: str
    #: The SID of smee, who is in the conversation.
    user: str
    #: The SIDs of the roles that a service has from the start, by their names.
    roles: dict[str, str]

    @property
    def do(self) -> Callable[..., Any]:
        """Calls a method."""
        return self.caller.do

    @property
    def account(self) -> Any:
        """Conversations, with the account's own things."""
        return self.caller.client.conversations.v1

    @property
    def scope(self) -> Any:
        """Where conversations, users and roles are: in the default service, or in the named one."""
        return self.account.services(self.service) if self.in_service else self.account

    @property
    def room(self) -> Any:
        """The conversation."""
        return self.scope.conversations(self.conversation)

    @property
    def chats(self) -> Any:
        """Chat, with the account's own things."""
        return self.caller.client.chat.v2

    @property
    def chat(self) -> Any:
        """The same service as Chat has it."""
        return self.chats.services(self.service)

    @property
    def channel(self) -> Any:
        """The same conversation as Chat has it."""
        return self.chat.channels(self.conversation)


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    """Run one emulator, in a thread of its own."""
    with Emulator(carrier=Carrier(**SLOW)) as running:
        yield running


@pytest.fixture(params=["sync", "async"])
async def caller(
    request: pytest.FixtureRequest, running: Emulator, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Caller]:
    """Make an official client of an emulator with nothing in it."""
    for variable in "TWILIO_REGION", "TWILIO_EDGE":
        # either would lead the links of pages elsewhere
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    running.reset()
    is_async = request.param == "async"
    transport: Any = AsyncTwilioHttpClient() if is_async else TwilioHttpClient()
    local: Any = Local(transport, running.url, is_async)
    yield Caller(running, Client(ACCOUNT_SID, AUTH_TOKEN, http_client=local), is_async)
    if is_async:
        await transport.close()
    else:
        transport.session.close()


async def settle(caller: Caller, *, in_service: bool) -> World:
    """Make a conversation with two participants and a message, in the default service or in a named one."""
    do, v1 = caller.do, caller.client.conversations.v1
    scope = v1.services(add_service(caller.emulator)) if in_service else v1
    conversation = await do(scope.conversations, "create", friendly_name="Ahoy")
    room = scope.conversations(conversation.sid)
    phone = {"messaging_binding_address": PHONE, "messaging_binding_proxy_address": OUR_NUMBER}
    await do(room.participants, "create", identity="smee")
    await do(room.participants, "create", **phone)
    message = await do(room.messages, "create", author="smee", body="Ahoy!")
    await do(scope.users, "create", identity="hook")
    return World(
        caller=caller,
        service=conversation.chat_service_sid,
        in_service=in_service,
        conversation=conversation.sid,
        message=message.sid,
        user=(await do(scope.users("smee"), "fetch")).sid,
        roles={role.friendly_name: role.sid for role in await do(scope.roles, "list")},
    )


def fields(instance: Any) -> dict[str, Any]:
    """Give the fields of an official instance, as they were on the wire."""
    return {
        name.strip("_"): value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value
        for name, value in vars(instance).items()
        if name not in {"_version", "_context", "_solution"}
    }


async def is_gone(world: World, thing: Any) -> None:
    """See that a thing is not there: neither fetched, nor deleted."""
    for verb in "fetch", "delete":
        with pytest.raises(TwilioRestException) as refused:
            await world.do(thing, verb)
        assert (refused.value.status, refused.value.code) == (404, 20404)


# -------------------------------------------------------------------------------------------------- the lives


@frozen
class Life:
    """What happens to one thing of a resource, from its making to its end."""

    name: str
    #: Finds the collection.
    where: Callable[[World], Any]
    #: What it is made with; None where nobody makes it by REST.
    create: dict[str, Any] | None = None
    #: What it is changed to; None where it cannot be changed.
    update: dict[str, Any] | None = None
    #: Whether it can be deleted.
    ends: bool = True
    #: What a list is narrowed by that has it.
    filters: dict[str, Any] = Factory(dict)
    #: Finds the name of what is there already.
    known: Callable[[World], str] = lambda world: world.conversation
    #: What tells it in a list.
    key: str = "sid"
    #: Where it is: in the default service, or, as all of Chat, in a service that is named. What belongs to
    #: the account is in neither.
    services: tuple[bool, ...] = (False, True)


_DATES = {"date_created": MOMENT, "date_updated": LATER}
_LONG = {"attributes": '{ "a":\t[1, null] }', **_DATES}
_WEB = {"configuration_url": HOOK, "configuration_method": "post"}
_NEW = {"configuration_url": f"{HOOK}/2", "configuration_method": "get"}
_CREDENTIALS = {"type": "apn", "friendly_name": TEXT, "certificate": "cert", "private_key": "key"}
_READ = {"last_consumed_message_index": 0, "last_consumption_timestamp": LATER}

LIVES = {
    "conversations-v1": [
        Life(
            "conversations",
            lambda world: world.scope.conversations,
            {
                "friendly_name": TEXT,
                "unique_name": "support-7",
                "messaging_service_sid": MESSAGING,
                "state": "inactive",
                "timers_inactive": "PT1M",
                "timers_closed": "PT10M",
                "bindings_email_address": "smee@example.org",
                "bindings_email_name": "Smee",
                **_LONG,
            },
            {"friendly_name": "Avast", "unique_name": "support-8", "state": "active", "date_updated": MOMENT},
            filters={"start_date": "2015-12-16", "end_date": "2015-12-16", "state": "inactive"},
        ),
        Life(
            "messages",
            lambda world: world.room.messages,
            {"author": "smee", "body": TEXT, "subject": "Ahoy", **_LONG},
            {"author": "hook", "body": "Avast!", "attributes": "{}", "date_updated": MOMENT},
            filters={"order": "desc"},
        ),
        Life(
            "messages-with-content",
            lambda world: world.room.messages,
            {"content_sid": CONTENT, "content_variables": '{"1": "Smee"}'},
        ),
        Life(
            "participants-of-chat",
            lambda world: world.room.participants,
            {"identity": "starkey", **_LONG},
            {"last_read_message_index": 0, "last_read_timestamp": LATER, "attributes": "{}"},
        ),
        Life(
            "participants-with-phones",
            lambda world: world.room.participants,
            {
                "messaging_binding_address": "whatsapp:+15005550006",
                "messaging_binding_proxy_address": "whatsapp:+15017122661",
                **_LONG,
            },
            {"messaging_binding_proxy_address": "whatsapp:+15017122662"},
        ),
        Life(
            "webhooks",
            lambda world: world.room.webhooks,
            {"target": "webhook", "configuration_filters": ["onMessageAdded", "onMessageUpdated"], **_WEB},
            {"configuration_filters": ["onMessageRemoved"], **_NEW},
        ),
        Life(
            "webhooks-with-triggers",
            lambda world: world.room.webhooks,
            {"target": "trigger", "configuration_triggers": ["ahoy"], **_WEB},
            {"configuration_triggers": ["avast", "belay"]},
        ),
        Life(
            "webhooks-of-flows",
            lambda world: world.room.webhooks,
            {"target": "studio", "configuration_flow_sid": FLOW},
            {"configuration_flow_sid": "FW" + "2" * 32},
        ),
        Life(
            "users",
            lambda world: world.scope.users,
            {"identity": "starkey", "friendly_name": TEXT, "attributes": '{"a": 1}'},
            {"friendly_name": "Starkey", "attributes": "{}"},
        ),
        Life(
            "roles",
            lambda world: world.scope.roles,
            {
                "friendly_name": TEXT,
                "type": "conversation",
                "permission": ["sendMessage", "leaveConversation"],
            },
            {"permission": ["sendMessage"]},
        ),
        Life(
            "receipts",
            lambda world: world.room.messages(world.message).delivery_receipts,
            ends=False,
            known=lambda _: "",
        ),
        Life(
            "user_conversations",
            lambda world: world.scope.users(world.user).user_conversations,
            None,
            {"notification_level": "muted", "last_read_message_index": 0},
            key="conversation_sid",
        ),
        Life(
            "bindings",
            lambda world: world.scope.bindings,
            known=lambda _: BINDING,
            filters={"binding_type": ["fcm"], "identity": ["smee"]},
            services=(True,),
        ),
        Life("services", lambda world: world.account.services, {"friendly_name": TEXT}, services=(False,)),
        Life(
            "credentials",
            lambda world: world.account.credentials,
            {**_CREDENTIALS, "sandbox": True},
            {"type": "apn", "friendly_name": "Ahoy", "sandbox": False},
            services=(False,),
        ),
        Life(
            "addresses",
            lambda world: world.account.address_configurations,
            {
                "type": "sms",
                "address": "+15557122661",
                "friendly_name": TEXT,
                "address_country": "CA",
                "auto_creation_enabled": True,
                "auto_creation_type": "webhook",
                "auto_creation_webhook_url": HOOK,
                "auto_creation_webhook_method": "POST",
                "auto_creation_webhook_filters": ["onMessageAdded"],
            },
            {
                "friendly_name": "Ahoy",
                "auto_creation_enabled": False,
                "auto_creation_type": "studio",
                "auto_creation_studio_flow_sid": FLOW,
                "auto_creation_studio_retry_count": 3,
            },
            filters={"type": "sms"},
            services=(False,),
        ),
    ],
    "chat-v2": [
        Life(
            "services",
            lambda world: world.chats.services,
            {"friendly_name": TEXT},
            {
                "friendly_name": "Ahoy",
                "limits_channel_members": 600,
                "limits_user_channels": 500,
                "read_status_enabled": False,
                "reachability_enabled": True,
                "typing_indicator_timeout": 7,
                "consumption_report_interval": 11,
                "notifications_new_message_enabled": True,
                "notifications_new_message_template": "${MESSAGE}",
                "notifications_new_message_sound": "bell",
                "notifications_invited_to_channel_enabled": True,
                "pre_webhook_url": HOOK,
                "post_webhook_url": HOOK,
                "webhook_method": "POST",
                "webhook_filters": ["onMessageSent"],
                "pre_webhook_retry_count": 1,
                "post_webhook_retry_count": 2,
                "media_compatibility_message": TEXT,
            },
        ),
        Life(
            "credentials",
            lambda world: world.chats.credentials,
            {**_CREDENTIALS, "sandbox": True},
            {"friendly_name": "Ahoy", "sandbox": False},
        ),
        Life(
            "channels",
            lambda world: world.chat.channels,
            {"friendly_name": TEXT, "unique_name": "deck", "type": "public", "created_by": "smee", **_LONG},
            {"friendly_name": "The deck", "unique_name": "main-deck", "attributes": "{}"},
            filters={"type": ["public"]},
        ),
        Life(
            "members",
            lambda world: world.channel.members,
            {"identity": "hook", **_READ, **_LONG},
            {"attributes": "{}", "last_consumed_message_index": 0, "last_consumption_timestamp": MOMENT},
            filters={"identity": ["hook", "starkey"]},
        ),
        Life(
            "messages",
            lambda world: world.channel.messages,
            {"from_": "smee", "body": TEXT, "last_updated_by": "smee", **_LONG},
            {"from_": "hook", "body": "Avast!", "last_updated_by": "hook"},
            filters={"order": "desc"},
        ),
        Life(
            "invites",
            lambda world: world.channel.invites,
            {"identity": "hook"},
            filters={"identity": ["hook"]},
        ),
        Life(
            "webhooks",
            lambda world: world.channel.webhooks,
            {
                "type": "webhook",
                "configuration_filters": ["onMessageSent"],
                "configuration_retry_count": 2,
                **_WEB,
            },
            {"configuration_filters": ["onMemberAdded"], "configuration_retry_count": 3, **_NEW},
        ),
        Life(
            "roles",
            lambda world: world.chat.roles,
            {"friendly_name": TEXT, "type": "deployment", "permission": ["joinChannel", "createChannel"]},
            {"permission": ["joinChannel"]},
        ),
        Life(
            "users",
            lambda world: world.chat.users,
            {"identity": "starkey", "friendly_name": TEXT, "attributes": '{"a": 1}'},
            {"friendly_name": "Starkey", "attributes": "{}"},
        ),
        Life(
            "user_channels",
            lambda world: world.chat.users(world.user).user_channels,
            None,
            {"notification_level": "muted", "last_consumed_message_index": 0},
            key="channel_sid",
        ),
        Life(
            "user_bindings",
            lambda world: world.chat.users(world.user).user_bindings,
            known=lambda _: BINDING,
            filters={"binding_type": ["fcm"]},
        ),
        Life(
            "bindings",
            lambda world: world.chat.bindings,
            known=lambda _: BINDING,
            filters={"binding_type": ["fcm"], "identity": ["smee"]},
        ),
    ],
}


@pytest.mark.parametrize(
    ("life", "in_service"),
    [
        pytest.param(life, in_service, id=f"{life.name}-{api}-{'named' if in_service else 'default'}")
        for api, lives in LIVES.items()
        for life in lives
        for in_service in (life.services if api == "conversations-v1" else (True,))
    ],
)
async def test_a_life(caller: Caller, life: Life, in_service: bool) -> None:
    """What is made is fetched, listed and streamed as it is, changed, deleted, and then not there."""
    world = await settle(caller, in_service=in_service)
    do, collection = world.do, life.where(world)
    if life.create is not None:
        made = await do(collection, "create", **life.create)
        assert list(unlike(fields(made), life.create)) == []
    else:
        made = (await do(collection, "list"))[0]
        assert getattr(made, life.key).startswith(life.known(world))
    sid = getattr(made, life.key)
    thing = collection(sid)
    assert fields(await do(thing, "fetch")) == fields(made)
    assert fields(await do(made, "fetch")) == fields(made)
    listed = [
        await do(collection, "list"),
        await do(collection, "list", **life.filters),
        await world.caller.stream(collection, page_size=2, **life.filters),
        list(await do(collection, "page", page_size=50, **life.filters)),
    ]
    for found in listed:
        assert [fields(one) for one in found if getattr(one, life.key) == sid] == [fields(made)]
    assert len(await do(collection, "list", limit=1)) == 1
    if life.update is not None:
        updated = await do(thing, "update", **life.update)
        assert list(unlike(fields(updated), life.update)) == []
        assert fields(await do(thing, "fetch")) == fields(updated)
    if life.ends:
        assert await do(thing, "delete") is True
        await is_gone(world, thing)
        assert sid not in [getattr(one, life.key) for one in await do(collection, "list")]


# ----------------------------------------------------------------------------------------- what is there once


@frozen
class Setting:
    """What is there once, and is only changed."""

    name: str
    where: Callable[[World], Any]
    #: Makes what it is changed to.
    update: Callable[[World], dict[str, Any]]
    in_service: bool = True

    def __str__(self) -> str:
        return f"{self.name}-{'named' if self.in_service else 'account'}"


SETTINGS = [
    Setting(
        "configuration",
        lambda world: world.account.configuration(),
        lambda world: {
            "default_chat_service_sid": world.service,
            "default_messaging_service_sid": MESSAGING,
            "default_inactive_timer": "PT1M",
            "default_closed_timer": "PT10M",
        },
        in_service=False,
    ),
    Setting(
        "webhook_configuration",
        lambda world: world.account.configuration.webhooks(),
        lambda _: {
            "method": "POST",
            "filters": ["onMessageAdded", "onConversationUpdated"],
            "pre_webhook_url": HOOK,
            "post_webhook_url": f"{HOOK}/2",
            "target": "webhook",
        },
        in_service=False,
    ),
    Setting(
        "configuration",
        lambda world: world.scope.configuration(),
        lambda world: {
            "default_conversation_creator_role_sid": world.roles["channel user"],
            "default_conversation_role_sid": world.roles["channel admin"],
            "default_chat_service_role_sid": world.roles["service admin"],
            "reachability_enabled": True,
        },
    ),
    Setting(
        "webhook_configuration",
        lambda world: world.scope.configuration.webhooks(),
        lambda _: {
            "method": "GET",
            "filters": ["onMessageAdded"],
            "pre_webhook_url": HOOK,
            "post_webhook_url": f"{HOOK}/2",
        },
    ),
    Setting(
        "notifications",
        lambda world: world.scope.configuration.notifications(),
        lambda _: {
            "log_enabled": True,
            "new_message_enabled": True,
            "new_message_template": "${PARTICIPANT}: ${MESSAGE}",
            "new_message_sound": "bell",
            "new_message_badge_count_enabled": True,
            "new_message_with_media_enabled": True,
            "new_message_with_media_template": "${MEDIA_COUNT}",
            "added_to_conversation_enabled": True,
            "added_to_conversation_template": TEXT,
            "added_to_conversation_sound": "horn",
            "removed_from_conversation_enabled": True,
            "removed_from_conversation_template": TEXT,
            "removed_from_conversation_sound": "gong",
        },
    ),
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
async def test_a_setting(caller: Caller, setting: Setting) -> None:
    """What is there once is fetched, and changed for good."""
    world = await settle(caller, in_service=setting.in_service)
    thing, update = setting.where(world), setting.update(world)
    before = fields(await world.do(thing, "fetch"))
    after = fields(await world.do(thing, "update", **update))
    assert list(unlike(after, update)) == []
    assert after.keys() == before.keys()
    assert fields(await world.do(thing, "fetch")) == after


#: What has a test of its own below, for nobody makes or fetches one.
ELSEWHERE = {("conversations-v1", "participant_conversations")}


def test_every_resource_is_here() -> None:
    """Every resource of both APIs is tried."""
    tried = {(api, life.name.partition("-")[0]) for api, lives in LIVES.items() for life in lives}
    tried |= {("conversations-v1", setting.name) for setting in SETTINGS}
    assert tried | ELSEWHERE == {(one.api, one.accessor_name) for one in OPERATIONS}


# ------------------------------------------------------------------------------------------------ the stories

each_scope = pytest.mark.parametrize("in_service", [False, True], ids=["default", "named"])


@each_scope
async def test_a_conversation_with_participants(caller: Caller, in_service: bool) -> None:
    """A conversation is made with those who are in it, and found by each of them."""
    world = await settle(caller, in_service=in_service)
    made = await world.do(
        world.scope.conversation_with_participants,
        "create",
        friendly_name="All hands",
        participant=['{"identity": "hook"}', '{"identity": "starkey"}'],
    )
    people = await world.do(world.scope.conversations(made.sid).participants, "list")
    assert [one.identity for one in people] == ["hook", "starkey"]
    (found,) = await world.do(world.scope.participant_conversations, "list", identity="starkey")
    assert (found.conversation_sid, found.conversation_friendly_name) == (made.sid, "All hands")
    assert (found.participant_sid, found.participant_identity) == (people[1].sid, "starkey")
    (found,) = await world.caller.stream(world.scope.participant_conversations, address=PHONE)
    assert found.conversation_sid == world.conversation
    assert found.participant_messaging_binding["proxy_address"] == OUR_NUMBER


async def pages_of(world: World, page: Any, way: str) -> list[list[int]]:
    """Follow the links of pages, one way, and give the indexes of the messages on each."""
    found = []
    while page is not None:
        found.append([message.index for message in page])
        page = await world.do(page, way)
    return found


@each_scope
async def test_pages(caller: Caller, in_service: bool) -> None:
    """The client follows the emulator's links: forth and back, in both orders, and from a link it kept."""
    world = await settle(caller, in_service=in_service)
    messages = world.room.messages
    for number in range(1, 7):
        await world.do(messages, "create", body=f"{number}")
    page = await world.do(messages, "page", page_size=3)
    kept = page.next_page_url
    assert await pages_of(world, page, "next_page") == [[0, 1, 2], [3, 4, 5], [6]]
    page = await world.do(messages, "get_page", kept)
    assert await pages_of(world, page, "previous_page") == [[3, 4, 5], [0, 1, 2]]
    page = await world.do(messages, "page", order="desc", page_size=4)
    assert await pages_of(world, page, "next_page") == [[6, 5, 4, 3], [2, 1, 0]]
    assert [one.index for one in await world.caller.stream(messages, limit=5, page_size=2)] == [0, 1, 2, 3, 4]


async def test_chat_has_the_same_conversation(caller: Caller) -> None:
    """What Conversations made is a channel of Chat, and what is said there is heard here."""
    world = await settle(caller, in_service=True)
    channel = await world.do(world.channel, "fetch")
    assert (channel.friendly_name, channel.type, channel.messages_count) == ("Ahoy", "private", 1)
    said = await world.do(world.channel.messages, "create", from_="smee", body="Avast!")
    heard = await world.do(world.room.messages(said.sid), "fetch")
    assert (heard.author, heard.body, heard.index) == ("smee", "Avast!", 1)
    (member,) = await world.do(world.channel.members, "list")
    participants = await world.do(world.room.participants, "list")
    assert member.sid in [one.sid for one in participants]


async def test_unread_messages(caller: Caller) -> None:
    """Who reads up to an index has the rest unread, in both APIs."""
    world = await settle(caller, in_service=True)
    for body in "Avast!", "Belay!":
        await world.do(world.room.messages, "create", author="hook", body=body)
    mine = world.scope.users("smee").user_conversations(world.conversation)
    assert (await world.do(mine, "fetch")).unread_messages_count is None
    assert (await world.do(mine, "update", last_read_message_index=0)).unread_messages_count == 2
    theirs = world.chat.users("smee").user_channels(world.conversation)
    assert (await world.do(theirs, "fetch")).unread_messages_count == 2
    await world.do(theirs, "update", last_consumed_message_index=2)
    assert (await world.do(mine, "fetch")).unread_messages_count == 0


async def test_a_message_to_a_phone(caller: Caller) -> None:
    """A message is sent, delivered and read as time goes by, or fails as the carrier says."""
    world = await settle(caller, in_service=False)
    message = world.room.messages(world.message)
    seen = []
    for _ in range(3):
        (receipt,) = await world.do(message.delivery_receipts, "list")
        seen.append((receipt.status, (await world.do(message, "fetch")).delivery[receipt.status]))
        caller.emulator.clock.advance(hours=1)
    assert seen == [("sent", "all"), ("delivered", "all"), ("read", "all")]
    caller.emulator.carrier.fail(PHONE, error_code=30006)
    lost = await world.do(world.room.messages, "create", author="smee", body="Anybody?")
    caller.emulator.clock.advance(hours=1)
    (receipt,) = await world.do(world.room.messages(lost.sid).delivery_receipts, "list")
    assert (receipt.status, receipt.error_code) == ("undelivered", 30006)


async def test_timers(caller: Caller) -> None:
    """A conversation that nobody writes in becomes inactive, awakes with a message, and is closed at last."""
    world = await settle(caller, in_service=True)
    await world.do(world.room, "update", timers_inactive="PT1H", timers_closed="P1D")
    states = []
    for hours in 1, 0, 24:
        caller.emulator.clock.advance(hours=hours)
        states.append((await world.do(world.room, "fetch")).state)
        if hours == 1:
            await world.do(world.room.messages, "create", body="Anybody?")
    assert states == ["inactive", "active", "closed"]


REFUSED: dict[str, tuple[Callable[[World], Any], str, dict[str, Any], int, int]] = {
    "no-such-conversation": (lambda world: world.scope.conversations("CH0"), "fetch", {}, 404, 20404),
    "no-such-service": (
        lambda world: world.account.services("IS0").users,
        "create",
        {"identity": "a"},
        404,
        20404,
    ),
    "no-body": (lambda world: world.room.messages, "create", {}, 400, 20001),
    "bad-attributes": (lambda world: world.room, "update", {"attributes": "{"}, 400, 50304),
    "same-user": (lambda world: world.scope.users, "create", {"identity": "smee"}, 409, 50201),
    "same-participant": (lambda world: world.room.participants, "create", {"identity": "smee"}, 409, 50433),
    "same-pair": (
        lambda world: world.room.participants,
        "create",
        {"messaging_binding_address": PHONE, "messaging_binding_proxy_address": OUR_NUMBER},
        409,
        50416,
    ),
    "two-of-one": (
        lambda world: world.room.participants,
        "create",
        {"identity": "starkey", "messaging_binding_address": PHONE},
        400,
        50451,
    ),
    "short-timer": (lambda world: world.room, "update", {"timers_closed": "PT9M"}, 400, 50376),
}


@pytest.mark.parametrize("refused", REFUSED)
async def test_a_refusal(caller: Caller, refused: str) -> None:
    """What the API refuses raises the client's own error, with the status and the code."""
    where, verb, keywords, status, code = REFUSED[refused]
    world = await settle(caller, in_service=True)
    with pytest.raises(TwilioRestException) as raised:
        await world.do(where(world), verb, **keywords)
    assert (raised.value.status, raised.value.code) == (status, code)
    assert raised.value.msg


async def test_a_closed_conversation(caller: Caller) -> None:
    """What is closed takes no more, can be read, and is deleted with all that is in it."""
    world = await settle(caller, in_service=False)
    assert (await world.do(world.room, "update", state="closed")).state == "closed"
    for thing, keywords in (
        (world.room.messages, {"body": "Too late"}),
        (world.room.participants, {"identity": "a"}),
    ):
        with pytest.raises(TwilioRestException) as refused:
            await world.do(thing, "create", **keywords)
        assert (refused.value.status, refused.value.code) == (400, 50377)
    assert [one.body for one in await world.do(world.room.messages, "list")] == ["Ahoy!"]
    assert await world.do(world.room, "delete") is True
    await is_gone(world, world.room.messages(world.message))


async def test_bad_credentials(caller: Caller) -> None:
    """A client whose account is none is told so."""
    stranger = Client("nobody", AUTH_TOKEN, http_client=caller.client.http_client)
    with pytest.raises(TwilioRestException) as refused:
        await caller.do(stranger.conversations.v1.conversations("CH0"), "fetch")
    assert (refused.value.status, refused.value.code) == (401, 20003)

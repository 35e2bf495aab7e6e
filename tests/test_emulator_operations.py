"""Every operation against the emulator, through real sockets: what it answers, and what it has done."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import ANY

import aiohttp
import pytest
from attrs import frozen

from conversations_async import APIError, ConversationsClient, NotFoundError, RetryPolicy
from conversations_async.emulator import Carrier, Emulator, Snapshot

from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .operations import OPERATIONS, Operation
from .test_specification import (
    SHARED,
    differences,
    examples,
    request_examples,
    resolved,
    specified,
    value_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

PHONE: Final = "+15558675310"
OUR_NUMBER: Final = "+15017122660"
#: A device that is registered for push notifications: no operation registers one.
BINDING: Final = "BS" + "1" * 32
#: No message gets on its way while a test runs.
SLOW: Final = {"delivered_after": 3600.0, "read_after": 3600.0}
MOMENT: Final = datetime(2015, 12, 16, 22, 18, 37, tzinfo=UTC)


# ------------------------------------------------------------------------------------------------- the values


@frozen
class World:
    """What every operation finds: the SIDs of a service, of a conversation and what is in it, and so on."""

    service: str
    conversation: str
    message: str
    user: str
    conversation_role: str
    service_role: str
    file: str


def usual(world: World, turn: int) -> dict[str, Any]:
    """Give a value of each keyword for a create (0) or an update (1)."""
    second = timedelta(seconds=turn)
    word = ("größe & co", "smaller & co.")[turn]
    sound, template = f"{word}.wav", f"{word}: ${{CONVERSATION}}"
    roles = dict.fromkeys(
        ("default_chat_service_role_sid", "default_service_role_sid"), world.service_role
    ) | dict.fromkeys(
        (
            "role_sid",
            "default_conversation_creator_role_sid",
            "default_conversation_role_sid",
            "default_channel_role_sid",
            "default_channel_creator_role_sid",
        ),
        world.conversation_role,
    )
    events = "new_message added_to_conversation removed_from_conversation"
    chat_events = "new_message added_to_channel removed_from_channel invited_to_channel"
    noticed = [*events.split(), *(f"notifications_{event}" for event in chat_events.split())]
    flags = """auto_creation_enabled log_enabled new_message_badge_count_enabled
        new_message_with_media_enabled notifications_log_enabled
        notifications_new_message_badge_count_enabled reachability_enabled read_status_enabled sandbox
        webhook_enabled"""
    return {
        **roles,
        **{f"{event}_enabled": not turn for event in noticed},
        **{f"{event}_template": template for event in noticed},
        **{f"{event}_sound": sound for event in noticed},
        "consumption_report_interval": 7 + turn,
        "typing_indicator_timeout": 9 + turn,
        "limits_channel_members": 600 + turn,
        "limits_user_channels": 500 + turn,
        **dict.fromkeys(flags.split(), True),
        "new_message_with_media_template": template,
        "media_compatibility_message": word,
        "pre_webhook_retry_count": 1 + turn,
        "post_webhook_retry_count": 2 + turn,
        "date_created": MOMENT + second,
        "date_updated": MOMENT + 2 * second,
        "last_read_timestamp": MOMENT + 3 * second,
        "last_consumption_timestamp": MOMENT + 3 * second,
        "last_read_message_index": 0,
        "last_consumed_message_index": 0,
        "start_date": "2015-12-16",
        "end_date": "2015-12-16",
        "order": "desc",
        "friendly_name": word,
        "unique_name": f"{word}/1",
        "attributes": ('{ "größe":\t[1, null] }', "{}")[turn],
        "messaging_service_sid": "MG" + "12"[turn] * 32,
        "state": ("inactive", "active")[turn],
        "timers_inactive": ("PT2M", "PT1H")[turn],
        "timers_closed": ("PT2H", "P2D")[turn],
        "bindings_email_address": f"smee.{turn}@example.org",
        "bindings_email_name": word,
        "participant": ['{"identity": "hook"}', '{"identity": "starkey"}'],
        "author": ("smee", "hook")[turn],
        "from_": ("smee", "hook")[turn],
        "created_by": ("smee", "hook")[turn],
        "last_updated_by": ("smee", "hook")[turn],
        "body": word,
        "subject": word,
        "media_sid": world.file,
        "content_sid": "HX" + "1" * 32,
        "content_variables": '{"1": "größe"}',
        "identity": ("hook", "cecco")[turn],
        "messaging_binding_address": "+15005550006",
        "messaging_binding_proxy_address": ("+15017122661", "+15017122662")[turn],
        "messaging_binding_projected_address": ("+15017122663", "+15017122664")[turn],
        "configuration_url": f"http://127.0.0.1:9/{turn}",
        "configuration_method": ("post", "get")[turn],
        "configuration_filters": (["onMessageAdded"], ["onMessageUpdated", "onParticipantAdded"])[turn],
        "configuration_triggers": (["ahoy"], ["avast", "belay"])[turn],
        "configuration_flow_sid": "FW" + "12"[turn] * 32,
        "configuration_replay_after": 3,
        "configuration_retry_count": 1 + turn,
        "permission": (["sendMessage", "sendMediaMessage"], ["sendMessage"])[turn],
        "notification_level": "muted",
        "default_chat_service_sid": world.service,
        "default_messaging_service_sid": "MG" + "1" * 32,
        "default_inactive_timer": "PT5M",
        "default_closed_timer": "PT15M",
        "method": "GET",
        "filters": ["onMessageAdded", "onConversationUpdated"],
        "target": "flex",
        "pre_webhook_url": "http://127.0.0.1:9/pre",
        "post_webhook_url": "http://127.0.0.1:9/post",
        "webhook_method": "GET",
        "webhook_filters": ["onMessageSent", "onChannelUpdated"],
        "address": "+15557122661",
        "address_country": "CA",
        "auto_creation_conversation_service_sid": world.service,
        "auto_creation_webhook_url": f"http://127.0.0.1:9/auto/{turn}",
        "auto_creation_webhook_method": ("post", "get")[turn],
        "auto_creation_webhook_filters": (["onMessageAdded"], ["onParticipantAdded"])[turn],
        "auto_creation_studio_flow_sid": "FW" + "34"[turn] * 32,
        "auto_creation_studio_retry_count": 1 + turn,
        "certificate": "a certificate",
        "private_key": "a private key",
        "api_key": "an API key",
        "secret": "a secret",
        "binding_type": "fcm",
    }


def _without(*names: str) -> dict[str, None]:
    return dict.fromkeys(names)


_ADDRESS: Final = "messaging_binding_address"
_PROXY: Final = "messaging_binding_proxy_address"
_PROJECTED: Final = "messaging_binding_projected_address"
_CONTENT: Final = ("content_sid", "content_variables")
_STUDIO: Final = ("auto_creation_studio_flow_sid", "auto_creation_studio_retry_count")
_WEBHOOK: Final = tuple(f"auto_creation_webhook_{part}" for part in ("url", "method", "filters"))
_ALL_OF_IT: Final[dict[str, Any]] = {}


def _webhooks(word: str, **others: Any) -> list[dict[str, Any]]:
    flow, triggers, filters = (f"configuration_{part}" for part in ("flow_sid", "triggers", "filters"))
    rest = ("configuration_url", "configuration_method", triggers, filters)
    return [
        {word: "webhook", **_without(flow, triggers), **others},
        {word: "trigger", **_without(flow, filters)},
        {word: "studio", **_without(*rest, "configuration_replay_after", "configuration_retry_count")},
    ]


#: The kinds of a thing, where one call cannot have all keywords, or an unusual value is wanted: that value,
#: or None for what is left out.
KINDS: Final[dict[str, list[dict[str, Any]]]] = {
    "create_with_participants": [_ALL_OF_IT, _without("participant")],
    "participants": [
        _without(_ADDRESS, _PROXY, _PROJECTED),
        _without("identity", _PROJECTED),
        _without(_ADDRESS, _PROXY),
    ],
    "participant_conversations": [
        {"identity": "smee", "address": None},
        {"identity": None, "address": PHONE},
    ],
    "conversations-v1 messages": [
        _without("media_sid", *_CONTENT),
        _without("body", *_CONTENT),
        _without("body", "media_sid"),
    ],
    "chat-v2 messages": [_without("media_sid"), _without("body")],
    "conversations-v1 webhooks": _webhooks("target"),
    "chat-v2 webhooks": _webhooks("type", configuration_filters=["onMessageSent", "onMemberAdded"]),
    "channels": [{"type": "private"}, {"type": "public"}],
    "conversations-v1 roles": [
        {"type": "conversation"},
        {"type": "service", "permission": ["joinConversation"]},
    ],
    "chat-v2 roles": [{"type": "channel"}, {"type": "deployment", "permission": ["joinChannel"]}],
    "credentials": [
        {"type": "apn", **_without("api_key", "secret")},
        {"type": "gcm", **_without("certificate", "private_key", "sandbox", "secret")},
        {"type": "fcm", **_without("certificate", "private_key", "sandbox", "api_key")},
    ],
    "addresses": [
        {"type": "sms", "auto_creation_type": "webhook", **_without(*_STUDIO)},
        {"type": "sms", "auto_creation_type": "studio", **_without(*_WEBHOOK)},
    ],
    "bindings": [{"identity": "smee"}],
}


def kinds(operation: Operation) -> list[dict[str, Any]]:
    """Give the kinds of calls that, together, use every keyword of an operation."""
    names = (operation.verb, f"{operation.api} {operation.accessor_name}", operation.accessor_name)
    return next((KINDS[name] for name in names if name in KINDS), [_ALL_OF_IT])


def keywords(operation: Operation, kind: Mapping[str, Any], world: World) -> dict[str, Any]:
    """Give the keywords of a call of one kind."""
    values = usual(world, int(operation.verb == "update"))
    if operation.accessor_name == "users":
        values |= {"identity": "starkey", "role_sid": world.service_role}
    values |= kind
    given = {one.name: values[one.name] for one in operation.keywords if values[one.name] is not None}
    for keyword in operation.keywords:
        if keyword.kind.startswith("list") and isinstance(given.get(keyword.name), str):
            given[keyword.name] = [given[keyword.name]]
    return given


# ---------------------------------------------------------------------------------------------- what is there


def sibling(operation: Operation, verb: str) -> Operation | None:
    """Find the operation that does something else with the same resource."""
    place = (operation.scope, operation.accessor, verb)
    return next((one for one in OPERATIONS if (one.scope, one.accessor, one.verb) == place), None)


async def item(operation: Operation, kind: Mapping[str, Any], talk: Talk, within: list[str]) -> str:
    """Make a thing on which an operation can be tried, and give its SID."""
    if "bindings" in operation.accessor_name:
        return BINDING
    create = sibling(operation, "create")
    if create is not None and (operation.verb, operation.accessor) != ("update", "services"):
        made = await create.call(talk.client, within, keywords(create, kind, talk.world))
        return str(made.sid)
    if operation.accessor_name == "receipts":
        stream = sibling(operation, "stream")
        assert stream is not None
        return str((await stream.call(talk.client, within, {}))[0].sid)
    # a service has its own roles, and so the one to be updated must be known
    return talk.world.service if operation.accessor == "services" else talk.world.conversation


async def prepare(operation: Operation, kind: Mapping[str, Any], talk: Talk) -> tuple[list[str], str]:
    """Make what an operation is about; give the identifiers of its path, and the SID of its thing."""
    world = talk.world
    known = {
        "ChatServiceSid": world.service,
        "ServiceSid": world.service,
        "ConversationSid": world.conversation,
        "ChannelSid": world.conversation,
        "MessageSid": world.message,
        "UserSid": world.user,
    }
    within = [known[place] for place in operation.places if place in known]
    if operation.method == "POST" and not operation.takes_sid:
        return within, ""
    sid = await item(operation, kind, talk, within)
    return [*within, sid][: len(operation.places)], sid


@frozen
class Talk:
    """A client of the emulator, what it finds there, and what it was answered."""

    client: ConversationsClient
    session: aiohttp.ClientSession
    world: World
    answers: list[tuple[int, bytes]]

    @property
    def status(self) -> int:
        """The status of the last answer."""
        return self.answers[-1][0]

    @property
    def body(self) -> Any:
        """The body of the last answer."""
        return json.loads(self.answers[-1][1])

    async def get(self, url: str) -> tuple[int, Any]:
        """Follow a link, and give the status and the body."""
        credentials = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT_SID, AUTH_TOKEN)}
        async with self.session.get(url, headers=credentials) as answer:
            return answer.status, await answer.json()


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    """Run one emulator for all tests, in which nothing happens by itself."""
    with Emulator(carrier=Carrier(**SLOW)) as running:
        yield running


@pytest.fixture(scope="module")
def worlds() -> dict[bool, tuple[World, Snapshot]]:
    """Keep what each test begins with, once it has been made: in the default service, and in a named one."""
    return {}


@pytest.fixture
async def talk(
    running: Emulator, worlds: dict[bool, tuple[World, Snapshot]], operation: Operation
) -> AsyncIterator[Talk]:
    """Talk to the emulator, which has one of everything, and keep the answers as they were on the wire."""
    answers: list[tuple[int, bytes]] = []

    async def begin(_: Any, __: Any, done: aiohttp.TraceRequestEndParams) -> None:
        answers.append((done.response.status, b""))

    async def read(_: Any, __: Any, received: aiohttp.TraceResponseChunkReceivedParams) -> None:
        answers[-1] = (answers[-1][0], received.chunk)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(begin)
    trace.on_response_chunk_received.append(read)
    retry = RetryPolicy(max_attempts=1)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        client = ConversationsClient(
            ACCOUNT_SID, AUTH_TOKEN, base_url=running.url, retry=retry, session=session
        )
        is_default = operation.scope == "client"
        if is_default not in worlds:
            running.reset()
            worlds[is_default] = (
                await make_world(running, client, is_default=is_default),
                running.snapshot(),
            )
        world, snapshot = worlds[is_default]
        running.restore(snapshot)
        yield Talk(client, session, world, answers)


def add_service(emulator: Emulator) -> str:
    """Add a service in which smee has registered a device for push notifications."""
    device = {
        "sid": BINDING,
        "identity": "smee",
        "endpoint": "a device",
        "binding_type": "fcm",
        "credential_sid": "CR" + "1" * 32,
        "message_types": ["new_message"],
    }
    return emulator.seed({"services": [{"friendly_name": "Ahoy", "bindings": [device]}]})["services[0]"]


async def make_world(running: Emulator, client: ConversationsClient, *, is_default: bool) -> World:
    """Make one of everything."""
    scope = client if is_default else client.service(add_service(running))
    roles = {role.friendly_name: role.sid for role in await scope.roles.stream().list()}
    await scope.users.create(identity="hook")
    conversation = await scope.conversations.create()
    people = scope.participants(conversation.sid)
    await people.create(identity="smee")
    await people.create(messaging_binding_address=PHONE, messaging_binding_proxy_address=OUR_NUMBER)
    message = await scope.messages(conversation.sid).create(author="smee", body="Ahoy!")
    service = conversation.chat_service_sid
    assert service is not None
    file = await client.service(service).media.upload(b"GIF89a", content_type="image/gif")
    return World(
        service=service,
        conversation=conversation.sid,
        message=message.sid,
        user=(await scope.users.fetch("smee")).sid,
        conversation_role=roles["channel admin"],
        service_role=roles["service admin"],
        file=file.sid,
    )


# ------------------------------------------------------------------------------------------------------ proof


def found(body: Any, name: str) -> Any:
    """Find the field that a keyword becomes: ``limits_user_channels`` is ``user_channels`` in ``limits``."""
    if isinstance(body, list):
        (body,) = body
    if name in body:
        return body[name]
    for key, inner in body.items():
        if name.startswith(f"{key}_") and isinstance(inner, dict | list):
            return found(inner, name.removeprefix(f"{key}_"))
    return None


#: What is not shown.
HIDDEN = {
    "webhook_enabled": "it is a header",
    "certificate": "it is a secret",
    "private_key": "it is a secret",
    "api_key": "it is a secret",
    "secret": "it is a secret",
    "subject": "the API takes it, and shows it nowhere",
    "content_variables": "they become the text that is sent",
    "participant": "the conversation shows none of its participants",
}

#: What only the participant shows that is meant, by accessor.
READ_BY = {
    "user_conversations": ["last_read_timestamp"],
    "user_channels": ["last_consumption_timestamp"],
}

#: What is shown under another name.
SHOWN_AS = {
    "bindings_email_address": "bindings_email_projected_address",
    "configuration_triggers": "configuration_filters",
    "from_": "from",
    "permission": "permissions",
    "timers_closed": "timers_date_closed",
    "timers_inactive": "timers_date_inactive",
}


def as_shown(name: str, value: Any) -> Any:
    """Give a value as an answer has it."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if name == "sandbox":
        return str(value)
    return value


def unlike(body: Any, written: Mapping[str, Any]) -> Iterator[str]:
    """Compare an answer with what was written; say what is not the same."""
    for name, value in written.items():
        if name in HIDDEN:
            continue
        shown, wanted = found(body, SHOWN_AS.get(name, name)), as_shown(name, value)
        if name.endswith("method") and isinstance(shown, str):
            # the API writes the same method in small letters here, and in capitals there
            shown, wanted = shown.upper(), wanted.upper()
        if name in ("timers_inactive", "timers_closed"):
            wanted = ANY if shown else "a moment"
        if shown != wanted:
            yield f"{name} is {shown!r} instead of {wanted!r}"


def items(body: Any) -> list[Any]:
    """Give the items of a page, or the one item that an answer is."""
    return body[body["meta"]["key"]] if "meta" in body else [body]


def names(body: Any) -> set[str]:
    """Give everything by which an item of a list could be meant."""
    return {body[key] for key in ("sid", "conversation_sid", "channel_sid") if key in body}


#: What is answered where a link leads to something that cannot be fetched like that.
LINKED = {
    "channel_metadata": 404,  # there is none of this message
    "conversation_with_participants": 405,  # it is only created
    "export": 404,  # no operation is published for it
    "participant_conversations": 400,  # they are only listed for somebody
}

#: The operations that are tried, as the tests below say.
TRIED: list[Operation] = []


def each(*verbs: str) -> pytest.MarkDecorator:
    """Try the operations of these verbs, in each kind."""
    chosen = [one for one in OPERATIONS if one.verb in verbs]
    TRIED.extend(chosen)
    return each_kind_of(chosen)


def each_kind_of(operations: list[Operation]) -> pytest.MarkDecorator:
    """Try operations in each kind."""
    return pytest.mark.parametrize(
        ("operation", "kind"),
        [
            pytest.param(operation, kind, id=f"{operation}-{number}" if number else str(operation))
            for operation in operations
            for number, kind in enumerate(kinds(operation))
        ],
    )


@each("create", "create_with_participants", "update")
async def test_what_is_written_is_read(operation: Operation, kind: dict[str, Any], talk: Talk) -> None:
    """What a create or an update is given is in its answer, and in what is fetched afterwards."""
    client = talk.client
    identifiers, _ = await prepare(operation, kind, talk)
    given = keywords(operation, kind, talk.world)
    result = await operation.call(client, identifiers, given)
    joined = "participant" in given
    assert talk.status == (200 if operation.verb == "update" else 202 if joined else 201)
    assert isinstance(result, operation.repository(client, identifiers).model)
    assert list(differences(talk.body, result, "answer")) == []
    # whoever joins wakes the conversation
    became = {"state": "active", "date_updated": ANY} if joined else {}
    shown = {name: given[name] for name in given.keys() - HIDDEN.keys()} | became
    read_by_participant = [shown.pop(name) for name in READ_BY.get(operation.accessor_name, ())]
    assert list(unlike(talk.body, shown)) == []
    fetch = sibling(operation, "fetch")
    assert fetch is not None
    identifiers = [*identifiers, getattr(result, "sid", "")][: len(fetch.places)]
    await fetch.call(client, identifiers, {})
    assert list(unlike(talk.body, shown)) == []
    participants = client.service(talk.world.service).participants(talk.world.conversation)
    for moment in read_by_participant:
        assert (await participants.fetch("smee")).last_read_timestamp == moment


@each("fetch")
async def test_what_is_there_is_fetched(operation: Operation, kind: dict[str, Any], talk: Talk) -> None:
    """What is there is fetched; its URL leads to it, and its links to what there is."""
    identifiers, sid = await prepare(operation, kind, talk)
    result = await operation.call(talk.client, identifiers, {})
    assert talk.status == 200
    fetched = talk.body
    assert isinstance(result, operation.repository(talk.client, identifiers).model)
    assert list(differences(fetched, result, "answer")) == []
    assert not operation.takes_sid or sid in names(fetched)
    assert await talk.get(fetched["url"]) == (200, fetched)
    for name, url in fetched.get("links", {}).items():
        assert url is None or (await talk.get(url))[0] == LINKED.get(name, 200)


@each("stream")
async def test_what_is_there_is_listed(operation: Operation, kind: dict[str, Any], talk: Talk) -> None:
    """What is there is in the list that is narrowed to it."""
    identifiers, sid = await prepare(operation, kind, talk)
    listed = await operation.call(talk.client, identifiers, keywords(operation, kind, talk.world))
    assert talk.status == 200
    assert list(differences(items(talk.body), listed, "answer")) == []
    assert sid in {name for one in items(talk.body) for name in names(one)}


#: Lists that are refused, or have nothing of what is made here, unless they are narrowed.
TO_BE_NARROWED = {"channels", "participant_conversations"}


async def make_more(operation: Operation, talk: Talk, within: list[str]) -> None:
    """Make three more things of which an operation is, if they can be made."""
    create = sibling(operation, "create")
    if create is None:
        return
    given = keywords(create, kinds(create)[0], talk.world)
    given.pop("unique_name", None)
    for number in range(3):
        name = f"pirate {number}"
        if create.accessor_name == "invites":
            await talk.client.service(talk.world.service).users.create(identity=name)
        others = {"identity": name, "address": f"+1555712267{number}"}
        await create.call(talk.client, within, given | {key: others[key] for key in given.keys() & others})


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.verb == "stream"], ids=str)
async def test_a_list_has_pages(operation: Operation, talk: Talk) -> None:
    """A list is the same by pages, forth and back, as it is whole."""
    kind = kinds(operation)[0]
    is_narrow = operation.accessor_name in TO_BE_NARROWED
    given = keywords(operation, kind, talk.world) if is_narrow else {}
    identifiers, _ = await prepare(operation, kind, talk)
    await make_more(operation, talk, identifiers)
    await operation.call(talk.client, identifiers, given | {"page_size": 1000})
    whole = items(talk.body)
    assert len(whole) >= (1 if sibling(operation, "create") is None else 4)
    forth: list[Any] = []
    back: list[Any] = []
    async for _ in operation.called(
        talk.client, identifiers, given | {"page_size": 2, "read_ahead": 0}
    ).pages():
        forth += items(talk.body)
    assert forth == whole
    page, meta = items(talk.body), talk.body["meta"]
    while meta["previous_page_url"]:
        back = page + back
        status, body = await talk.get(meta["previous_page_url"])
        assert status == 200
        page, meta = items(body), body["meta"]
    assert page + back == whole


@each("delete")
async def test_what_is_deleted_is_gone(operation: Operation, kind: dict[str, Any], talk: Talk) -> None:
    """What is deleted is not there any more."""
    identifiers, _ = await prepare(operation, kind, talk)
    fetch = sibling(operation, "fetch")
    assert fetch is not None
    await fetch.call(talk.client, identifiers, {})
    await operation.call(talk.client, identifiers, keywords(operation, kind, talk.world))
    assert talk.answers[-1] == (204, b"")
    with pytest.raises(NotFoundError) as refused:
        await fetch.call(talk.client, identifiers, {})
    assert refused.value.code == 20404


@pytest.mark.parametrize(
    "operation",
    [one for one in OPERATIONS if one.scope.endswith("service(service_sid)") and len(one.places) > 1],
    ids=str,
)
async def test_services_are_apart(operation: Operation, talk: Talk) -> None:
    """What one service has is not there in another, whatever is to be done with it."""
    kind = kinds(operation)[0]
    identifiers, _ = await prepare(operation, kind, talk)
    identifiers[0] = (await talk.client.services.create(friendly_name="Elsewhere")).sid
    with pytest.raises(NotFoundError) as refused:
        await operation.call(talk.client, identifiers, keywords(operation, kind, talk.world))
    assert refused.value.code == 20404


def test_every_operation_is_tried() -> None:
    """All 157 operations of the table are tried, and each with every keyword that it has."""
    assert len(TRIED) == 157
    assert sorted(TRIED, key=str) == sorted(OPERATIONS, key=str)
    nowhere = World(*[""] * 7)
    for operation in OPERATIONS:
        called = {name for kind in kinds(operation) for name in keywords(operation, kind, nowhere)}
        assert called == {keyword.name for keyword in operation.keywords}


# ------------------------------------------------------------------------------------------ the specification

needs_specification = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"the specification is not here: there is no folder {SHARED}"
)

_FORMATS: Final = {
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "uri": r"https?://\S+",
}
_TYPES: Final = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}


def unfit(api: str, value: Any, schema: Any, path: str) -> Iterator[str]:
    """Hold a value against a schema; say what does not fit."""
    schema = resolved(api, schema)
    if value is None:
        if schema and not schema.get("nullable"):
            yield f"{path} is null"
        return
    if "type" in schema and type(value) is not _TYPES[schema["type"]]:
        yield f"{path} is {value!r}, and no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path} is {value!r}, and none of {schema['enum']}"
    pattern = schema.get("pattern") or _FORMATS.get(schema.get("format"))
    if pattern and not re.fullmatch(pattern, value):
        yield f"{path} is {value!r}"
    for one in value if schema.get("type") == "array" else ():
        yield from unfit(api, one, schema["items"], path)
    if "properties" in schema:
        for name in value.keys() ^ schema["properties"].keys():
            yield f"{name} is {'not specified' if name in value else 'missing'}"
        for name in value.keys() & schema["properties"].keys():
            yield from unfit(api, value[name], schema["properties"][name], name)


#: What may be otherwise, and why.
JUSTIFIED = {
    "method is null": "there is none before there is a URL, as in an example that does not fit its schema",
    "configuration with replay_after": "no example has it; the parameter alone is specified",
    **{
        f"{event} with sound": "no example sets one"
        for event in ("new_message", "added_to_channel", "removed_from_channel", "invited_to_channel")
    },
    "timers without date_closed, date_inactive": "where none runs, as in a conversation's example",
    "conversation_timers without date_closed, date_inactive": "likewise",
}


def strange(value: Any, known: list[Any], path: str) -> Iterator[str]:
    """Compare the keys of objects with those of examples; say where no example has just these."""
    objects = [one for one in known if isinstance(one, dict)]
    if isinstance(value, list):
        inside = [inner for one in known if isinstance(one, list) for inner in one]
        for one in value:
            yield from strange(one, inside, path)
    elif isinstance(value, dict):
        keys = [one.keys() for one in objects]
        if value.keys() not in keys:
            closest = set(min(keys, key=lambda one: len(value.keys() ^ one), default=()))
            for word, names in ("with", value.keys() - closest), ("without", closest - value.keys()):
                if names:
                    yield f"{path} {word} {', '.join(sorted(names))}"
        for key, one in value.items():
            yield from strange(one, [each.get(key) for each in objects], key)


@cache
def known(api: str, accessor: str) -> list[Any]:
    """Give every item of the examples of one resource."""
    return [
        one
        for operation in OPERATIONS
        if (operation.api, operation.accessor_name) == (api, accessor) and operation.verb != "delete"
        for example in examples(operation)
        for one in items(example.body)
    ]


@needs_specification
@each_kind_of(OPERATIONS)
async def test_an_answer_is_as_specified(operation: Operation, kind: dict[str, Any], talk: Talk) -> None:
    """An answer fits the schema of its operation, and each object has the keys of one of the examples."""
    identifiers, _ = await prepare(operation, kind, talk)
    await operation.call(talk.client, identifiers, keywords(operation, kind, talk.world))
    response = specified(operation)["responses"][str(talk.status)]
    for content in response.get("content", {}).values():
        wrong = [
            *unfit(operation.api, talk.body, content["schema"], ""),
            *strange(items(talk.body), [known(operation.api, operation.accessor_name)], "answer"),
        ]
        assert [one for one in wrong if one not in JUSTIFIED] == []


#: Examples of requests that are refused: the code, and why.
REFUSED = {
    "CreateConversationScopedWebhook": (50365, "its events have names that the API once had"),
    "CreateServiceConversationScopedWebhook": (50365, "likewise"),
    "CreateChannelWebhook": (20001, "its URL is none"),
    "UpdateChannelWebhook": (20001, "its URL is none"),
    "UpdateService": (50054, "its URLs and its events are none"),
    "CreateInvite": (50200, "it invites nobody who is a user"),
}
#: The roles that are no conversation's.
OF_SERVICE = {"DefaultServiceRoleSid", "DefaultChatServiceRoleSid"}


@needs_specification
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_every_example_of_a_request_is_understood(
    operation: Operation, running: Emulator, talk: Talk
) -> None:
    """What the specification shows as a request is carried out, with SIDs of what is there."""
    keywords_of = {keyword.api: keyword for keyword in operation.keywords}
    start = running.snapshot()
    for example in request_examples(operation):
        running.restore(start)
        identifiers, _ = await prepare(operation, kinds(operation)[0], talk)
        given = {}
        for name, value in example.items():
            is_of_service = name in OF_SERVICE or operation.accessor_name == "users"
            role = talk.world.service_role if is_of_service else talk.world.conversation_role
            own = {"IS": talk.world.service, "ME": talk.world.file, "RL": role}
            keyword = keywords_of[name]
            is_sid = name.endswith("Sid")
            given[keyword.name] = own.get(value[:2], value) if is_sid else value_of(value, keyword.kind)
        if operation.name in REFUSED:
            with pytest.raises(APIError) as refused:
                await operation.call(talk.client, identifiers, given)
            assert refused.value.code == REFUSED[operation.name][0]
        else:
            await operation.call(talk.client, identifiers, given)
            assert str(talk.status) in specified(operation)["responses"]

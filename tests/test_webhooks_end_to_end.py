"""Webhooks from end to end: real sockets on both sides, from the emulator to the handlers and back."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import socket
import sys
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import aiohttp
import pytest

from conversations_async import APIError, ConversationsClient
from conversations_async.emulator import Emulator
from conversations_async.webhooks import (
    Accept,
    Event,
    MessageAdd,
    MessageAdded,
    MessageAnswer,
    Modify,
    Reject,
    Repair,
    Router,
    sign,
)

from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .test_webhooks_adapters import aiohttp_server, raw, uvicorn_server

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable

    from conversations_async import Conversation

PATH = "/hooks"
#: What ``raw`` requests call.
URL = f"http://bots.example{PATH}"
FORM = "application/x-www-form-urlencoded; charset=utf-8"
SERVERS = ["aiohttp", "uvicorn"]

both = pytest.mark.parametrize("server", SERVERS)


@asynccontextmanager
async def served(server: str, router: Router) -> AsyncGenerator[str]:
    """Serve a router, and give its URL; at the end, what was acknowledged has been handled."""
    serving = (
        aiohttp_server(router.aiohttp_app(PATH))
        if server == "aiohttp"
        else uvicorn_server(router.asgi_app(PATH))
    )
    async with serving as port:
        yield f"http://127.0.0.1:{port}{PATH}"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator that asks pre-action webhooks about everything."""
    async with Emulator(pre_webhooks_for_rest=True) as emulator:
        yield emulator


@pytest.fixture
async def room(client: ConversationsClient) -> Conversation:
    """A conversation in which Alice takes part."""
    room = await client.conversations.create()
    await client.participants(room.sid).create(identity="alice")
    return room


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.005)


async def bodies(client: ConversationsClient, room: str) -> list[str | None]:
    """Read what was written in a conversation."""
    return [message.body async for message in client.messages(room).stream()]


def noting() -> tuple[Router, list[str | None]]:
    """Make a router that notes what was written."""
    router, told = Router(AUTH_TOKEN), list[str | None]()

    @router.on(MessageAdded)
    async def note(event: MessageAdded) -> None:
        told.append(event.body)

    return router, told


# ------------------------------------------------------------------------------------------- there and back


@both
async def test_a_bot_answers(
    server: str, emulator: Emulator, client: ConversationsClient, room: Conversation
) -> None:
    """What somebody writes is told to a handler, and what that answers is in the conversation."""
    router = Router(AUTH_TOKEN, client=client)

    @router.on(MessageAdded, when=lambda message: message.author != "bot")
    async def answer(event: MessageAdded, client: ConversationsClient) -> None:
        messages = client.messages(event.conversation_sid)
        await messages.create(author="bot", body=f"You said: {event.body}", webhook_enabled=True)

    async with served(server, router) as url:
        await client.webhook_configuration.update(post_webhook_url=url, filters=["onMessageAdded"])
        await emulator.deliver(from_="alice", conversation=room.sid, body="Ahoy!")
        await until(lambda: len(emulator.webhooks) == 2)
    assert await bodies(client, room.sid) == ["Ahoy!", "You said: Ahoy!"]
    assert [call.status for call in emulator.webhooks] == [200, 200]


@both
@pytest.mark.parametrize("fallback", [Accept(), Reject()])
async def test_what_is_about_to_happen_is_judged(
    server: str,
    fallback: Accept | Reject,
    emulator: Emulator,
    client: ConversationsClient,
    room: Conversation,
) -> None:
    """A message is written, changed or refused as a handler says; a slow one is overruled in time."""
    errors: list[Exception] = []
    router = Router(
        AUTH_TOKEN, answer_within=0.5, fallback=fallback, on_error=lambda error, _: errors.append(error)
    )

    @router.on(MessageAdd)
    async def judge(event: MessageAdd) -> MessageAnswer:
        if event.body == "slow":
            await asyncio.Event().wait()
        if event.body == "rude":
            return Reject(451)
        return Modify(body="shorter", attributes={"cut": True}) if event.body == "long" else None

    refused = ["rude"] if fallback == Accept() else ["rude", "slow"]
    async with served(server, router) as url:
        await client.webhook_configuration.update(pre_webhook_url=url, filters=["onMessageAdd"])
        for body in "plain", "long", "rude", "slow":
            create = client.messages(room.sid).create(author="alice", body=body, webhook_enabled=True)
            if body in refused:
                with pytest.raises(APIError) as caught:
                    await create
                assert caught.value.code == 50056
            else:
                await create
            delivered = await emulator.deliver(from_="alice", conversation=room.sid, body=body)
            assert (delivered is None) == (body in refused)
    kept = ["plain", "plain", "shorter", "shorter", *([] if "slow" in refused else ["slow", "slow"])]
    assert await bodies(client, room.sid) == kept
    changed = (await client.messages(room.sid).stream().list())[2:4]
    assert [message.parsed_attributes for message in changed] == [{"cut": True}] * 2
    late = 403 if "slow" in refused else 200
    assert [call.status for call in emulator.webhooks] == [200, 200, 200, 200, 451, 451, late, late]
    assert [type(error) for error in errors] == [TimeoutError, TimeoutError]


@both
async def test_webhooks_by_get(
    server: str, emulator: Emulator, client: ConversationsClient, room: Conversation
) -> None:
    """Where GET is configured everything is in the URL: it is checked, answered and handled alike."""
    router, told = noting()

    @router.on(MessageAdd)
    async def change(event: MessageAdd) -> MessageAnswer:
        return Modify(body=f"{event.body}!")

    async with served(server, router) as bare:
        url = f"{bare}?tenant='a'&x=%7e"
        await client.webhook_configuration.update(
            pre_webhook_url=url,
            post_webhook_url=url,
            method="GET",
            filters=["onMessageAdd", "onMessageAdded"],
        )
        await emulator.deliver(from_="alice", conversation=room.sid, body="It's 100 % ä+b&c=d/?~")
        await emulator.settled()
    assert told == ["It's 100 % ä+b&c=d/?~!"]
    assert [(call.method, call.status) for call in emulator.webhooks] == [("GET", 200)] * 2


@both
async def test_several_webhooks_tell_the_same(
    server: str, emulator: Emulator, client: ConversationsClient, room: Conversation
) -> None:
    """What account, service and conversation all tell of to one URL is handled once."""
    router, told = noting()
    assert room.chat_service_sid is not None
    filters = ["onMessageAdded"]
    async with served(server, router) as url:
        await client.webhook_configuration.update(post_webhook_url=url, filters=filters)
        await client.webhooks(room.sid).create(
            target="webhook", configuration_url=url, configuration_method="GET", configuration_filters=filters
        )
        await emulator.deliver(from_="alice", conversation=room.sid, body="by the account")
        service = client.service(room.chat_service_sid)
        await service.webhook_configuration.update(post_webhook_url=url, filters=filters)
        await emulator.deliver(from_="alice", conversation=room.sid, body="by the service")
        await emulator.settled()
    assert told == ["by the account", "by the service"]
    assert [call.status for call in emulator.webhooks] == [200] * 4
    assert len({call.token for call in emulator.webhooks}) == 4


# ---------------------------------------------------------------------------------------- ten thousand events


def form_of(room: str, message: str, index: int, **more: str) -> dict[str, str]:
    """Make the parameters of an event."""
    return {
        "EventType": "onMessageAdded",
        "AccountSid": ACCOUNT_SID,
        "ConversationSid": room,
        "MessageSid": message,
        "Author": "alice",
        "Body": f"{index}",
        "Attributes": "{}",
        "Index": f"{index}",
        "DateCreated": "2021-08-10T18:00:58.111Z",
        "RetryCount": "0",
        "Source": "SDK",
        **more,
    }


async def post(url: str, forms: Iterable[tuple[dict[str, str], str]]) -> list[int]:
    """Send events with their tokens, 50 at a time, and give the statuses of the answers."""
    todo, statuses = iter(forms), list[int]()

    async def work() -> None:
        for form, token in todo:
            headers = {
                "Content-Type": FORM,
                "X-Twilio-Signature": sign(url, AUTH_TOKEN, params=form),
                "I-Twilio-Idempotency-Token": token,
            }
            async with session.post(url, data=urlencode(form).encode(), headers=headers) as response:
                statuses.append(response.status)

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        for _ in range(50):
            tasks.create_task(work())
    return statuses


ROOMS, MESSAGES = 100, 100


@both
@pytest.mark.parametrize("share_lost", [0, 0.02])
async def test_ten_thousand_events(
    server: str, share_lost: float, emulator: Emulator, client: ConversationsClient
) -> None:
    """Each is handled once, by index, though it comes twice, late or never, and whatever handlers do."""
    chance = random.Random(7)  # noqa: S311  # nothing is secret
    handled: dict[str, list[int | None]] = defaultdict(list)
    hanging, raising, released = set[str](), set[str](), asyncio.Event()
    errors: list[Event] = []
    router = Router(
        AUTH_TOKEN,
        client=client,
        repair=Repair(),
        drain=60,
        on_error=lambda _, event: errors.append(event),
    )

    @router.on(MessageAdded)
    async def note(event: MessageAdded) -> None:
        handled[event.conversation_sid].append(event.index)
        if event.conversation_sid in hanging and event.index == 50:
            await released.wait()
        if event.conversation_sid in raising:
            raise RuntimeError

    async with served(server, router) as url, asyncio.timeout(120):
        texts = [{"author": "alice", "body": f"{index}"} for index in range(MESSAGES)]
        sids = emulator.seed({"conversations": [{"messages": texts}] * ROOMS})
        rooms = [sids[f"conversations[{number}]"] for number in range(ROOMS)]
        hanging.update(rooms[:3])
        raising.update(rooms[3:6])
        # each at its place in time, which is up to ten messages of its conversation late
        sent: list[tuple[float, dict[str, str], str]] = []
        for place in range(ROOMS * MESSAGES):
            index, number = divmod(place, ROOMS)
            form = form_of(rooms[number], sids[f"conversations[{number}].messages[{index}]"], index)
            # after the last one nothing tells that it is missing
            if index < MESSAGES - 1 and chance.random() < share_lost:
                continue
            sent.append((place + chance.uniform(0, 10 * ROOMS), form, f"token {place}"))
            if chance.random() < 0.2:
                token = chance.choice([f"token {place}", f"other {place}"])
                sent.append((place + chance.uniform(0, 10 * ROOMS), {**form, "RetryCount": "1"}, token))
        sent.sort(key=lambda one: one[0])
        statuses = await post(url, ((form, token) for _, form, token in sent))
        assert statuses == [200] * len(sent)
        await until(lambda: all(len(handled[room]) >= MESSAGES for room in rooms if room not in hanging))
        assert all(len(handled[room]) <= 51 for room in hanging)
        released.set()
    assert handled == {room: list(range(MESSAGES)) for room in rooms}
    assert len(errors) == len(raising) * MESSAGES
    assert len(sent) > len(rooms) * MESSAGES * (1.18 - share_lost * 1.2)


# ---------------------------------------------------------------------------------------------------- the end

BOT = """
import asyncio, socket, sys

from conversations_async import ConversationsClient
from conversations_async.webhooks import MessageAdded, Router

server, listener, account, token, api = sys.argv[1:]
router = Router(token, client=lambda: ConversationsClient(account, token, base_url=api), drain=30)

@router.on(MessageAdded)
async def answer(event: MessageAdded, client: ConversationsClient) -> None:
    while (await client.conversations.fetch("gate")).friendly_name != "open":
        await asyncio.sleep(0.02)
    await client.messages(event.conversation_sid).create(author="bot", body=f"{event.index}")

listener = socket.socket(fileno=int(listener))
if server == "aiohttp":
    from aiohttp import web

    web.run_app(router.aiohttp_app("/hooks"), sock=listener, print=None)
else:
    import uvicorn

    config = uvicorn.Config(router.asgi_app("/hooks"), log_config=None, lifespan="on")
    uvicorn.Server(config).run(sockets=[listener])
"""


#: How a program ends that was told to: when uvicorn has done everything, it lets the signal have its way.
ENDS = {"aiohttp": 0, "uvicorn": -signal.SIGTERM}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM, and no socket can be handed on")
@both
async def test_sigterm_drains(server: str, emulator: Emulator, client: ConversationsClient) -> None:
    """A program that is told to end takes nothing more, handles what it has acknowledged, and ends well."""
    if server == "uvicorn":
        pytest.importorskip("uvicorn")
    gate = await client.conversations.create(unique_name="gate")
    rooms = [(await client.conversations.create()).sid for _ in range(5)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, number = listener.getsockname()[1], listener.fileno()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", BOT, server, f"{number}", ACCOUNT_SID, AUTH_TOKEN, emulator.url),
            pass_fds=[number],
            stderr=asyncio.subprocess.PIPE,
        )
    try:
        async with asyncio.timeout(60):
            forms = [form_of(room, f"IM{n}{room}", n) for n in range(4) for room in rooms]
            statuses = await post(f"http://127.0.0.1:{port}{PATH}", ((form, "") for form in forms))
            assert statuses == [200] * len(forms)
            process.send_signal(signal.SIGTERM)
            await closed(port)
            assert process.returncode is None
            assert [await client.messages(room).stream().list() for room in rooms] == [[]] * len(rooms)
            await client.conversations.update(gate.sid, friendly_name="open")
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert said == b""
    assert await process.wait() == ENDS[server]
    for room in rooms:
        assert await bodies(client, room) == ["0", "1", "2", "3"]


async def closed(port: int) -> None:
    """Wait until nobody takes connections at a port."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return
        writer.close()
        await asyncio.sleep(0.01)


# -------------------------------------------------------------------------------------------------- bad input

GOOD = form_of("CH1", "IM1", 0)


def request(body: bytes, signature: str | None, *, method: str = "POST", content_type: str = FORM) -> bytes:
    """Write a request, letter by letter."""
    more = f"Content-Type: {content_type}\r\n"
    if signature is not None:
        more += f"X-Twilio-Signature: {signature}\r\n"
    return raw(PATH, method=method, body=body, more=more)


def signed(form: dict[str, str] | list[tuple[str, str]]) -> bytes:
    """Write a request whose signature is good."""
    return request(urlencode(form).encode(), sign(URL, AUTH_TOKEN, params=form))


ENCODED = urlencode(GOOD).encode()
SIGNATURE = sign(URL, AUTH_TOKEN, params=GOOD)
BAD = {
    "unsigned": (400, request(ENCODED, None)),
    "wrongly signed": (403, request(ENCODED, sign(URL, "another-token", params=GOOD))),
    "replayed with another body": (403, request(ENCODED.replace(b"alice", b"mallory"), SIGNATURE)),
    "replayed as another event": (403, request(ENCODED.replace(b"Added", b"Removed"), SIGNATURE)),
    "replayed with a parameter more": (403, request(ENCODED + b"&ClientIdentity=alice", SIGNATURE)),
    "no UTF-8": (400, request(b"EventType=onMessageAdded&Body=\xff", SIGNATURE)),
    "no UTF-8 when unquoted": (400, request(b"EventType=onMessageAdded&Body=%FF", SIGNATURE)),
    "two event types": (400, signed([*GOOD.items(), ("EventType", "onMessageRemoved")])),
    "two bodies": (400, signed([*GOOD.items(), ("Body", "another")])),
    "no event type": (400, signed({name: GOOD[name] for name in GOOD if name != "EventType"})),
    "no SID": (400, signed({name: GOOD[name] for name in GOOD if name != "MessageSid"})),
    "too large": (413, signed({**GOOD, "Body": "a" * 10_000_000})),
    "PUT": (405, request(ENCODED, SIGNATURE, method="PUT")),
    "JSON": (415, request(b'{"EventType": "onMessageAdded"}', SIGNATURE, content_type="application/json")),
}


async def status_of(port: int, sent: bytes) -> int:
    """Send bytes, and read the status of the answer."""
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(sent)
            return int((await reader.readline()).split()[1])
        finally:
            writer.transport.abort()


@both
@pytest.mark.parametrize("name", BAD)
async def test_bad_input_is_refused(server: str, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """It gets its status and one debug line, reaches no handler, and the next request is taken."""
    status, sent = BAD[name]
    caplog.set_level(logging.DEBUG)
    router, told = Router(AUTH_TOKEN), list[Event]()

    @router.on(Event)
    async def note(event: Event) -> None:
        told.append(event)

    async with served(server, router) as url:
        port = int(url.rpartition(":")[2].partition("/")[0])
        assert await status_of(port, sent) == status
        lines = [record for record in caplog.records if record.name == "conversations_async.webhooks"]
        assert [record.levelno for record in lines] == [logging.DEBUG]
        assert f"refused with {status}" in lines[0].getMessage()
        assert "alice" not in lines[0].getMessage()
        assert await status_of(port, signed(GOOD)) == 200
    assert [event.event_type for event in told] == ["onMessageAdded"]
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.WARNING]

"""Nothing is written twice: what leaves a write in doubt, and how a message is sent once all the same."""

from __future__ import annotations

import asyncio
import inspect
import json
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from conversations_async import (
    APIError,
    ConflictError,
    ConversationsClient,
    ConversationsError,
    DecodeError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ResponseTooLargeError,
    RetryPolicy,
    ServerError,
    TransportError,
    UploadError,
)
from conversations_async.emulator import Emulator
from conversations_async.once import IDEMPOTENCY_KEY, has_key, with_key
from conversations_async.session import SessionManager

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION, MESSAGE, SERVICE
from .operations import OPERATIONS, Operation, sent
from .operations import given as values
from .servers import DROP, HANG, Played, Scripted, answer, page
from .support import deterministic, json_values

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from conversations_async import Message, MessageRepository
    from conversations_async.connections import Pool

#: Three attempts, and no waits between them.
SWIFT = RetryPolicy(max_attempts=3, base_delay=0)

CREATED = answer(201, {"sid": CONVERSATION})


def connect(url: str, **options: Any) -> ConversationsClient:
    """Make a client that does not wait between attempts."""
    return ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=url, **{"retry": SWIFT, **options})


async def until_it_waits(server: Scripted, pool: Pool) -> None:
    """Wait until the one call of a client has its answer, and waits to try again."""
    await server.arrived.wait()
    while pool.slots._value < 100 or not pool.waits:  # noqa: ASYNC110  # nobody tells of it
        await asyncio.sleep(0)


# ------------------------------------------------------------------------------------ what may have been done

POST, DELETE, GET = "POST", "DELETE", "GET"

CALLS: dict[str, Callable[[ConversationsClient], Awaitable[object]]] = {
    POST: lambda client: client.conversations.create(),
    DELETE: lambda client: client.conversations.delete(CONVERSATION),
    GET: lambda client: client.conversations.fetch(CONVERSATION),
}

#: How often each kind of call is tried, for the failures …
ALWAYS = {POST: 3, DELETE: 3, GET: 3}  # … that are refusals for now, or before anything was sent
PASSING = {POST: 1, DELETE: 3, GET: 3}  # … that pass, and leave it open what was done
NEVER = {POST: 1, DELETE: 1, GET: 1}  # … that stay

#: What a server may do, the error of it, whether it may have carried out a write, and how often it is asked.
FAILURES: dict[str, tuple[bytes | None, type[ConversationsError], bool, dict[str, int]]] = {
    **{str(status): (answer(status, {}), ServerError, True, PASSING) for status in (500, 502, 503, 504)},
    **{str(status): (answer(status, {}), ServerError, True, NEVER) for status in (501, 505, 599)},
    **{
        str(status): (answer(status, {}), APIError, False, NEVER)
        for status in (400, 401, 403, 404, 405, 409, 410, 411, 413, 415, 422, 451, 499)
    },
    "408": (answer(408, {}), APIError, True, NEVER),
    "429": (answer(429, {}), RateLimitError, False, ALWAYS),
    **{
        str(status): (answer(status, {}, headers={"Location": "/"}), APIError, True, NEVER)
        for status in (300, 301, 302, 303, 307, 308)
    },
    "closed": (DROP, TransportError, True, PASSING),
    "half a head": (b"HTTP/1.1 201 Crea", TransportError, True, PASSING),
    "half a body": (CREATED[:-5], TransportError, True, PASSING),
    "half a refusal": (answer(404, {"code": 20404})[:-5], TransportError, False, PASSING),
    "garbage": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", TransportError, True, PASSING),
    "too large": (answer(201, {"sid": "x" * 2000}), ResponseTooLargeError, True, NEVER),
    "no answer": (HANG, RequestTimeoutError, True, PASSING),
}


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("failure", FAILURES)
async def test_what_a_server_does_to_a_call(failure: str, method: str) -> None:
    """A write is ambiguous unless it was refused, a read never; what may have been done is not repeated."""
    entry, kind, doubtful, requests = FAILURES[failure]
    async with Scripted.of([entry]) as server:
        timeout = 0.05 if entry is HANG else 20
        async with connect(server.url, timeout=timeout, max_response_size=1000) as client:
            with pytest.raises(kind) as caught:
                await CALLS[method](client)
    assert caught.value.ambiguous == (doubtful and method != GET)
    assert getattr(caught.value, "sent", True)
    assert len(server.requests) == caught.value.attempts == requests[method]


@pytest.mark.parametrize("method", [POST, GET])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"sid": 5}', b"<html>"])
async def test_an_answer_that_cannot_be_read(body: bytes, method: str) -> None:
    """What was answered with a success has happened, whatever the answer says; it is not asked for again."""
    async with Scripted.of([answer(200, body)]) as server, connect(server.url) as client:
        with pytest.raises(DecodeError) as caught:
            await CALLS[method](client)
    assert (caught.value.ambiguous, len(server.requests)) == (method == POST, 1)


@pytest.mark.parametrize("method", CALLS)
async def test_a_connection_that_is_reset(method: str) -> None:
    """A reset says nothing of what was done before."""

    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async with Played(play=reset) as server, connect(server.url) as client:
        with pytest.raises(TransportError) as caught:
            await CALLS[method](client)
    assert (caught.value.ambiguous, caught.value.sent) == (method != GET, True)
    assert len(server.requests) == caught.value.attempts == PASSING[method]


@pytest.mark.parametrize("method", CALLS)
async def test_a_connection_that_is_refused(method: str) -> None:
    """What was never sent is not in doubt, and is repeated whatever it is."""
    with socket.socket() as reserved:  # bound, and not listening
        reserved.bind(("127.0.0.1", 0))
        async with connect(f"http://127.0.0.1:{reserved.getsockname()[1]}") as client:
            with pytest.raises(TransportError) as caught:
                await CALLS[method](client)
    assert (caught.value.ambiguous, caught.value.sent, caught.value.attempts) == (False, False, 3)


@pytest.mark.parametrize("method", CALLS)
async def test_a_wait_for_a_connection_that_is_too_long(method: str) -> None:
    """Who got no connection in time has sent nothing."""
    async with Scripted.of([HANG]) as server, connect(server.url, max_connections=1) as client:
        first = asyncio.create_task(client.conversations.fetch(CONVERSATION))
        await server.arrived.wait()
        with pytest.raises(RequestTimeoutError) as caught:
            await CALLS[method](client.with_options(timeout=0.01))
        first.cancel()
    assert (caught.value.ambiguous, caught.value.sent, caught.value.attempts) == (False, False, 3)
    assert len(server.requests) == 1


@pytest.mark.parametrize("method", CALLS)
async def test_a_client_that_is_closed_while_a_call_is_queued(method: str) -> None:
    """Who waits for a connection when the client is closed has sent nothing."""
    async with Scripted.of([HANG]) as server:
        client = connect(server.url, max_connections=1)
        first = asyncio.create_task(client.conversations.fetch(CONVERSATION))
        await server.arrived.wait()
        queued = asyncio.ensure_future(CALLS[method](client))
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(TransportError, match="closed meanwhile") as caught:
            await queued
        with pytest.raises(TransportError, match="closed meanwhile"):
            await first
    assert (caught.value.ambiguous, caught.value.sent, len(server.requests)) == (False, False, 1)


@pytest.mark.parametrize("method", CALLS)
async def test_a_client_that_is_closed_while_a_call_is_under_way(method: str) -> None:
    """What was sent and has no answer when the client is closed is in doubt."""
    async with Scripted.of([HANG]) as server:
        client = connect(server.url)
        call = asyncio.ensure_future(CALLS[method](client))
        await server.arrived.wait()
        await client.close()
        with pytest.raises(TransportError, match="closed meanwhile") as caught:
            await call
    assert (caught.value.ambiguous, caught.value.sent) == (method != GET, True)


@pytest.mark.parametrize(
    ("method", "status", "doubtful"),
    [(POST, 429, False), (DELETE, 429, False), (DELETE, 503, True), (GET, 503, False)],
)
async def test_a_client_that_is_closed_in_a_pause(method: str, status: int, *, doubtful: bool) -> None:
    """A call that ends between two attempts is as much in doubt as the first one left it."""
    entry = answer(status, {}, headers={"Retry-After": "20"})
    async with Scripted.of([entry]) as server, asyncio.timeout(10):
        client = connect(server.url)
        pool = await client._session._connections.pool()
        call = asyncio.ensure_future(CALLS[method](client))
        await until_it_waits(server, pool)
        await client.close()
        with pytest.raises(TransportError, match="closed meanwhile") as caught:
            await call
    assert (caught.value.ambiguous, len(server.requests)) == (doubtful, 1)


async def test_an_upload_whose_source_fails() -> None:
    """An upload that ended in the middle is in doubt; one that was refused is not."""

    async def source() -> AsyncIterator[bytes]:
        yield b"some"
        raise OSError("the disk is gone")

    async with Scripted.of([HANG]) as server, connect(server.url) as client:
        with pytest.raises(UploadError) as caught:
            await client.service(SERVICE).media.upload(source(), content_type="text/plain")
    assert (caught.value.ambiguous, caught.value.attempts) == (True, 1)
    async with Scripted.of([answer(413, {})]) as server, connect(server.url) as client:
        with pytest.raises(APIError) as refused:
            await client.service(SERVICE).media.upload(b"some", content_type="text/plain")
    assert not refused.value.ambiguous


@pytest.mark.parametrize(
    ("method", "script", "kind", "doubtful"),
    [
        (POST, [answer(500, {}), answer(409, {})], ConflictError, True),
        (POST, [DROP, answer(429, {}), answer(403, {})], PermissionDeniedError, True),
        (POST, [answer(429, {}), answer(409, {})], ConflictError, False),
        (DELETE, [DROP, answer(403, {})], PermissionDeniedError, True),
        (DELETE, [answer(500, {}), answer(429, {})], RateLimitError, True),
        (DELETE, [answer(429, {}), answer(403, {})], PermissionDeniedError, False),
        (DELETE, [answer(429, {}), answer(404, {})], NotFoundError, False),
        (GET, [DROP, answer(403, {})], PermissionDeniedError, False),
    ],
)
async def test_an_attempt_in_doubt_leaves_the_call_in_doubt(
    method: str, script: list[bytes], kind: type[APIError], *, doubtful: bool
) -> None:
    """A later refusal does not undo what an earlier attempt may have done."""
    retry = evolve(SWIFT, retry_posts=True)
    async with Scripted.of(script) as server, connect(server.url, retry=retry) as client:
        with pytest.raises(kind) as caught:
            await CALLS[method](client)
    assert (caught.value.ambiguous, len(server.requests)) == (doubtful, caught.value.attempts)
    assert ("may have been carried out" in str(caught.value)) is doubtful


@pytest.mark.parametrize(
    ("fault", "written"),
    [
        ({"status": 500}, 0),
        ({"status": 500, "after": True}, 1),
        ({"reset": "before"}, 0),
        ({"reset": "after"}, 1),
        ({"reset": "during"}, 1),
        ({"body": "truncated"}, 1),
        ({"body": "malformed"}, 1),
        ({"latency": 0.8, "after": True}, 1),
    ],
)
async def test_what_is_ambiguous_may_be_there_or_not(
    emulator: Emulator, fault: dict[str, Any], written: int
) -> None:
    """The same word is for a write that happened and for one that did not: nobody can tell them apart."""
    async with connect(emulator.url) as client:
        conversation = await client.conversations.create()
        messages = client.messages(conversation.sid)
        emulator.faults.add(operation="messages.create", **fault)
        with pytest.raises(ConversationsError) as caught:
            hasty = client.with_options(timeout=0.4 if "latency" in fault else 20)
            await hasty.messages(conversation.sid).create(body="Ahoy")
        assert caught.value.ambiguous
        assert len(await messages.stream().list()) == written


# ------------------------------------------------------------------------------------------ one for each key

#: What happens to a message on its way in, and how often: before or after it is written.
FAULTS: list[dict[str, Any]] = [
    {"status": 500, "probability": 0.12},
    {"status": 500, "after": True, "probability": 0.12},
    {"reset": "after", "probability": 0.12},
    {"latency": 3, "after": True, "probability": 0.02},
]
#: Seconds; what answers at all answers sooner.
PATIENCE = 1.0

Send = Callable[["MessageRepository", str, int], "Awaitable[Message]"]


async def once(messages: MessageRepository, key: str, number: int) -> Message:
    """Send, and after any error send again, with a search as far back as there may be others."""
    look_back = 1  # the key is fresh: this says from where on to read back
    while True:
        try:
            return await messages.create_once(key=key, look_back=look_back, body=f"{number}")
        except ConversationsError:
            look_back = 1000


async def naively(messages: MessageRepository, key: str, number: int) -> Message:
    """Send, and after any error send again."""
    while True:
        try:
            return await messages.create(attributes={IDEMPOTENCY_KEY: key}, body=f"{number}")
        except ConversationsError:
            pass


async def deliver(seed: int, count: int, send: Send, retry: RetryPolicy) -> tuple[Counter[str], list[int]]:
    """Send so many messages, 40 at a time, to one conversation that breaks.

    Give how many are there of each key, and how often each fault has hit.
    """
    sids: set[str] = set()
    async with Emulator(fault_seed=seed) as emulator, connect(emulator.url, retry=retry) as client:
        conversation = await client.conversations.create()
        messages = client.with_options(timeout=PATIENCE).messages(conversation.sid)
        faults = [emulator.faults.add(operation="messages.create", **fault) for fault in FAULTS]
        left = iter(range(count))

        async def work() -> None:
            for number in left:
                sids.add((await send(messages, f"key {number}", number)).sid)

        async with asyncio.timeout(120):
            await asyncio.gather(*(work() for _ in range(40)))
        hits = [emulator.faults.count(fault) for fault in faults]
        emulator.faults.clear()
        there = await client.messages(conversation.sid).stream(page_size=1000).list()
    assert len(sids) == count
    assert sids <= {message.sid for message in there}
    return Counter(message.parsed_attributes[IDEMPOTENCY_KEY] for message in there), hits


async def test_a_thousand_messages_are_a_thousand() -> None:
    """1,000 sends to a server that fails before and after it has written are 1,000 messages, each once."""
    keys, hits = await deliver(7, 1000, once, RetryPolicy(base_delay=0, budget=None))
    assert keys == {f"key {number}": 1 for number in range(1000)}
    assert min(hits) >= 10
    assert sum(hits) >= 300


async def test_each_message_is_there_once() -> None:
    """Whatever the policy, and whether a call or its caller tries again, each key has one message."""
    policies = [SWIFT, RetryPolicy(max_attempts=1), RetryPolicy(base_delay=0, budget=3, retry_posts=True)]
    runs = [deliver(seed, 12, once, retry) for seed, retry in enumerate(policies)]
    for keys, _ in await asyncio.gather(*runs):
        assert keys == {f"key {number}": 1 for number in range(12)}


async def test_a_naive_sender_repeats_itself() -> None:
    """Who only tries again until it works has more messages than it sent: the faults are not harmless."""
    keys, _ = await deliver(7, 40, naively, SWIFT)
    assert len(keys) == 40
    assert keys.total() > 40


# ----------------------------------------------------------------------------------------------- it is known


async def in_a_conversation(client: ConversationsClient) -> MessageRepository:
    """Give the messages of a new conversation."""
    return client.messages((await client.conversations.create()).sid)


async def test_the_same_key_is_the_same_message(emulator: Emulator) -> None:
    """Later, in another client, with other contents: the message of that key is returned, as it is now."""
    async with connect(emulator.url) as client:
        messages = await in_a_conversation(client)
        first = await messages.create_once(key="order 5", author="smee", body="Ahoy", attributes={"a": 1})
        assert first.parsed_attributes == {"a": 1, IDEMPOTENCY_KEY: "order 5"}
        assert await messages.create_once(key="order 5", author="smee", body="Ahoy") == first
        assert await messages.create_once(key="order 6", body="Ahoy") != first
        grown = first.parsed_attributes | {"seen": True}
        await messages.update(first.sid, body="Ahoy there", attributes=grown)
        async with connect(emulator.url) as other:
            conversation = first.conversation_sid or ""
            again = await other.messages(conversation).create_once(key="order 5", body="something else")
        assert (again.sid, again.body, again.parsed_attributes) == (first.sid, "Ahoy there", grown)
        assert len(await messages.stream().list()) == 2


async def test_who_replaces_the_attributes_takes_the_key() -> None:
    """A message whose attributes were overwritten, or that was deleted, is unknown: the documented limit."""
    async with Emulator() as emulator, connect(emulator.url) as client:
        messages = await in_a_conversation(client)
        first = await messages.create_once(key="1", body="Ahoy")
        await messages.update(first.sid, attributes={})
        second = await messages.create_once(key="1", body="Ahoy")
        await messages.delete(second.sid)
        third = await messages.create_once(key="1", body="Ahoy")
        assert len({first.sid, second.sid, third.sid}) == 3


async def test_newer_messages_hide_an_older_one(emulator: Emulator) -> None:
    """The search goes as far back as it is told to, to the message, and no farther."""
    async with connect(emulator.url) as client:
        messages = await in_a_conversation(client)
        first = await messages.create_once(key="1", body="Ahoy")
        for number in range(150):
            await messages.create(body=f"{number}")
        for look_back in 151, 1000, 2500:
            assert await messages.create_once(key="1", look_back=look_back, body="Ahoy") == first
        hidden = await messages.create_once(key="1", look_back=100, body="Ahoy")
        assert hidden.index == 151
        assert (await messages.create_once(key="1", look_back=2, body="Ahoy")) == hidden


async def test_whose_index_is_not_told_is_found_all_the_same() -> None:
    """An answer that leaves out the index, or the attributes, ends no search."""
    items: list[dict[str, Any]] = [{"sid": MESSAGE}, {"sid": MESSAGE[:-1], "attributes": with_key("1", None)}]
    newest = page("messages", [{"sid": MESSAGE, "index": 4}])
    script = [answer(200, newest), answer(500, {}), answer(200, page("messages", items))]
    async with Scripted.of(script) as server, connect(server.url) as client:
        assert (await client.messages(CONVERSATION).create_once(key="1")).sid == MESSAGE[:-1]
    assert len(server.requests) == 3


@pytest.mark.parametrize("attributes", [None, "", "{", "[]", "null", '"1"', "5", "[" * 10_000, '{"a": "1"}'])
async def test_what_others_write_does_not_disturb(attributes: str | None) -> None:
    """A message whose attributes are no JSON, or no object, is another one."""
    assert not has_key(attributes, "1")
    items = [{"sid": MESSAGE, "index": 4, "attributes": attributes}]
    script = [answer(200, page("messages", items)), answer(201, {"sid": MESSAGE[:-1]})]
    async with Scripted.of(script) as server, connect(server.url) as client:
        assert (await client.messages(CONVERSATION).create_once(key="1")).sid == MESSAGE[:-1]


@deterministic
@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=64).filter(str.isprintable),
    st.dictionaries(st.text(), json_values, max_size=3).filter(
        lambda members: IDEMPOTENCY_KEY not in members
    ),
    st.sampled_from(["", " ", "\n\t\r "]),
)
def test_a_key_is_one_more_member(key: str, members: dict[str, Any], space: str) -> None:
    """Any key comes back as it was, all other members stay, and so does the caller's text."""
    assert json.loads(with_key(key, members)) == members | {IDEMPOTENCY_KEY: key}
    text = json.dumps(members, indent=1)
    joined = with_key(key, space + text + space)
    assert json.loads(joined) == members | {IDEMPOTENCY_KEY: key}
    assert joined.startswith(space + text[:-1])
    assert has_key(joined, key)
    assert not has_key(joined, key + "x")


def test_the_bytes_of_a_key() -> None:
    """Of the space for attributes, a key takes its own length and 25 bytes at the most."""
    text = json.dumps({"a": "b"})
    assert len(with_key("k" * 64, text)) - len(text) <= 64 + 25


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        *(({"key": key}, "key must") for key in ("", "a" * 65, "a\n", "\x00", "\ud800", None, 5, b"a")),
        *(({"look_back": number}, "look_back must") for number in (-1, 1.5, True, None, "1")),
        *(
            ({"attributes": attributes}, "attributes must")
            for attributes in ("[]", "null", '"a"', "5", "{", "", [1], 5, {IDEMPOTENCY_KEY: "1"})
        ),
        ({"attributes": '{"a": 1, "idempotency_key": null}'}, "attributes must not have the member"),
        ({"date_created": datetime(2026, 1, 1)}, "date_created must"),  # noqa: DTZ001  # naive is the point
        ({"content_variables": "{"}, "content_variables must"),
        ({"body": "\ud800"}, "body holds half"),
        ({"attributes": {"a": "\ud83d"}}, "attributes holds half"),
        ({"attributes": '{"a": "\ud83d"}'}, "attributes must"),
        ({"webhook_enabled": "maybe"}, "webhook_enabled must"),
    ],
)
async def test_bad_input(emulator: Emulator, wrong: dict[str, Any], named: str) -> None:
    """What cannot be sent is named before anything is, the search included."""
    async with connect(emulator.url) as client:
        with pytest.raises(ValueError, match=named):
            await client.messages(CONVERSATION).create_once(**{"key": "1", **wrong})
    assert not emulator.requests


CREATING = [
    operation
    for operation in OPERATIONS
    if (operation.accessor_name, operation.verb) == ("messages", "create")
]


@pytest.mark.parametrize("operation", CREATING, ids=str)
async def test_it_sends_what_create_sends(operation: Operation) -> None:
    """Each keyword of ``create`` is one of ``create_once``, and is sent alike, but for what the key adds."""
    entry = answer(201, {"sid": MESSAGE})
    keywords = values(operation.keywords, 1)
    async with Scripted.of([entry]) as server, connect(server.url) as client:
        repository = operation.repository(client, operation.places)
        await repository.create(**keywords)
        await repository.create_once(key="1", look_back=0, **keywords)
    plain, keyed = (sent(request, "X-Twilio-Webhook-Enabled") for request in server.requests)
    attributes = with_key("1", keywords["attributes"])
    assert keyed == plain._replace(
        form=[(name, attributes if name == "Attributes" else text) for name, text in plain.form or ()]
    )
    parameters = inspect.signature(repository.create_once).parameters
    assert parameters.keys() - {"key", "look_back"} == keywords.keys()


async def test_both_apis_know_the_key(client: ConversationsClient) -> None:
    """What Conversations has written Chat finds, in a service as in the default one."""
    service = await client.services.create(friendly_name="Second line")
    conversation = await client.service(service.sid).conversations.create()
    first = await client.service(service.sid).messages(conversation.sid).create_once(key="1", body="Ahoy")
    channel = client.chat.service(service.sid).messages(conversation.sid)
    assert (await channel.create_once(key="1", body="Ahoy")).sid == first.sid
    second = await channel.create_once(key="2", body="Ahoy")
    assert (
        await client.service(service.sid).messages(conversation.sid).create_once(key="2")
    ).sid == second.sid


# ------------------------------------------------------------------------------ what it costs, how it ends

BROKEN, WRITTEN = answer(500, {}), answer(201, {"sid": MESSAGE})
NOTHING = answer(200, page("messages", []))
OTHERS = answer(200, page("messages", [{"sid": MESSAGE, "index": 4}]))
THERE = answer(200, page("messages", [{"sid": MESSAGE, "index": 5, "attributes": with_key("1", None)}]))
NOT_FOUND = answer(404, {"code": 20404, "message": "gone"})
BUSY = answer(503, {}, headers={"Retry-After": "20"})


def asked(server: Scripted) -> list[str]:
    """Name what a server was asked: POST, or the size of a page."""
    queries = [parse_qs(urlsplit(request.target).query) for request in server.requests]
    assert all(query["Order"] == ["desc"] for query in queries if query)
    return [query["PageSize"][0] if query else "POST" for query in queries]


async def outcome(server: Scripted, options: dict[str, Any] | None = None, **retry: Any) -> Any:
    """Send one message; give it, or the error."""
    async with connect(server.url, retry=evolve(SWIFT, **retry)) as client, asyncio.timeout(10):
        try:
            return await client.messages(CONVERSATION).create_once(key="1", **options or {})
        except ConversationsError as error:
            return error


@pytest.mark.parametrize(
    ("look_back", "script", "requests"),
    [
        (100, [NOTHING, WRITTEN], ["100", "POST"]),
        (1, [OTHERS, WRITTEN], ["1", "POST"]),
        (1000, [OTHERS, WRITTEN], ["1000", "POST"]),
        (2500, [OTHERS, WRITTEN], ["1000", "POST"]),
        (0, [WRITTEN], ["POST"]),
        (100, [THERE], ["100"]),
        (100, [OTHERS, BROKEN, OTHERS, WRITTEN], ["100", "POST", "100", "POST"]),
        (1, [OTHERS, DROP, THERE], ["1", "POST", "100"]),
        (1000, [NOTHING, BROKEN, OTHERS, WRITTEN], ["1000", "POST", "100", "POST"]),
        (0, [BROKEN, OTHERS, WRITTEN], ["POST", "1000", "POST"]),
        (0, [DROP, THERE], ["POST", "1000"]),
        (0, [BROKEN, NOTHING, BROKEN, NOTHING, WRITTEN], ["POST", "1000", "POST", "1000", "POST"]),
        (0, [answer(201, b"{"), THERE], ["POST", "1000"]),
        (0, [answer(408, {}), THERE], ["POST", "1000"]),
        (0, [answer(429, {}), BROKEN, THERE], ["POST", "POST", "1000"]),
        (0, [BROKEN, NOTHING, NOT_FOUND, THERE], ["POST", "1000", "POST", "1000"]),
        (0, [BROKEN, answer(503, {}), NOTHING, WRITTEN], ["POST", "1000", "1000", "POST"]),
        (0, [BUSY, THERE], ["POST", "1000"]),
    ],
)
@pytest.mark.parametrize("retry_posts", [False, True])
async def test_what_it_costs(
    look_back: int, script: list[bytes], requests: list[str], *, retry_posts: bool
) -> None:
    """One search before, and for each ambiguous failure a look and an attempt; no other write is repeated."""
    async with Scripted.of(script) as server:
        # too short a time for what BUSY asks for
        sent = await outcome(server, {"look_back": look_back}, retry_posts=retry_posts, total_timeout=10)
    assert sent.sid == MESSAGE
    assert asked(server) == requests


@pytest.mark.parametrize("after", [True, False])
async def test_all_that_is_newer_is_read_back(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    """All that has come since the first search is read back, in pages of 100, and nothing before it."""
    async with connect(emulator.url) as client:
        messages = await in_a_conversation(client)
        for number in range(120):
            await messages.create(body=f"{number}")

        async def others(*_: object) -> None:
            for number in range(150):
                await messages.create(body=f"{number}")

        monkeypatch.setattr(SessionManager, "pause", others)
        emulator.faults.add(operation="messages.create", status=500, after=after, times=1)
        sent = await messages.create_once(key="1", look_back=120, body="Ahoy")
        assert sent.index == (120 if after else 270)
        assert len(await messages.stream(page_size=1000).list()) == 271
    looks = [request.query for request in emulator.requests if request.operation == "messages.list"]
    assert len(looks) == 1 + 2 + 1  # the search, two pages back, and the list above


@pytest.mark.parametrize(
    ("script", "kind", "doubtful", "requests"),
    [
        ([answer(400, {})], APIError, False, ["POST"]),
        ([NOT_FOUND], NotFoundError, False, ["POST"]),
        ([answer(409, {})], ConflictError, False, ["POST"]),
        ([answer(429, {})], RateLimitError, False, ["POST"] * 3),
        ([answer(429, {}), NOT_FOUND], NotFoundError, False, ["POST"] * 2),
        ([BROKEN, NOTHING, NOT_FOUND, NOTHING], NotFoundError, True, ["POST", "1000"] * 2),
        ([BROKEN, NOTHING] * 3, ServerError, True, ["POST", "1000"] * 3),
        ([BROKEN, NOTHING, answer(429, {}), answer(429, {}), NOTHING], RateLimitError, True,
            ["POST", "1000", "POST", "POST", "1000"]),
        ([answer(201, b"{"), NOTHING], DecodeError, True, ["POST", "1000"]),
        ([WRITTEN[:-5], NOTHING], TransportError, True, ["POST", "1000"]),
        ([answer(302, {}), NOTHING], APIError, True, ["POST", "1000"]),
        ([answer(408, {}), NOTHING], APIError, True, ["POST", "1000"]),
        ([BUSY, NOTHING], ServerError, True, ["POST", "1000"]),
        ([BROKEN, NOT_FOUND], ServerError, True, ["POST", "1000"]),
        ([BROKEN, answer(200, b"{")], ServerError, True, ["POST", "1000"]),
        ([BROKEN, BROKEN], ServerError, True, ["POST", "1000", "1000", "1000"]),
    ],
)  # fmt: skip
async def test_how_it_fails(
    script: list[bytes], kind: type[ConversationsError], requests: list[str], *, doubtful: bool
) -> None:
    """What ends in failure raises the error of the last write; ambiguous, if one of them was."""
    async with Scripted.of(script) as server:
        error = await outcome(server, {"look_back": 0}, total_timeout=10)
    assert type(error) is kind
    assert (error.ambiguous, error.method) == (doubtful, "POST")
    assert error.attempts == requests.count("POST")
    assert asked(server) == requests
    failed_back = script[-1] is not NOTHING and requests[-1] != "POST"
    assert (error.__cause__ is not None) == failed_back


@pytest.mark.parametrize("script", [[NOT_FOUND], [answer(200, b"{")], [BROKEN]])
async def test_a_search_that_fails(script: list[bytes]) -> None:
    """Where the first search fails nothing is written, and the error is that of the search."""
    async with Scripted.of(script) as server:
        error = await outcome(server)
    assert (error.ambiguous, error.method) == (False, "GET")
    assert "POST" not in asked(server)


async def test_one_attempt_is_looked_for_and_not_repeated() -> None:
    """With ``max_attempts=1`` what may have been written is read back once, and never written again."""
    async with Scripted.of([DROP, THERE]) as server:
        assert (await outcome(server, {"look_back": 0}, max_attempts=1)).sid == MESSAGE
    async with Scripted.of([DROP, NOTHING]) as server:
        error = await outcome(server, {"look_back": 0}, max_attempts=1)
        assert (error.ambiguous, error.attempts, asked(server)) == (True, 1, ["POST", "1000"])


async def test_the_total_time_is_for_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request has what is left of the time and of the attempts; without any, nothing is read back."""
    given: list[RetryPolicy] = []
    retrying = SessionManager.retrying

    def noted(session: SessionManager, retry: RetryPolicy, *, again: bool) -> SessionManager:
        given.append(retry)
        return retrying(session, retry, again=again)

    monkeypatch.setattr(SessionManager, "retrying", noted)
    async with Scripted.of([NOTHING, BROKEN, NOTHING, HANG]) as server:
        error = await outcome(server, total_timeout=0.3)
        assert asked(server) == ["100", "POST", "100", "POST"]
    assert isinstance(error, RequestTimeoutError)
    assert (error.ambiguous, error.attempts) == (True, 2)
    assert "total_timeout" in str(error)
    times = [retry.total_timeout for retry in given]
    assert times == sorted(times, reverse=True)
    assert len({0.3, *times}) == 5
    assert [retry.max_attempts for retry in given] == [3, 3, 3, 2]


async def test_what_is_tried_again_costs_credit() -> None:
    """Each look after a failure, and each attempt after that, takes one of the retries that calls have."""
    async with Scripted.of([BROKEN, NOTHING]) as server:
        error = await outcome(server, {"look_back": 0}, budget=0)
        assert asked(server) == ["POST"]
        assert (error.ambiguous, "budget" in error.__notes__[0]) == (True, True)
    async with Scripted.of([BROKEN, NOTHING]) as server:
        error = await outcome(server, {"look_back": 0}, budget=1)
        assert asked(server) == ["POST", "1000"]
        assert (error.ambiguous, "budget" in error.__notes__[0]) == (True, True)


@pytest.mark.parametrize("operation", ["messages.create", "messages.*"])
async def test_a_brown_out_is_no_storm(emulator: Emulator, operation: str) -> None:
    """Where all writes fail, requests are a fifth more than calls, looks included, and what was on credit."""
    retry = RetryPolicy(base_delay=0, budget=50)
    async with connect(emulator.url, retry=retry) as client:
        messages = await in_a_conversation(client)
        emulator.faults.add(operation=operation, status=500)
        for number in range(100):
            with pytest.raises(ServerError):
                await messages.create_once(key=f"{number}", look_back=0)
    requests = len([request for request in emulator.requests if request.path.endswith("/Messages")])
    assert 100 * 1.2 + 48 <= requests <= 100 * 1.2 + 50


async def test_a_wait_that_would_end_too_late_is_not_begun() -> None:
    """What the time that has passed does not leave is not waited for: a look at once, and the error."""
    patient = answer(503, {}, headers={"Retry-After": "9.99999"})
    async with Scripted.of([NOTHING, patient, NOTHING]) as server:
        error = await outcome(server, total_timeout=10)
        assert asked(server) == ["100", "POST", "100"]
    assert (error.retry_after, error.ambiguous) == (9.99999, True)


async def test_closing_the_client_ends_the_wait() -> None:
    """Who closes the client ends a call that waits to try again; what it was about stays in doubt."""
    async with Scripted.of([BUSY]) as server, asyncio.timeout(10):
        client = connect(server.url)
        pool = await client._session._connections.pool()
        call = asyncio.create_task(client.messages(CONVERSATION).create_once(key="1", look_back=0))
        await until_it_waits(server, pool)
        await client.close()
        with pytest.raises(ServerError) as caught:
            await call
    assert caught.value.ambiguous
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert len(server.requests) == 1


async def test_cancelling_ends_the_wait() -> None:
    """A call that is cancelled while it waits to try again leaves nothing, and sends nothing."""
    async with Scripted.of([BUSY]) as server, asyncio.timeout(10), connect(server.url) as client:
        pool = await client._session._connections.pool()
        call = asyncio.create_task(client.messages(CONVERSATION).create_once(key="1", look_back=0))
        await until_it_waits(server, pool)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not pool.waits
    assert len(server.requests) == 1


async def test_a_look_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A failure that is looked into is a warning, which shows neither the key nor the message."""
    async with Scripted.of([BROKEN, THERE]) as server:
        await outcome(server, {"look_back": 0, "body": "private"})
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.getMessage().startswith("POST /v1/Conversations/CH")
    assert "500; a look follows in 0.00 s" in record.getMessage()
    assert "private" not in record.getMessage()

"""Secrets: nothing that an error, a log or a warning shows holds a token, a text, or a telephone number.

What must not be shown is made up for each run, and stands in ``HIDDEN``, so that no frame of a test shows it.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import inspect
import json
import logging
import pickle
import secrets
import shlex
import warnings
from collections import UserDict
from contextlib import asynccontextmanager
from traceback import TracebackException
from types import FunctionType
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, create_autospec
from urllib.parse import quote, quote_plus

import aiohttp
import pytest
from attrs import field as attrs_field
from attrs import make_class

from conversations_async import (
    APIError,
    AuthenticationError,
    ConversationsClient,
    ConversationsError,
    DecodeError,
    MergeError,
    NotFoundError,
    PaginationError,
    RateLimitError,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    Stream,
    TransportError,
    UploadError,
    merge_streams,
)
from conversations_async._masking import mask_path, mask_text
from conversations_async._sealing import Sealed, forget, sealed
from conversations_async.hosts import Hosts
from conversations_async.resources.messages import Message, MessageRepository
from conversations_async.response import Response
from conversations_async.transport import Call

from .conftest import ACCOUNT_SID, CONVERSATION, MESSAGE, SERVICE
from .servers import DROP, HANG, Scripted, answer, page

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator


class Hidden:
    """What must not be shown, by names that may be."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(16)
        self.key_secret = secrets.token_hex(16)
        self.password = secrets.token_hex(8)
        self.body = f"It's {secrets.token_hex(8)}"
        self.attribute = secrets.token_hex(8)
        self.chunk = secrets.token_hex(8).encode()
        self.signature = secrets.token_hex(8)
        self.phone = f"+1{10**9 + secrets.randbelow(9 * 10**9)}"
        self.other_phone = f"+44{10**9 + secrets.randbelow(9 * 10**9)}"

    @property
    def attributes(self) -> dict[str, Any]:
        """The attribute, as a mapping."""
        return {"note": self.attribute}

    @property
    def bad_attributes(self) -> dict[str, Any]:
        """Likewise, with what JSON has not."""
        return {"note": self.attribute, "bad": {1, 2}}

    @property
    def proxy(self) -> str:
        """The address of a proxy that nobody runs."""
        return f"http://user:{self.password}@127.0.0.1:9"

    def found_in(self, shown: str) -> set[str]:
        """Name what a text shows, in any of the ways in which it may be written."""
        return {name for name, value in vars(self).items() if any(form in shown for form in _forms(value))}


def _forms(value: str | bytes) -> Iterator[str]:
    text = value.decode() if isinstance(value, bytes) else value
    yield from {
        text,
        text.lstrip("+"),
        quote(text),
        quote_plus(text),
        json.dumps(text)[1:-1],
        repr(text)[1:-1],
    }
    # within base64, a text looks one of three ways, but for its ends
    for place in range(3):
        yield base64.b64encode(b" " * place + text.encode()).decode()[4:-4]


HIDDEN = Hidden()


def reachable(error: BaseException) -> list[BaseException]:
    """Give an error, and all that led to it."""
    found = [error]
    for one in found:
        others = [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
        found += [other for other in others if other is not None and other not in found]
    return found


def shown_by(error: BaseException) -> str:
    """Give all that logs, reports and other processes make of an error."""
    texts = []
    for one in reachable(error):
        texts += [str(one), repr(one), repr(one.args), repr(vars(one))]
        texts += TracebackException.from_exception(one, capture_locals=True).format()
        if isinstance(one, ConversationsError):
            texts.append(pickle.dumps(one).decode("latin-1"))
    return "\n".join(texts)


def shown_by_logs(records: list[logging.LogRecord]) -> str:
    """Give all that handlers make of what was logged."""
    return "\n".join(f"{record.getMessage()} {vars(record)!r}" for record in records)


@pytest.fixture(autouse=True)
def nothing_logged(caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> Iterator[None]:
    """Let every logger say all that it can; no secret is among it, and none in a warning."""
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield
        gc.collect(1)
    assert HIDDEN.found_in(shown_by_logs(caplog.get_records("call"))) == set()
    assert HIDDEN.found_in(repr([vars(one) for one in warned])) == set()


def policy(attempts: int = 2) -> RetryPolicy:
    """Try again at once."""
    return RetryPolicy(max_attempts=attempts, base_delay=0)


def client_of(url: str, **options: Any) -> ConversationsClient:
    """Make a client, whose credentials are hidden."""
    usual: dict[str, Any] = {"retry": policy(), "timeout": 5.0}
    return ConversationsClient(ACCOUNT_SID, HIDDEN.token, base_url=url, **usual | options)


# ------------------------------------------------------------------------------------------------- what fails


async def chunks(*, fail: bool = False) -> AsyncGenerator[bytes]:
    """Give something to upload; these frames are the caller's own, and hold nothing."""
    yield HIDDEN.chunk
    if fail:
        raise OSError("the disk is gone")


async def read_through(stream: AsyncIterable[object]) -> None:
    """Read a stream, and keep nothing."""
    async for _ in stream:
        del _


async def download(client: ConversationsClient) -> None:
    """Read a file, and keep nothing."""
    async with client.service(HIDDEN.phone).media.download("ME" + "1" * 32) as arriving:
        try:
            await read_through(arriving)
        except BaseException as error:
            assert_hidden(error, BaseException)  # before it has left the block, too
            raise


WRITES: dict[str, Callable[[ConversationsClient], Awaitable[object]]] = {
    "create a message": lambda client: client.messages(CONVERSATION).create(
        author=HIDDEN.phone, body=HIDDEN.body, attributes=HIDDEN.attributes
    ),
    "create a message once": lambda client: client.messages(CONVERSATION).create_once(
        key="k", author=HIDDEN.phone, body=HIDDEN.body, attributes=HIDDEN.attributes, look_back=0
    ),
    "update a message": lambda client: client.messages(CONVERSATION).update(MESSAGE, body=HIDDEN.body),
    "update a user": lambda client: client.users.update(HIDDEN.phone, attributes=HIDDEN.attributes),
    "ensure a conversation": lambda client: client.conversations.ensure(
        HIDDEN.phone, friendly_name=HIDDEN.body
    ),
    "close a conversation": lambda client: client.conversations.close(HIDDEN.phone),
    "create a participant": lambda client: client.participants(HIDDEN.phone).create(
        messaging_binding_address=HIDDEN.other_phone, messaging_binding_proxy_address=HIDDEN.phone
    ),
    "create a credential": lambda client: client.credentials.create(type="fcm", secret=HIDDEN.token),
    "delete a user": lambda client: client.users.delete(HIDDEN.phone),
    "upload bytes": lambda client: client.service(HIDDEN.phone).media.upload(
        HIDDEN.chunk, content_type="text/plain", filename=HIDDEN.attribute
    ),
    "upload a stream": lambda client: client.service(SERVICE).media.upload(
        chunks(), content_type="text/plain"
    ),
    "send a file": lambda client: client.service(SERVICE).media.send(
        HIDDEN.phone, HIDDEN.chunk, content_type="text/plain", author=HIDDEN.phone, body=HIDDEN.body
    ),
    "create a chat message": lambda client: (
        client.chat.service(SERVICE).messages("CH1").create(from_=HIDDEN.phone, body=HIDDEN.body)
    ),
}
READS: dict[str, Callable[[ConversationsClient], Awaitable[object]]] = {
    "fetch a user": lambda client: client.users.fetch(HIDDEN.phone),
    "list by address": lambda client: client.participant_conversations.stream(address=HIDDEN.phone).list(),
    "list with a key": lambda client: (
        client.with_options(api_key="SK" + "1" * 32, api_secret=HIDDEN.key_secret)
        .user_conversations(HIDDEN.phone)
        .stream(read_ahead=0)
        .list()
    ),
    "iterate": lambda client: read_through(client.participant_conversations.stream(identity=HIDDEN.phone)),
    "read pages": lambda client: read_through(
        client.participant_conversations.stream(address=HIDDEN.phone, read_ahead=0).pages()
    ),
    "merge": lambda client: merge_streams(
        [client.participant_conversations.stream(address=HIDDEN.phone, page_size=size) for size in (1, 2)]
    ).list(),
    "download": download,
}
OPERATIONS = WRITES | READS
#: One of each shape, where all depends on that, and each takes its time.
SHAPES = (
    *("create a message", "create a message once", "upload a stream"),
    *("fetch a user", "list by address", "merge", "download"),
)


def says(status: int, code: int = 20001) -> bytes:
    """Answer with an error, in the API's words, which may repeat a number."""
    words = f"Invalid 'Address' {HIDDEN.phone} at /v1/Users/{quote(HIDDEN.phone)}"
    return answer(status, {"code": code, "message": words, "status": status})


#: What a server says, and what comes of it.
FAILURES: dict[str, tuple[Callable[[], bytes | None], type[ConversationsError]]] = {
    "400": (lambda: says(400), APIError),
    "401": (lambda: says(401), AuthenticationError),
    "404": (lambda: says(404), NotFoundError),
    "429": (lambda: says(429), RateLimitError),
    "500": (lambda: says(500), ServerError),
    "a reset": (lambda: DROP, TransportError),
    "a body that is cut": (lambda: answer(200, {"body": HIDDEN.body})[:-1], TransportError),
    "a cut head": (f"HTTP/1.1 200 OK\r\nX: {HIDDEN.body}".encode, TransportError),
    "no HTTP": (f"{HIDDEN.body}\r\n\r\n".encode, TransportError),
    "no JSON": (lambda: answer(200, f"{{'{HIDDEN.body}': {HIDDEN.phone}".encode()), DecodeError),
    "another shape": (
        lambda: answer(200, {"sid": {"x": HIDDEN.body}, "body": HIDDEN.body, "meta": HIDDEN.body}),
        DecodeError,
    ),
    "no UTF-8": (lambda: answer(200, b'{"sid": "' + HIDDEN.body.encode() + b'\xff"}'), DecodeError),
    "a redirect": (
        lambda: answer(307, b"", headers={"Location": f"https://example.com/{HIDDEN.signature}"}),
        APIError,
    ),
}


async def failure_of(work: Awaitable[object]) -> BaseException:
    """Await what fails, and give the error."""
    try:
        await work
    except BaseException as error:  # noqa: BLE001  # all of them count
        return error
    raise AssertionError("it did not fail")


def parts_of(error: BaseException) -> list[BaseException]:
    """Give an error, or those that a merge met."""
    if not isinstance(error, MergeError):
        return [error]
    return [part for one in error.exceptions for part in parts_of(one)]


def assert_hidden(error: BaseException, *kinds: type[BaseException]) -> None:
    """Require that an error, or each one of a merge, is of a kind, and shows no secret."""
    for one in parts_of(error):
        assert isinstance(one, kinds), repr(one)
    assert HIDDEN.found_in(shown_by(error)) == set()


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_what_a_server_does_shows_no_secret(operation: str) -> None:
    """However a server fails, the error and the log hold nothing of what was asked or answered."""
    for entry, kind in FAILURES.values():
        if kind is DecodeError and operation == "delete a user":
            continue  # nobody reads that answer
        async with Scripted.of([entry()]) as server, client_of(server.url) as client:
            assert_hidden(await failure_of(OPERATIONS[operation](client)), kind)
        assert server.requests


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_borrowed_session_shows_no_secret(failure: str) -> None:
    """Nor does the session of somebody else, where aiohttp's own errors come through."""
    entry, kind = FAILURES[failure]
    async with Scripted.of([entry()]) as server, aiohttp.ClientSession() as session:
        client = client_of(server.url, session=session)
        assert_hidden(await failure_of(OPERATIONS["create a message"](client)), kind)
        assert_hidden(await failure_of(OPERATIONS["list by address"](client)), kind)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_without_the_sealing_the_secrets_are_found(
    operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search would find what it looks for: where frames keep their variables, they show it."""
    for module in "_sealing", "pagination", "merging", "resources.media", "session":
        monkeypatch.setattr(f"conversations_async.{module}.forget", lambda _: None, raising=False)
    async with Scripted.of([answer(400)]) as server, client_of(server.url) as client:
        error = await failure_of(OPERATIONS[operation](client))
    assert HIDDEN.found_in(shown_by(error)) & {"token", "key_secret"}


# ----------------------------------------------------------------------------------- what has no whole answer


@asynccontextmanager
async def waiting(operation: str, **options: Any) -> AsyncIterator[asyncio.Task[object]]:
    """Begin what gets no answer."""
    async with Scripted.of([HANG]) as server, client_of(server.url, **options) as client:
        task = asyncio.ensure_future(OPERATIONS[operation](client))
        await server.arrived.wait()
        yield task


@pytest.mark.parametrize("operation", SHAPES)
async def test_a_time_out_shows_no_secret(operation: str) -> None:
    """Nor does a request that nobody answers in time."""
    async with waiting(operation, timeout=0.05, retry=policy(1)) as task:
        assert_hidden(await failure_of(task), RequestTimeoutError)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_cancellation_shows_no_secret(operation: str) -> None:
    """Nor does one that is cancelled."""
    async with waiting(operation) as task:
        task.cancel()
        assert_hidden(await failure_of(task), asyncio.CancelledError)


@pytest.mark.parametrize("operation", SHAPES)
async def test_the_time_of_a_caller_shows_no_secret(operation: str) -> None:
    """Nor does one whose caller waits no longer."""

    async def work(client: ConversationsClient) -> None:
        async with asyncio.timeout(0.05):
            await OPERATIONS[operation](client)

    async with Scripted.of([HANG]) as server, client_of(server.url) as client:
        assert_hidden(await failure_of(work(client)), TimeoutError)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_client_that_is_closed_shows_no_secret(operation: str) -> None:
    """Nor does one whose client is closed meanwhile, or was closed before."""
    async with Scripted.of([HANG]) as server, client_of(server.url) as client:
        task = asyncio.ensure_future(OPERATIONS[operation](client))
        await server.arrived.wait()
        await client.close()
        assert_hidden(await failure_of(task), TransportError)
        assert_hidden(await failure_of(OPERATIONS[operation](client)), RuntimeError, MergeError)


@pytest.mark.parametrize("proxied", [False, True])
async def test_a_connection_that_is_refused_shows_no_secret(proxied: bool) -> None:
    """Nor does one that reaches nobody, neither the server nor a proxy."""
    async with Scripted.of([DROP]) as server:
        url = server.url  # where nobody listens any more
    async with client_of(url, proxy=HIDDEN.proxy if proxied else None) as client:
        for operation in OPERATIONS.values():
            assert_hidden(await failure_of(operation(client)), TransportError)


@pytest.mark.parametrize("entry", [answer(407), DROP, b"secret\r\n\r\n"], ids=["407", "reset", "no HTTP"])
@pytest.mark.parametrize("url", ["http://conversations.invalid", "https://conversations.invalid"])
async def test_a_proxy_that_fails_shows_no_secret(url: str, entry: bytes) -> None:
    """Nor does one whose proxy refuses, in a tunnel or not: its password is nowhere."""
    async with Scripted.of([entry]) as server:
        proxy = Proxied(server.url)
        async with ConversationsClient(
            ACCOUNT_SID, HIDDEN.token, base_url=url, retry=policy(), proxy=proxy.address
        ) as client:
            assert_hidden(await failure_of(WRITES["create a message"](client)), ConversationsError)
    assert "Proxy-Authorization" in server.requests[0].headers


class Proxied:
    """A server as a proxy that asks for a password."""

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def address(self) -> str:
        """Its address, with the password."""
        return self.url.replace("//", f"//user:{HIDDEN.password}@")


# ------------------------------------------------------------------------------------------------- bad values

#: What a type checker would tell, too.
BAD: dict[str, Callable[[Any], object]] = {
    "a body": lambda client: client.messages("CH1").create(body=f"{HIDDEN.body}\ud800"),
    "attributes that are no JSON": lambda client: client.messages("CH1").create(
        body=HIDDEN.body, attributes="{" + HIDDEN.attribute
    ),
    "attributes that cannot be JSON": lambda client: client.messages("CH1").create(
        attributes=HIDDEN.bad_attributes
    ),
    "attributes with half a pair": lambda client: client.messages("CH1").create(
        attributes={HIDDEN.attribute: "\ud800"}
    ),
    "an identifier": lambda client: client.users.fetch(f"{HIDDEN.phone}\ud800"),
    "a place": lambda client: client.user_conversations(f"{HIDDEN.phone}\ud800"),
    "a flag": lambda client: client.messages("CH1").create(body=HIDDEN.body, webhook_enabled=HIDDEN.phone),
    "a page size": lambda client: client.participant_conversations.stream(address=HIDDEN.phone, page_size=0),
    "two filters": lambda client: client.participant_conversations.stream(
        address=HIDDEN.phone, identity=HIDDEN.body
    ),
    "a cursor": lambda client: client.users.stream(cursor=f"/v1/Roles?{HIDDEN.phone}"),
    "a name": lambda client: client.conversations.ensure(f"{HIDDEN.phone}\ud800"),
    "a participant": lambda client: client.conversations.create_with_participants(
        participant=["{" + HIDDEN.phone]
    ),
    "an unknown keyword": lambda client: client.messages("CH1").create(boddy=HIDDEN.body),
    "a missing keyword": lambda client: client.service(SERVICE).media.upload(HIDDEN.chunk),
    "a size": lambda client: client.service(SERVICE).media.upload(HIDDEN.chunk, content_type="a/b", size=1),
    "a filename": lambda client: client.service(SERVICE).media.upload(
        HIDDEN.chunk, content_type="a/b", filename=f"{HIDDEN.body}\ud800"
    ),
    "a source": lambda client: client.service(SERVICE).media.upload(
        [HIDDEN.chunk],
        content_type="a/b",
    ),
    "what goes with a file": lambda client: client.service(SERVICE).media.send(
        "CH1", HIDDEN.chunk, content_type="a/b", body=f"{HIDDEN.body}\ud800"
    ),
    "a key": lambda client: client.messages("CH1").create_once(key="", body=HIDDEN.body),
    "attributes of the wrong kind": lambda client: client.messages("CH1").create_once(
        key="k", attributes=json.dumps([HIDDEN.attribute])
    ),
    "other credentials": lambda client: client.with_options(api_key=f"SK1:{HIDDEN.key_secret}"),
    "another token": lambda client: client.with_options(auth_token=f"{HIDDEN.token}\n"),
    "an identifier among others": lambda client: client.receipts("CH1", f"{HIDDEN.phone}\ud800"),
}


def test_attributes_that_cannot_be_read_are_not_shown() -> None:
    """Nor is a message whose attributes are no JSON, or what they are."""
    error = error_of(
        lambda: Message(sid=MESSAGE, body=HIDDEN.body, attributes=HIDDEN.attribute).parsed_attributes
    )
    assert_hidden(error, DecodeError)


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_value_is_not_shown(bad: str) -> None:
    """What is refused before it is sent is named, and not quoted."""
    async with Scripted.of([DROP]) as server, client_of(server.url) as client:

        async def work() -> None:
            returned = BAD[bad](client)
            assert inspect.isawaitable(returned)
            await returned

        assert_hidden(await failure_of(work()), ValueError, TypeError)
    assert server.requests == []


anything: Any = ConversationsClient
CONSTRUCTOR: dict[str, Callable[[], object]] = {
    "a token": lambda: anything(ACCOUNT_SID, f"{HIDDEN.token} "),
    "a token of another kind": lambda: anything(ACCOUNT_SID, [HIDDEN.token]),
    "an account": lambda: anything(HIDDEN.token, HIDDEN.token),
    "a key without its secret": lambda: anything(ACCOUNT_SID, HIDDEN.token, api_key="SK1"),
    "a secret without its key": lambda: anything(ACCOUNT_SID, api_secret=HIDDEN.key_secret),
    "a key": lambda: anything(ACCOUNT_SID, api_key=f"SK1:{HIDDEN.key_secret}", api_secret=HIDDEN.key_secret),
    "a base URL": lambda: anything(
        ACCOUNT_SID, HIDDEN.token, base_url=f"https://user:{HIDDEN.password}@example.com"
    ),
    "a time-out": lambda: anything(ACCOUNT_SID, HIDDEN.token, timeout=0),
    "a region": lambda: anything(ACCOUNT_SID, HIDDEN.token, region="?"),
    "a proxy": lambda: anything(ACCOUNT_SID, HIDDEN.token, proxy=f"{HIDDEN.proxy}/path"),
    "a proxy with half a pair": lambda: anything(ACCOUNT_SID, HIDDEN.token, proxy=f"{HIDDEN.proxy}\ud800"),
    "a proxy whose port is none": lambda: anything(
        ACCOUNT_SID, HIDDEN.token, proxy=f"http://user:{HIDDEN.password}@127.0.0.1:99999"
    ),
    "an unknown keyword": lambda: anything(ACCOUNT_SID, HIDDEN.token, tiemout=1),
}


@pytest.mark.parametrize("bad", CONSTRUCTOR)
def test_a_bad_argument_of_the_client_is_not_shown(bad: str) -> None:
    """Nor is anything of what a client is made of, good or bad."""
    with pytest.raises((ValueError, TypeError)) as caught:
        CONSTRUCTOR[bad]()
    assert HIDDEN.found_in(shown_by(caught.value)) == set()


def test_a_bad_variable_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is anything of the environment."""
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", f"{HIDDEN.token} ")
    monkeypatch.setenv("TWILIO_API_SECRET", HIDDEN.key_secret)
    monkeypatch.setenv("HTTPS_PROXY", f"{HIDDEN.proxy}/path")
    with pytest.raises(ValueError, match="TWILIO_AUTH_TOKEN") as caught:
        ConversationsClient.from_env()
    assert HIDDEN.found_in(shown_by(caught.value)) == set()
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", HIDDEN.token)
    monkeypatch.delenv("TWILIO_API_SECRET")
    with pytest.raises(ValueError, match="HTTPS_PROXY") as caught:
        ConversationsClient.from_env(trust_env=True)
    assert HIDDEN.found_in(shown_by(caught.value)) == set()


# ------------------------------------------------------------------------------------------ streams and files

#: What is read of a list before it fails.
ITEMS = [
    {
        "conversation_sid": CONVERSATION,
        "participant_sid": "MB" + "1" * 32,
        "participant_identity": HIDDEN.phone,
        "conversation_friendly_name": HIDDEN.body,
    }
] * 3


def first_page(next_page_url: str = "/more") -> bytes:
    """Give a page that names a next one."""
    return answer(200, page("conversations", ITEMS, next_page_url))


def elsewhere() -> bytes:
    """Give a page whose next one is at another origin."""
    return first_page(f"https://example.com/{HIDDEN.signature}?Address={HIDDEN.phone}")


def found(client: ConversationsClient, **options: Any) -> Stream[Any]:
    """Give a list that is filtered by an address."""
    return client.participant_conversations.stream(address=HIDDEN.phone, **options)


async def read_while_failing(stream: Stream[Any]) -> None:
    """Read a stream, and let an error of its own come in between."""
    items = stream.__aiter__()
    await anext(items)
    await items.athrow(MineError(message="mine"))


def complain(*_: object) -> None:
    """Refuse to go on."""
    raise MineError(message="it is over")


async def streams_of(client: ConversationsClient) -> AsyncGenerator[Stream[Any]]:
    """Give streams, and fail."""
    yield found(client)
    raise MineError(message="no more")


READERS: dict[str, Callable[[ConversationsClient], Awaitable[object]]] = {
    "list": lambda client: found(client).list(),
    "list, none ahead": lambda client: found(client, read_ahead=0).list(),
    "list, two ahead": lambda client: found(client, read_ahead=2).list(),
    "items": lambda client: read_through(found(client)),
    "pages": lambda client: read_through(found(client).pages()),
    "pages, none ahead": lambda client: read_through(found(client, read_ahead=0).pages()),
    "limited": lambda client: found(client, limit=40).list(),
    "thrown": lambda client: read_while_failing(found(client)),
    "a merge": lambda client: merge_streams([found(client), found(client)]).list(),
    "pages of a merge": lambda client: read_through(merge_streams([found(client)]).pages()),
    "a merge that is stopped": lambda client: merge_streams([found(client)], on_error=complain).list(),
    "a merge of an iterator that fails": lambda client: merge_streams(streams_of(client)).list(),
    "a merge of an iterator that stops": lambda client: merge_streams(
        streams_of(client), on_error=complain
    ).list(),
    "a merge of merges": lambda client: merge_streams([merge_streams([found(client)])]).list(),
}


class MineError(ConversationsError):
    """What the caller raises."""


MORE = "/v1/ParticipantConversations?Page=1"
#: What a server says after a first page that names a second one, and what comes of it.
SECOND_PAGES: dict[str, tuple[Callable[[str], list[bytes | None]], type[ConversationsError]]] = {
    "it fails": (lambda url: [first_page(url + MORE), says(404)], NotFoundError),
    "it is cut": (lambda url: [first_page(url + MORE), first_page()[:-20]], TransportError),
    "it is unreadable": (
        lambda url: [first_page(url + MORE), answer(200, page("conversations", [{"x": HIDDEN.body}]))],
        DecodeError,
    ),
    "it is elsewhere": (lambda _: [elsewhere()], PaginationError),
    "it is the same": (lambda url: [first_page(url + MORE)], PaginationError),
}


@pytest.mark.parametrize("reader", READERS)
async def test_a_list_that_fails_later_shows_no_secret(reader: str) -> None:
    """Nor does a list that breaks off, however it is read: neither its filters nor what was read of it."""
    for script, kind in SECOND_PAGES.values():
        async with Scripted() as server, client_of(server.url) as client:
            server.script.extend(script(server.url))
            assert_hidden(await failure_of(READERS[reader](client)), kind, MineError)


@pytest.mark.parametrize("reader", READERS)
async def test_a_list_that_is_cancelled_shows_no_secret(reader: str) -> None:
    """Nor does one that is cancelled while it waits for its second page."""
    async with Scripted() as server, client_of(server.url) as client:
        server.script.extend([first_page(server.url + MORE), HANG])
        task = asyncio.ensure_future(READERS[reader](client))
        while len(server.requests) < 2 and not task.done():  # noqa: ASYNC110  # it is a list of somebody else's
            await asyncio.sleep(0)
        task.cancel()
        assert_hidden(await failure_of(task), asyncio.CancelledError, MineError)


async def test_a_merge_whose_task_is_cancelled_shows_no_secret() -> None:
    """Nor does one whose own task somebody cancels, as a loop does that ends."""
    async with Scripted() as server, client_of(server.url) as client:
        server.script.extend([first_page(server.url + MORE), HANG])
        task = asyncio.ensure_future(read_through(merge_streams([found(client)])))
        while len(server.requests) < 2:  # noqa: ASYNC110  # it is a list of somebody else's
            await asyncio.sleep(0)
        for other in asyncio.all_tasks():
            if "_Merge._read" in repr(other.get_coro()):
                other.cancel()
        assert_hidden(await failure_of(task), asyncio.CancelledError)


async def test_the_reader_of_a_merge_sees_no_secret() -> None:
    """Nor does the error that ``on_error`` is given, or one that it raises."""
    seen: list[str] = []
    async with Scripted.of([elsewhere()]) as server, client_of(server.url) as client:
        await merge_streams([found(client)], on_error=lambda _, error: seen.append(shown_by(error))).list()
    assert len(seen) == 1
    assert HIDDEN.found_in(seen[0]) == set()


@pytest.mark.parametrize("source", [lambda: chunks(fail=True), chunks], ids=["failing", "too short"])
async def test_a_source_that_fails_shows_no_secret(source: Callable[[], AsyncGenerator[bytes]]) -> None:
    """Nor does an upload whose source fails: what was read of it is the caller's alone."""
    async with Scripted.of([HANG]) as server, client_of(server.url) as client:
        media = client.service(SERVICE).media
        size = 1000  # more than there are
        error = await failure_of(media.upload(source(), content_type="a/b", filename=HIDDEN.phone, size=size))
        assert_hidden(error, UploadError)


async def test_a_file_that_was_sent_is_named_and_no_more() -> None:
    """Where the message fails after the upload, the error names the file and nothing else."""
    stored = answer(201, {"sid": "ME" + "1" * 32, "filename": HIDDEN.body})
    async with Scripted.of([stored, says(400)]) as server, client_of(server.url) as client:
        error = await failure_of(OPERATIONS["send a file"](client))
    assert_hidden(error, APIError)
    assert error.__notes__ == ["the file was uploaded: ME" + "1" * 32]


def described(url: str, size: int | None = None) -> bytes:
    """Describe a file, whose temporary address is a secret."""
    links = {"content_direct_temporary": f"{url}/{HIDDEN.signature}?sig={HIDDEN.signature}"}
    return answer(200, {"sid": "ME" + "1" * 32, "size": size, "filename": HIDDEN.body, "links": links})


DOWNLOADS: dict[str, Callable[[str], list[bytes | None]]] = {
    "refused": lambda url: [described(url), answer(403, f"<{HIDDEN.signature}>".encode())],
    "cut": lambda url: [described(url), answer(200, HIDDEN.chunk * 99)[:-1]],
    "short": lambda url: [described(url, 10**6), answer(200, HIDDEN.chunk * 99)],
    "long": lambda url: [described(url, 5), answer(200, HIDDEN.chunk * 99)],
    "cut later": lambda url: [described(url), answer(200, HIDDEN.chunk * 10**5)[:-1]],
    "reset": lambda url: [described(url), DROP],
    "moved": lambda url: [
        described(url),
        answer(302, b"", headers={"Location": f"{url}/{HIDDEN.signature}"}),
    ],
    "not to be followed": lambda _: [described(f"http://user:{HIDDEN.password}@example.com")],
    "slow": lambda url: [described(url), HANG],
}


@pytest.mark.parametrize("script", DOWNLOADS)
async def test_a_download_that_fails_shows_no_secret(script: str) -> None:
    """Nor does a download: neither the temporary address nor what has arrived."""
    async with Scripted() as server, client_of(server.url, timeout=0.2) as client:
        server.script.extend(DOWNLOADS[script](server.url))
        assert_hidden(await failure_of(download(client)), ConversationsError)


async def test_what_reads_a_download_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do the frames beneath, before the error has left the block of the download."""

    async def read(*_: object) -> bytes:
        arrived = HIDDEN.chunk
        raise OSError(len(arrived))

    async with Scripted() as server, client_of(server.url) as client:
        server.script.extend([described(server.url), answer(200, HIDDEN.chunk * 99)])
        async with client.service(SERVICE).media.download("ME" + "1" * 32) as arriving:
            monkeypatch.setattr("aiohttp.StreamReader.read", _as_ours(read))
            error = await failure_of(read_through(arriving))
    assert isinstance(error.__cause__, OSError)
    assert_hidden(error, TransportError)


async def test_an_error_of_the_caller_in_a_download_shows_no_secret() -> None:
    """An error that the caller raises within the block of a download keeps its frames, and gains none."""

    async def work(client: ConversationsClient) -> None:
        async with client.service(SERVICE).media.download("ME" + "1" * 32) as arriving:
            await anext(arriving)
            mine = "kept"
            raise RuntimeError(mine[:0])

    async with Scripted() as server, client_of(server.url) as client:
        server.script.extend([described(server.url), answer(200, HIDDEN.chunk * 99)])
        error = await failure_of(work(client))
    assert_hidden(error, RuntimeError)
    assert "mine = 'kept'" in shown_by(error)


# ----------------------------------------------------------------------------------- reprs, logs and warnings


async def test_no_repr_shows_a_secret() -> None:
    """Whatever the package makes of a secret, its repr does not show it."""
    headers = {"Authorization": HIDDEN.token}
    async with Scripted.of([DROP]) as server, client_of(server.url, proxy=HIDDEN.proxy) as client:
        session, place = client._session, client.user_conversations(HIDDEN.phone)
        call = Call(
            method="POST", url=place._url(f"/?{HIDDEN.phone}"), path="/", headers=headers, data=HIDDEN.chunk
        )
        stream = found(client)
        shown = [
            client, session, session.options, session.hosts, place, call, stream, stream.pages(),
            client.messages(HIDDEN.phone), client.participants(HIDDEN.phone), merge_streams([stream]),
            client.service(HIDDEN.phone), client.chat.service(HIDDEN.phone).messages(HIDDEN.phone),
            Response(method="GET", path="/", status=200, headers=headers, body=HIDDEN.chunk),
            Hosts(base_url="http://127.0.0.1:1"), await session._connections.pool(),
        ]  # fmt: skip
        assert {type(one).__name__: HIDDEN.found_in(repr(one)) for one in shown} == {
            type(one).__name__: set() for one in shown
        }


async def test_a_path_is_shown_without_numbers() -> None:
    """An error names the path of its request, and puts an ellipsis for a telephone number."""
    async with Scripted.of([answer(404)]) as server, client_of(server.url) as client:
        error = await failure_of(client.user_conversations(HIDDEN.phone).stream().list())
        assert isinstance(error, NotFoundError)
        assert error.path == "/v1/Users/…/Conversations"
        assert server.requests[0].target.startswith(f"/v1/Users/{quote(HIDDEN.phone)}/Conversations?")
        assert repr(client.messages(CONVERSATION)) == (
            f"<MessageRepository at /v1/Conversations/{CONVERSATION}/Messages>"
        )


async def test_a_list_that_leads_astray_is_shown_without_numbers() -> None:
    """So does the error of a link that is not followed."""
    empty = answer(200, page("conversations", [], "https://example.com/"))
    async with Scripted.of([empty]) as server, client_of(server.url) as client:
        error = await failure_of(client.user_conversations(HIDDEN.phone).stream().list())
    assert isinstance(error, PaginationError)
    assert error.path == "/v1/Users/…/Conversations"


@pytest.mark.parametrize("operation", SHAPES)
async def test_the_loop_in_debug_mode_shows_no_secret(operation: str) -> None:
    """asyncio, asked to tell of each step that it takes, tells nothing of what moves."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = -1.0
    async with Scripted.of([says(500)]) as server, client_of(server.url) as client:
        error = await failure_of(OPERATIONS[operation](client))
        loop.set_debug(False)
        assert_hidden(error, ConversationsError)


async def test_a_forgotten_client_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """The warning of a client that nobody closed says that, and no more."""
    async with Scripted.of([answer(200, {"sid": MESSAGE, "body": HIDDEN.body})]) as server:
        client = client_of(server.url)
        await WRITES["create a message"](client)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            del client
            gc.collect()
            await asyncio.sleep(0)
    assert any(issubclass(one.category, ResourceWarning) for one in warned)
    assert HIDDEN.found_in(repr([vars(one) for one in warned])) == set()


# --------------------------------------------------------------------------------------------- how it is done


class Made(Sealed):
    """A class of somebody's that is sealed."""

    def __init__(self, value: str) -> None:
        """Keep it."""
        self.value = value

    @classmethod
    def of(cls, value: str) -> Made:
        """Make one."""
        return cls(value)

    async def later(self, value: str, *, fail: bool = False) -> str:
        """Say something later."""
        if fail:
            raise ValueError
        return value

    def now(self, value: str) -> str:
        """Say something now."""
        return value

    def _inner(self) -> None:
        """Say nothing."""


async def test_what_is_sealed_is_what_it_was() -> None:
    """To whoever calls it, looks at it or replaces it, a sealed function is the function."""
    made = Made.of("a")
    assert (made.value, await made.later("b"), made.now("c")) == ("a", "b", "c")
    assert (Made.later.__doc__, Made.later.__qualname__) == ("Say something later.", "Made.later")
    assert str(inspect.signature(Made)) == "(value: 'str') -> 'None'"
    assert list(inspect.signature(made.later).parameters) == ["value", "fail"]
    assert inspect.iscoroutinefunction(made.later)
    assert not inspect.iscoroutinefunction(made.now)
    assert not hasattr(Made._inner, "__wrapped__")
    assert isinstance(create_autospec(MessageRepository).create, AsyncMock)
    assert isinstance(AsyncMock(spec=MessageRepository).fetch, AsyncMock)
    with pytest.raises(TypeError, match="unexpected keyword"):
        await create_autospec(made).later("a", fial=True)


@pytest.mark.parametrize(
    "repository", [MessageRepository, ConversationsClient, Stream], ids=lambda cls: cls.__name__
)
def test_all_that_can_be_called_is_sealed(repository: type) -> None:
    """Nobody who adds a method has to think of it."""
    methods = {
        name: method
        for cls in repository.__mro__
        for name, method in vars(cls).items()
        if (inspect.isfunction(method) or isinstance(method, classmethod))
        and (not name.startswith("_") or name == "__init__")
        and cls.__module__.startswith("conversations_async")
    }
    assert len(methods) > 2
    for method in methods.values():
        assert hasattr(getattr(method, "__func__", method), "__wrapped__")


async def test_frames_of_the_caller_keep_what_they_hold() -> None:
    """What a caller's own function held when it failed is still to be seen."""

    class Failing(UserDict[str, str]):
        """Attributes that fail."""

        def keys(self) -> Any:
            """Fail."""
            mine = "kept"
            raise RuntimeError(mine[:0])

    error = await failure_of(
        client_of("http://127.0.0.1:9").messages("CH1").create(attributes=Failing(a="b"))
    )
    assert "mine = 'kept'" in shown_by(error)


async def test_what_led_to_a_call_keeps_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that the caller is handling becomes the context of another one, and is the caller's."""

    async def work() -> None:
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("conversations_async._sealing.forget", lambda _: None)
                await client_of("http://127.0.0.1:9").messages("CH1").create(attributes="{")
        except ValueError:
            await client_of("http://127.0.0.1:9").messages("CH1").create(attributes="[")

    error = await failure_of(work())
    context = error.__context__
    assert HIDDEN.found_in(shown_by(error)) == set()
    assert isinstance(context, ValueError)
    assert "attributes = '{'" in shown_by(context)
    assert "attributes = '['" not in shown_by(error)


async def test_a_coroutine_that_waits_is_not_ended() -> None:
    """An error that is raised in two places at once leaves the place alone that is still at work on it."""
    shared, go_on, caught = ValueError(), asyncio.Event(), asyncio.Event()

    async def waits() -> str:
        try:
            raise shared
        except ValueError:
            caught.set()
            await go_on.wait()
        return "done"

    waiting = asyncio.create_task(_as_ours(waits)())
    await caught.wait()
    forget(shared)
    go_on.set()
    assert await waiting == "done"


def _as_ours(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function one of the package."""
    assert isinstance(function, FunctionType)
    names = function.__globals__ | {"__name__": "conversations_async.something"}
    return FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )


def error_of(function: Callable[[], object]) -> BaseException:
    """Call what fails, and give the error."""
    try:
        function()
    except Exception as error:  # noqa: BLE001  # all of them count
        return error
    raise AssertionError("it did not fail")


def test_errors_that_lead_to_each_other_are_gone_through_once() -> None:
    """A circle of causes has an end."""

    def work() -> None:
        hidden = 10**6 + 1
        error = ValueError(hidden - hidden)
        error.__cause__ = TypeError()
        error.__cause__.__cause__ = error
        raise error

    error = error_of(sealed(_as_ours(work)))
    assert isinstance(error.__cause__, TypeError)
    assert "hidden = 1000001" not in shown_by(error)
    assert "hidden = 1000001" in shown_by(error_of(_as_ours(work)))


def fail() -> None:
    """Fail, with something at hand."""
    hidden = 10**6 + 1
    raise TypeError(hidden - hidden)


def fail_in_a_group() -> None:
    """Fail together with another error."""
    raise ExceptionGroup("all", [error_in_place(_as_ours(fail))])


def fail_in_spite_of_another() -> None:
    """Fail where somebody hides what came before."""
    try:
        _as_ours(fail)()
    except TypeError:
        raise ValueError from None


def fail_because_of_another() -> None:
    """Fail, and say why."""
    try:
        _as_ours(fail)()
    except TypeError as error:
        raise ValueError from error


def fail_in_the_library() -> None:
    """Fail in a function of the standard library."""
    shlex.split(f"'{10**6 + 1}")


def fail_in_generated_code() -> None:
    """Fail in the constructor of an attrs class."""
    make_class("Odd", {"hidden": attrs_field(validator=lambda *_: json.loads(""))})(10**6 + 1)


def error_in_place(function: Callable[[], object]) -> Exception:
    """Give an error as if it had been raised where it is caught, by code of ours."""
    error = error_of(function)
    assert isinstance(error, Exception)
    assert error.__traceback__
    return error.with_traceback(error.__traceback__.tb_next)


@pytest.mark.parametrize(
    "function",
    [
        fail,
        fail_in_a_group,
        fail_in_spite_of_another,
        fail_because_of_another,
        fail_in_the_library,
        fail_in_generated_code,
    ],
)
def test_frames_that_are_cleared(function: Callable[[], object]) -> None:
    """Frames of the package, and of what works for it, are cleared; those of the caller are not."""
    ours = _as_ours(function)
    assert "1000001" in shown_by(error_of(ours))
    assert "1000001" not in shown_by(error_of(sealed(ours)))
    # the error in the group was raised by code of the package all the same
    theirs = shown_by(error_of(sealed(function)))
    assert ("1000001" in theirs) is (function is not fail_in_a_group)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1/Users/%2B15558675310", "/v1/Users/…"),
        ("/v1/Users/%2b15558675310/Conversations", "/v1/Users/…/Conversations"),
        ("/v1/Users/+15558675310", "/v1/Users/…"),
        ("/v1/Users/whatsapp%3A%2B15558675310", "/v1/Users/whatsapp%3A…"),
        ("/v1/Users/%2B1%20%28555%29%20867-5310", "/v1/Users/…"),
        ("/v1/Users/tel%201555867", "/v1/Users/tel%20…"),
        ("/v1/Users/15558675310", "/v1/Users/…"),
        ("/v1/Users/%28555%29%20867-5310-99/Conversations", "/v1/Users/%28…/Conversations"),
        ("/v1/Users/555.867.5310", "/v1/Users/…"),
        ("/v1/Users/of-2026-01-31", "/v1/Users/of-2026-01-31"),
        ("/v1/Users/a.15558675310.b", "/v1/Users/a.….b"),
        ("/v1/Users/%2012345", "/v1/Users/%2012345"),
        ("/v1/Conversations/order-123456", "/v1/Conversations/order-123456"),
        ("/v1/Conversations/c%2B%2B", "/v1/Conversations/c%2B%2B"),
        ("/v1/Conversations/CH" + "1" * 32, "/v1/Conversations/CH" + "1" * 32),
        ("/v1/Conversations/CH" + "1" * 33, "/v1/Conversations/CH…"),
        ("/v1/Services/IS" + "0" * 32 + "/Users/US" + "9" * 32, None),
        ("/v1/Conversations", "/v1/Conversations"),
        ("", ""),
    ],
)
def test_what_of_a_path_is_shown(path: str, shown: str | None) -> None:
    """A telephone number is hidden, with its plus or without; SIDs, escapes and short numbers are not."""
    assert mask_path(path) == (path if shown is None else shown)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Invalid 'To' +15558675310.", "Invalid 'To' …."),
        ("/Users/%2B15558675310 was not found", "/Users/… was not found"),
        ("+1 (555) 867-5310 and whatsapp:+442071838750", "… and whatsapp:…"),
        ("1+1 is 2, C++ 11, +123456", "1+1 is 2, C++ 11, +123456"),
        ("the id 15558675310", "the id 15558675310"),
        (f"no {MESSAGE}", f"no {MESSAGE}"),
    ],
)
def test_what_of_a_message_is_shown(text: str, shown: str) -> None:
    """In what the API says, a number with its plus is hidden, and others are not."""
    assert mask_text(text) == shown
    assert ConversationsError(message=text).message == shown

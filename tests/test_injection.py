"""Injection: whatever a caller gives is one value of one request, or is refused before anything is sent.

The requests are read byte for byte from a socket.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, unquote

import pytest
from attrs import define, field
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conversations_async import ConversationsClient, ConversationsError, RetryPolicy
from conversations_async.hosts import Hosts
from conversations_async.proxies import Proxies

from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .operations import OPERATIONS, Keyword, Operation
from .servers import answer, read_body
from .support import deterministic

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

#: What means something to HTTP, to URLs, to forms or to JSON, and half a character.
SPECIAL = (
    "\x00\x01\t\n\x0b\r\x1b\x1f !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\x7f\x85\xa0\xe9\u2028\ufeff\U0001f600"
)
HALVES = "\ud800\udfff"
WORDS = [
    "..",
    ".",
    "%2e%2e",
    "%2F",
    "%0d%0aX-Evil: 1",
    "\r\nX-Evil: 1\r\n\r\n",
    "\r\n\r\nGET / HTTP/1.1",
    "//",
    "a",
]

texts = st.lists(st.sampled_from([*SPECIAL, *HALVES, *WORDS]), max_size=6).map("".join)
sendable = st.lists(st.sampled_from([*SPECIAL, *WORDS]), max_size=6).map("".join)

#: All headers that the client sends, of its own accord or because it is told to.
KNOWN = {
    "host", "authorization", "user-agent", "accept", "accept-encoding", "content-type", "content-length",
    "transfer-encoding", "x-twilio-webhook-enabled",
}  # fmt: skip


@define
class Received:
    """One request, as it arrived."""

    method: str
    target: str
    #: Each header that there was, in its order.
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def segments(self) -> list[str]:
        """The path, divided and decoded."""
        return [unquote(part, errors="strict") for part in self.target.partition("?")[0].split("/")]

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The fields of the query and of the form, decoded."""
        form = self.body.decode("ascii") if ("content-type", FORM) in self.headers else ""
        both = self.target.partition("?")[2], form
        return [
            pair
            for encoded in both
            for pair in parse_qsl(
                encoded, keep_blank_values=True, strict_parsing=bool(encoded), errors="strict"
            )
        ]

    def header(self, name: str) -> str:
        """Give a header that is there once."""
        (value,) = [value for each, value in self.headers if each == name]
        return value


#: Scheme, host and perhaps a port: visible, and nothing that ends a host.
ORIGIN = r"https?://[^\x00-\x20\x7f-\uffff/?#@:\\]+(:[0-9]+)?"

FORM = "application/x-www-form-urlencoded"


@define
class Wire:
    """A server that takes down what arrives, in a loop of its own, and a client of it."""

    runner: asyncio.Runner
    received: list[Received] = field(factory=list)
    #: Bytes that began no request.
    stray: list[bytes] = field(factory=list)
    _server: asyncio.Server | None = None
    _client: ConversationsClient | None = None

    async def open(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._client = ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, **self.options)
        return self

    async def close(self) -> None:
        """Stop."""
        assert self._client
        assert self._server
        await self._client.close()
        self._server.close()

    @property
    def options(self) -> dict[str, Any]:
        """What a client of this server is made with."""
        assert self._server
        port = self._server.sockets[0].getsockname()[1]
        return {"base_url": f"http://127.0.0.1:{port}", "retry": RetryPolicy(max_attempts=1)}

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                first, *lines = head[:-4].split(b"\r\n")
                method, target, version = first.split(b" ")
                headers = [line.decode("ascii").split(": ", 1) for line in lines]
                if version != b"HTTP/1.1":
                    self.stray.append(head)
                body = await read_body(reader, {name: value for name, value in headers})  # noqa: C416  # pairs
                self.received.append(
                    Received(
                        method.decode(),
                        target.decode("ascii"),
                        [(name.lower(), value) for name, value in headers],
                        body,
                    )
                )
                writer.write(answer(404))
        writer.close()

    def ask(self, call: Callable[[ConversationsClient], Awaitable[object]]) -> Received | ValueError:
        """Make a call; give the one request that it was, or what it was refused with."""
        assert self._client
        return self.runner.run(self._ask(call, self._client))

    def ask_with(self, call: Callable[[ConversationsClient], Awaitable[object]], **options: Any) -> Any:
        """Make a call with a client of its own; likewise."""
        try:
            account: dict[str, Any] = {"account_sid": ACCOUNT_SID}
            client = ConversationsClient(**account | options | self.options)
        except ValueError as error:
            return error

        async def ask() -> Any:
            async with client:
                return await self._ask(call, client)

        return self.runner.run(ask())

    async def _ask(
        self, call: Callable[[ConversationsClient], Awaitable[object]], client: ConversationsClient
    ) -> Received | ValueError:
        self.received.clear()
        refused = None
        try:
            await call(client)
        except ConversationsError as error:
            assert error.status == 404  # noqa: PT017  # it may be refused instead
        except ValueError as error:
            refused = error
        assert self.stray == []
        if refused is not None:
            assert type(refused) is ValueError
            assert self.received == []
            return refused
        (request,) = self.received
        names = [name for name, _ in request.headers]
        assert len(names) == len(set(names))
        assert set(names) <= KNOWN
        assert all(re.fullmatch(r"[ -~]*", value) for _, value in request.headers)
        assert re.fullmatch(r"/[!-~]*", request.target)
        return request


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """Run the server for all tests of this module."""
    with asyncio.Runner() as runner:
        wire = runner.run(Wire(runner).open())
        yield wire
        runner.run(wire.close())


def is_sendable(text: str) -> bool:
    """Say whether a text has whole characters only."""
    return not set(text) & set(HALVES)


def is_identifier(text: str) -> bool:
    """Say whether a text can be a segment of a path."""
    return is_sendable(text) and text not in ("", ".", "..")


def values_of(keyword: Keyword) -> st.SearchStrategy[Any]:
    """Give what a keyword may be given."""
    if keyword.name == "webhook_enabled":
        return st.booleans() | texts
    if keyword.name in ("attributes", "content_variables"):
        return st.dictionaries(texts, texts, max_size=2)
    if keyword.name == "participant":
        return st.lists(st.dictionaries(texts, texts, max_size=2), min_size=1, max_size=2)
    if keyword.kind.startswith("list"):
        return st.lists(texts, min_size=1, max_size=3)
    if keyword.kind in ("boolean", "integer", "string:date-time"):
        return st.just(keyword.value(1)[0])
    return texts


@st.composite
def calls(draw: st.DrawFn) -> tuple[Operation, list[str], dict[str, Any]]:
    """Make the call of an operation, with a few of its keywords."""
    operation = draw(st.sampled_from(OPERATIONS))
    identifiers = [draw(texts) for _ in operation.places]
    some = draw(st.lists(st.sampled_from(operation.keywords), max_size=3)) if operation.keywords else []
    chosen = {keyword.name: keyword for keyword in [*operation.required(), *some]}
    return operation, identifiers, {name: draw(values_of(one)) for name, one in chosen.items()}


@given(call=calls())
@settings(deterministic, max_examples=400)
def test_what_is_given_is_one_value_of_one_request(
    wire: Wire, call: tuple[Operation, list[str], dict[str, Any]]
) -> None:
    """Identifiers, fields and filters arrive as they were given, each in its place, or are refused."""
    operation, identifiers, keywords = call
    parts = operation.path.split("/")
    found = wire.ask(lambda client: operation.call(client, identifiers, keywords))
    if isinstance(found, ValueError):
        return
    assert all(map(is_identifier, identifiers))
    assert found.method == operation.method
    left = iter(identifiers)
    assert found.segments == [next(left) if part.startswith("{") else part for part in parts]
    wanted = {
        keyword.api: keywords[keyword.name] for keyword in operation.keywords if keyword.name in keywords
    }
    flag = wanted.pop("X-Twilio-Webhook-Enabled", None)
    if flag is not None:
        assert found.header("x-twilio-webhook-enabled") == str(flag).lower()
        assert str(flag).lower() in ("true", "false")
    arrived: dict[str, list[str]] = {}
    for name, value in found.fields:
        arrived.setdefault(name, []).append(value)
    assert arrived.keys() - {"PageSize"} == wanted.keys()
    for name, value in wanted.items():
        given = value if isinstance(value, list) else [value]
        if isinstance(given[0], dict):
            assert [json.loads(one) for one in arrived[name]] == given
        elif isinstance(given[0], str):
            assert arrived[name] == given


@given(identifiers=st.lists(sendable.filter(is_identifier), min_size=4, max_size=4), value=sendable)
@example(identifiers=["a\r\nX-Evil: 1", "../..", "a?b#c", "%2e%2e"], value="a&Body=b\r\n\r\nGET / HTTP/1.1")
@settings(deterministic, max_examples=100)
def test_what_can_be_sent_is_sent(wire: Wire, identifiers: list[str], value: str) -> None:
    """No whole character is refused: the test above is not about refusals."""
    service, conversation, message, _ = identifiers
    found = wire.ask(
        lambda client: (
            client.service(service).messages(conversation).update(message, author=value, body=value)
        )
    )
    assert isinstance(found, Received)
    assert found.segments[1:] == [
        "v1",
        "Services",
        service,
        "Conversations",
        conversation,
        "Messages",
        message,
    ]
    assert found.fields == [("Author", value), ("Body", value)]


async def some() -> AsyncGenerator[bytes]:
    """Give something to upload."""
    yield b"some"


@given(content_type=texts | st.just("image/png") | texts.map("a/b; {}".format), filename=texts, service=texts)
@example(content_type="a/b\r\nX-Evil: 1", filename="a", service="IS1")
@example(content_type="a/b; x\r\nX-Evil: 1", filename="a", service="IS1")
@example(content_type="a/b\n", filename="a", service="IS1")
@example(content_type="image/png", filename="a&b=c\r\nX: y", service="..")
@settings(deterministic, max_examples=200)
def test_a_file_is_one_file(wire: Wire, content_type: str, filename: str, service: str) -> None:
    """The media type and the name of a file are a header and a field, and nothing else."""
    found = wire.ask(
        lambda client: client.service(service).media.upload(
            some(), content_type=content_type, filename=filename
        )
    )
    if isinstance(found, Received):
        assert found.segments[1:] == ["v1", "Services", service, "Media"]
        assert found.header("content-type") == content_type
        assert found.fields == [("Filename", filename)]
        assert found.body == b"some"


@given(key=texts, secret=texts)
@example(key="SK1", secret="a\r\nX-Evil: 1")
@example(key="SK1:other", secret="a")
@settings(deterministic, max_examples=60)
def test_credentials_are_one_header(wire: Wire, key: str, secret: str) -> None:
    """The credentials are in their header, and what can be taken for others is refused."""
    found = wire.ask_with(
        lambda client: client.users.fetch("US1"), auth_token="x", api_key=key, api_secret=secret
    )
    if isinstance(found, Received):
        assert re.fullmatch(r"[!-~]*", key + secret)
        assert ":" not in key
        basic = found.header("authorization").removeprefix("Basic ")
        wanted = f"{key}:{secret}" if key else f"{ACCOUNT_SID}:x"
        assert base64.b64decode(basic, validate=True).decode() == wanted


@given(account=texts | texts.map(f"{ACCOUNT_SID}{{}}".format), token=texts)
@example(account=f"{ACCOUNT_SID}\n", token="a")
@settings(deterministic, max_examples=60)
def test_an_account_is_one_account(wire: Wire, account: str, token: str) -> None:
    """Likewise an account and its token."""
    found = wire.ask_with(lambda client: client.users.fetch("US1"), account_sid=account, auth_token=token)
    if isinstance(found, Received):
        assert account == ACCOUNT_SID
        assert re.fullmatch(r"[!-~]+", token)
        basic = found.header("authorization").removeprefix("Basic ")
        assert base64.b64decode(basic, validate=True).decode() == f"{account}:{token}"


@given(
    rest=texts, path=st.sampled_from(["/v1/Users", "/v1/Roles", "/v1/Users?Page=1", "http://a/v1/Users", ""])
)
@example(rest=" HTTP/1.1\r\nX-Evil: 1", path="/v1/Users?Page=1")
@example(rest="/../Roles", path="/v1/Users")
@example(rest="#1,US1", path="/v1/Users?Page=1")
@settings(deterministic, max_examples=200)
def test_a_cursor_is_a_page_of_its_list(wire: Wire, path: str, rest: str) -> None:
    """A cursor that somebody changed is refused, or leads to a page of the same list."""
    found = wire.ask(lambda client: client.users.stream(cursor=path + rest).list())
    if isinstance(found, Received):
        assert found.segments == ["", "v1", "Users"]
        assert (path + rest).startswith(found.target)


@given(key=texts.map("k{}".format))
@settings(deterministic, max_examples=60)
def test_a_key_is_a_member_of_the_attributes(wire: Wire, key: str) -> None:
    """The key of a message is a string in its attributes."""
    found = wire.ask(lambda client: client.messages("CH1").create_once(key=key, look_back=0))
    if isinstance(found, Received):
        assert list(json.loads(dict(found.fields)["Attributes"]).values()) == [key]


@pytest.mark.parametrize("name", ["region", "edge"])
@given(value=texts | st.from_regex(r"[a-z0-9.@/-]{0,8}", fullmatch=True))
@deterministic
def test_a_region_is_one_label(name: str, value: str) -> None:
    """A region or an edge is one label of the vendor's host."""
    options: dict[str, Any] = {name: value}
    try:
        hosts = Hosts(**options)
    except ValueError:
        return
    for product in "conversations", "chat", "mcs":
        assert re.fullmatch(rf"https://{product}(\.[a-z0-9-]+){{0,2}}\.twilio\.com", hosts.origin(product))


@given(
    rest=texts, scheme=st.sampled_from(["http://", "https://", "", "ftp://"]), host=st.sampled_from(["a", ""])
)
@settings(deterministic, max_examples=200)
def test_a_base_url_is_an_origin(scheme: str, host: str, rest: str) -> None:
    """A base URL is a scheme, a host and perhaps a port, or is refused."""
    try:
        origin = Hosts(base_url=scheme + host + rest).origin("conversations")
    except ValueError:
        return
    assert re.fullmatch(ORIGIN, origin)


@given(rest=texts, user=texts, scheme=st.sampled_from(["http://", "https://", "", "socks5://"]))
@example(rest="", user="a%0d%0aX-Evil: 1", scheme="http://")
@example(rest="", user="user:p%0d%0aw@", scheme="http://")
@settings(deterministic, max_examples=200)
def test_a_proxy_is_an_origin_and_a_header(scheme: str, user: str, rest: str) -> None:
    """The address of a proxy is an origin, and its password one header, or it is refused."""
    try:
        proxies = Proxies.of(f"{scheme}{user}a{rest}", trust_env=False)
    except ValueError:
        return
    proxy = proxies._by_scheme["https"]
    assert re.fullmatch(ORIGIN, str(proxy.url))
    assert proxy.authorization is None or re.fullmatch(r"Basic [A-Za-z0-9+/]+=*", proxy.authorization)

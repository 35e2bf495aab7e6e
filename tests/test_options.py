"""Every option: what it refuses, what it allows, and what it does, by each way in which it can be given.

The tables have a row for each parameter, read from the signatures: one that is added without a row fails.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import attrs
import pytest
import trustme

from conversations_async import (
    ConversationsClient,
    ConversationsError,
    Limits,
    MergeError,
    NotFoundError,
    RequestTimeoutError,
    ResponseTooLargeError,
    RetryPolicy,
    ServerError,
    TransportError,
    merge_streams,
)
from conversations_async.emulator import Limits as EmulatorLimits

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION
from .servers import HANG, Scripted, answer, page
from .support import VARIABLES

if TYPE_CHECKING:
    from typing import Self

#: What no message may show.
SECRET = "hunter2-do-not-show"
OTHER = "AC" + "0" * 32
KEY = "SK" + "b" * 32

FOUND = answer(200, {"sid": CONVERSATION})
ONCE = RetryPolicy(max_attempts=1)
#: A policy that gives up soon, and never waits between attempts.
QUICK = RetryPolicy(max_attempts=1, total_timeout=0.05)

#: Too great for a float, and to be written down.
HUGE, VAST = 10**400, 10**5000

# --------------------------------------------------------------------------------------- what is out of range

NOT_NUMBERS = [
    "5",
    SECRET,
    b"5",
    True,
    False,
    [5],
    {SECRET: 5},
    object(),
    5j,
    int,
    math.nan,
    math.inf,
    -math.inf,
]
SECONDS = [*NOT_NUMBERS, 0, -1, -0.001, 0.0, -HUGE, HUGE, VAST, -VAST]
NOT_NEGATIVE = [value for value in SECONDS if value is False or value != 0]
WHOLE = [*NOT_NUMBERS, 0, -1, 1.0, 2.5, -HUGE, -VAST, 1e300]
FLAGS = [None, 0, 1, "yes", SECRET, [], object(), math.nan]
NAMES = ["", "IE1", "a.b", "a/b", "-a", "a-", "a\n", "x" * 64, 7, True, b"ie1", ["ie1"], object()]
TEXTS = [7, True, b"x", [SECRET], object(), f"{SECRET} x", f"{SECRET}\n", f"{SECRET}ü"]
ORIGINS = [
    "",
    "127.0.0.1:8080",
    "ftp://127.0.0.1",
    "http://",
    f"http://user:{SECRET}@127.0.0.1/x",
    f"http://127.0.0.1/{SECRET}",
    f"http://127.0.0.1?{SECRET}",
    f"http://127.0.0.1#{SECRET}",
    "http://127.0.0.1:99999",
    "http://127.0.0.1 ",
    7,
    True,
    b"http://127.0.0.1",
    ["http://127.0.0.1"],
    object(),
]

#: Of each parameter of the client, what is refused; what means "not given" is not in it.
REFUSED: dict[str, list[Any]] = {
    "account_sid": ["", None, "AC1", f"{ACCOUNT_SID}0", KEY, *TEXTS],
    "auth_token": ["", None, *TEXTS],
    "api_key": ["a:b", *TEXTS],
    "api_secret": TEXTS,
    "region": NAMES,
    "edge": NAMES,
    "base_url": [*ORIGINS, f"http://user:{SECRET}@127.0.0.1"],
    "timeout": [None, *SECONDS],
    "retry": [None, 3, "x", SECRET, RetryPolicy, {"max_attempts": 3}, object()],
    "max_connections": [None, *WHOLE],
    "session": ["x", SECRET, 7, True, aiohttp.ClientSession, object()],
    "limits": [30, "x", SECRET, True, Limits, {"per_service": 1}, EmulatorLimits(), object()],
    "max_response_size": [None, *WHOLE],
    "ssl": [True, False, "x", SECRET, ssl, ssl.SSLContext, object(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)],
    "proxy": ORIGINS,
    "trust_env": FLAGS,
}
#: Of each, what is at its bounds, and allowed.
ALLOWED: dict[str, list[Any]] = {
    "account_sid": ["AC" + "aF" * 16],
    "auth_token": ["x", "!~:" * 1000],
    "api_key": [None, "", "x"],
    "api_secret": [None, "", ":"],
    "region": [None, "us1", "a-b", "x" * 63],
    "edge": [None, "ashburn", "a-b", "0"],
    "base_url": [None, "http://[::1]:1", "HTTPS://Example.com:65535/"],
    "timeout": [1, 1e-9, 10**300, 1e308],
    "retry": [RetryPolicy(), ONCE],
    "max_connections": [1, HUGE, VAST],
    "session": [None],
    "limits": [None, Limits(), Limits(per_service=None)],
    "max_response_size": [1, HUGE, VAST],
    "ssl": [None, ssl.create_default_context()],
    "proxy": [None, "http://127.0.0.1:1", f"https://u%20s:{SECRET}@[::1]:65535/"],
    "trust_env": [True, False],
}
#: The variable of the environment that stands for a parameter.
VARIABLE = {
    "account_sid": "TWILIO_ACCOUNT_SID",
    "auth_token": "TWILIO_AUTH_TOKEN",
    "api_key": "TWILIO_API_KEY",
    "api_secret": "TWILIO_API_SECRET",
    "region": "TWILIO_REGION",
    "edge": "TWILIO_EDGE",
    "base_url": "CONVERSATIONS_BASE_URL",
}
#: What a parameter makes no sense without.
PARTNERS = {
    "api_key": {"api_secret": "x"},
    "api_secret": {"api_key": KEY},
    "account_sid": {"auth_token": "x"},
}


def parameters(function: Callable[..., Any]) -> list[str]:
    """Give the names of what a function takes."""
    return [name for name in inspect.signature(function).parameters if name != "self"]


def rows(table: dict[str, list[Any]], names: list[str]) -> Any:
    """Give a row for each value of each name."""
    return [
        pytest.param(name, value, id=f"{name}-{n}") for name in names for n, value in enumerate(table[name])
    ]


def refuses(make: Callable[..., object], name: str, value: Any, **others: Any) -> None:
    """Check that a value is refused by the name of its argument, in a line that shows no secret."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the message is compared below
        make(**others | {name: value})
    text = str(caught.value)
    assert text.startswith((f"{name} ", f"{name}:")), text
    assert SECRET not in text
    assert caught.value.__cause__ is None
    assert len(text) < 250


def plain(**options: Any) -> ConversationsClient:
    """Make a client with the constructor."""
    given: dict[str, Any] = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN} | options
    return ConversationsClient(**given)


def test_every_parameter_has_its_rows() -> None:
    """Nothing that can be given is left out of the tables below, and nothing else is in them."""
    names = parameters(ConversationsClient)
    assert list(REFUSED) == list(ALLOWED) == list(EFFECTS) == names
    assert [*VARIABLE, *parameters(ConversationsClient.from_env)] == names
    assert set(VARIABLE.values()) == set(VARIABLES)
    assert set(parameters(ConversationsClient.with_options)) <= set(names)
    for kind, refused, allowed, effects in (
        (RetryPolicy, REFUSED_FIGURES, ALLOWED_FIGURES, POLICY_EFFECTS),
        (Limits, REFUSED_LIMITS, ALLOWED_LIMITS, LIMITS_EFFECTS),
    ):
        fields = [field.name for field in attrs.fields(kind)]
        assert list(refused) == list(allowed) == list(effects) == fields == parameters(kind)
    assert list(REFUSED_MERGE) == list(ALLOWED_MERGE) == list(MERGE_EFFECTS) == parameters(merge_streams)
    stream = plain().messages("x").stream
    assert list(REFUSED_STREAM) == list(ALLOWED_STREAM) == list(STREAM_EFFECTS) == parameters(stream)


@pytest.mark.parametrize(("name", "value"), rows(REFUSED, list(REFUSED)))
def test_a_client_refuses(name: str, value: Any) -> None:
    """What is out of range, or none of its kind, is refused by name when the client is made."""
    refuses(plain, name, value, **PARTNERS.get(name, {}))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Have an environment with credentials, and nothing else that matters."""
    for name in (
        *VARIABLES,
        *(f"{kind}_{end}" for kind in ("http", "https", "all", "no") for end in ("proxy",)),
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", AUTH_TOKEN)
    return monkeypatch


@pytest.mark.parametrize(("name", "value"), rows(REFUSED, parameters(ConversationsClient.from_env)))
def test_from_env_refuses(name: str, value: Any, environment: pytest.MonkeyPatch) -> None:
    """``from_env`` refuses the same."""
    refuses(ConversationsClient.from_env, name, value)


#: What of these a variable can hold; an empty one counts as absent.
IN_VARIABLES = {
    name: [value for value in REFUSED[name] if isinstance(value, str) and value]
    + [""] * (name in ("account_sid", "auth_token"))
    for name in VARIABLE
}


@pytest.mark.parametrize(("name", "value"), rows(IN_VARIABLES, list(VARIABLE)))
def test_from_env_names_the_variable(name: str, value: str, environment: pytest.MonkeyPatch) -> None:
    """What comes from a variable is refused by its name, too."""
    for partner, other in PARTNERS.get(name, {}).items():
        environment.setenv(VARIABLE[partner], other)
    variable = VARIABLE[name]
    if (
        not isinstance(value, str)
        or "\ud800" in value
        or (not value and name not in ("account_sid", "auth_token"))
    ):
        return  # no variable can hold it, or it counts as absent
    environment.setenv(variable, value)
    with pytest.raises(ValueError, match=rf"^{name} \({variable}\) ") as caught:
        ConversationsClient.from_env()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("name", "value"), rows(REFUSED, parameters(ConversationsClient.with_options)))
def test_a_view_refuses(name: str, value: Any) -> None:
    """``with_options`` refuses the same; None is what stays as it is."""
    if value is not None:
        refuses(plain().with_options, name, value, **PARTNERS.get(name, {}))


@pytest.mark.parametrize(("name", "value"), rows(ALLOWED, list(ALLOWED)))
def test_a_client_allows(name: str, value: Any) -> None:
    """What is at the bounds of an option is allowed."""
    both = {} if not value else PARTNERS.get(name, {})
    assert plain(**both | {name: value})


#: Of each figure of a policy, what is refused, and what is allowed.
REFUSED_FIGURES: dict[str, list[Any]] = {
    "max_attempts": [None, *WHOLE],
    "base_delay": [None, *NOT_NEGATIVE],
    "max_delay": [None, *NOT_NEGATIVE],
    "total_timeout": [None, *SECONDS],
    "retry_posts": FLAGS,
    "budget": [value for value in WHOLE if value is False or value != 0],
}
ALLOWED_FIGURES: dict[str, list[Any]] = {
    "max_attempts": [1, HUGE, VAST],
    "base_delay": [0, 0.0, 1e308, 10**300],
    "max_delay": [0, 0.0, 1e308, 10**300],
    "total_timeout": [1e-9, 86400, 1e308, 10**300],
    "retry_posts": [True, False],
    "budget": [None, 0, 1, HUGE, VAST],
}
REFUSED_LIMITS: dict[str, list[Any]] = {"per_conversation": WHOLE, "per_service": WHOLE}
ALLOWED_LIMITS: dict[str, list[Any]] = {name: [None, 1, HUGE, VAST] for name in REFUSED_LIMITS}


@pytest.mark.parametrize(("name", "value"), rows(REFUSED_FIGURES, list(REFUSED_FIGURES)))
def test_a_policy_refuses(name: str, value: Any) -> None:
    """A policy cannot be made with a figure out of range, and the message names the field."""
    refuses(RetryPolicy, name, value)


@pytest.mark.parametrize(("name", "value"), rows(ALLOWED_FIGURES, list(ALLOWED_FIGURES)))
async def test_a_policy_allows(name: str, value: Any) -> None:
    """One attempt, no wait at all, and figures beyond all measure are policies too, and can be used."""
    policy = RetryPolicy(**{"base_delay": 0, name: value})
    assert getattr(policy, name) == value
    async with Scripted.of([FOUND]) as server, plain(base_url=server.url, retry=policy) as client:
        with suppress(RequestTimeoutError) if value == 1e-9 else nullcontext():
            await client.conversations.fetch(CONVERSATION)


@pytest.mark.parametrize(("name", "value"), rows(REFUSED_LIMITS, list(REFUSED_LIMITS)))
def test_limits_refuse(name: str, value: Any) -> None:
    """Limits cannot be made with a figure out of range, and the message names the field."""
    refuses(Limits, name, value)


@pytest.mark.parametrize(("name", "value"), rows(ALLOWED_LIMITS, list(ALLOWED_LIMITS)))
async def test_limits_allow(name: str, value: Any) -> None:
    """One write a second, as many as can be thought of, and no limit, are limits that can be used."""
    limits = Limits(**{name: value})
    async with Scripted.of([FOUND]) as server, plain(base_url=server.url, limits=limits) as client:
        await client.conversations.create()


CURSOR = f"/v1/Conversations/{CONVERSATION}/Messages?Page=2&PageToken=x"
#: Of each option of a stream, what is refused, and what is allowed.
REFUSED_STREAM: dict[str, list[Any]] = {
    "order": [b"asc", [], {}, object()],
    "page_size": [None, 1001, HUGE, VAST, *WHOLE],
    "limit": WHOLE,
    "read_ahead": [None, *(value for value in WHOLE if value is False or value != 0)],
    "cursor": [
        "",
        "x",
        f"https://x.test{CURSOR}",
        f"//x.test{CURSOR}",
        "/v1/Users?Page=1",
        7,
        b"/",
        [],
        object(),
    ],
}
ALLOWED_STREAM: dict[str, list[Any]] = {
    "order": [None, "asc", "desc", "tomorrow's"],
    "page_size": [1, 1000],
    "limit": [None, 1, HUGE, VAST],
    "read_ahead": [0, 1, HUGE, VAST],
    "cursor": [None, CURSOR],
}
REFUSED_MERGE: dict[str, list[Any]] = {
    "streams": [None, 7, True, object()],
    "concurrency": [None, *WHOLE],
    "on_error": [7, True, "print", [], object(), asyncio.sleep],
}
ALLOWED_MERGE: dict[str, list[Any]] = {
    "streams": [[], (), iter([])],
    "concurrency": [1, HUGE, VAST],
    "on_error": [None, print, lambda _, __: None],
}


@pytest.mark.parametrize(("name", "value"), rows(REFUSED_STREAM, list(REFUSED_STREAM)))
def test_a_stream_refuses(name: str, value: Any) -> None:
    """What a stream cannot be read with is refused by name when it is made."""
    refuses(plain().messages(CONVERSATION).stream, name, value)


EMPTY = answer(200, page("messages", []))


@pytest.mark.parametrize(("name", "value"), rows(ALLOWED_STREAM, list(ALLOWED_STREAM)))
async def test_a_stream_allows(name: str, value: Any) -> None:
    """A stream can be read with what is at the bounds of an option."""
    async with Scripted.of([EMPTY]) as server, plain(base_url=server.url) as client:
        assert await client.messages(CONVERSATION).stream(**{name: value}).list() == []
        assert len(server.requests) == 1


@pytest.mark.parametrize(("name", "value"), rows(REFUSED_MERGE, list(REFUSED_MERGE)))
def test_a_merge_refuses(name: str, value: Any) -> None:
    """What streams cannot be merged with is refused by name when the merge is made."""
    refuses(merge_streams, name, value, **({} if name == "streams" else {"streams": []}))


@pytest.mark.parametrize(("name", "value"), rows(ALLOWED_MERGE, list(ALLOWED_MERGE)))
async def test_a_merge_allows(name: str, value: Any) -> None:
    """A merge can be read with what is at the bounds of an option."""
    options: dict[str, Any] = {"streams": [], name: value}
    assert await merge_streams(**options).list() == []


# ----------------------------------------------------------------------------------------------- what it does

#: Gives a client with options, by one of the ways there are.
Make = Callable[..., AbstractAsyncContextManager[ConversationsClient]]
Effect = Callable[[Make], Awaitable[None]]


async def fetch(client: ConversationsClient) -> None:
    """Make one call that reads."""
    await client.conversations.fetch(CONVERSATION)


async def sends_credentials(make: Make, username: str, password: str, **options: Any) -> None:
    """Check who a client says it is."""
    async with Scripted.of([FOUND]) as server, make(base_url=server.url, **options) as client:
        await fetch(client)
    assert server.requests[0].headers["Authorization"] == aiohttp.encode_basic_auth(username, password)


async def account_sid_effect(make: Make) -> None:
    """The account is the user name."""
    await sends_credentials(make, OTHER, "other", account_sid=OTHER, auth_token="other")


async def auth_token_effect(make: Make) -> None:
    """The token is the password."""
    await sends_credentials(make, ACCOUNT_SID, "other", auth_token="other")


async def api_key_effect(make: Make) -> None:
    """A key takes the place of the account, and its secret that of the token."""
    await sends_credentials(make, KEY, "key's", api_key=KEY, api_secret="key's")


async def goes_to(make: Make, host: str, **options: Any) -> None:
    """Check which host a client asks its proxy for."""
    async with (
        Scripted.of([answer(403, {})]) as proxy,
        make(proxy=proxy.url, retry=ONCE, **options) as client,
    ):
        with pytest.raises(TransportError):
            await fetch(client)
    assert [(request.method, request.target) for request in proxy.requests] == [("CONNECT", f"{host}:443")]


async def region_effect(make: Make) -> None:
    """A region has a host of its own."""
    await goes_to(make, "conversations.dublin.ie1.twilio.com", region="ie1")


async def edge_effect(make: Make) -> None:
    """An edge has a host of its own."""
    await goes_to(make, "conversations.ashburn.us1.twilio.com", edge="ashburn")


async def base_url_effect(make: Make) -> None:
    """All goes to one origin."""
    async with Scripted.of([FOUND]) as server, make(base_url=server.url, proxy=None) as client:
        await fetch(client)
        assert len(server.requests) == 1


async def timeout_effect(make: Make) -> None:
    """An attempt has so much time."""
    async with (
        Scripted.of([HANG]) as server,
        make(base_url=server.url, timeout=0.05) as client,
        asyncio.timeout(10),
    ):
        with pytest.raises(RequestTimeoutError, match=r"0\.05 s \(timeout\)"):
            await client.conversations.create()


async def retry_effect(make: Make) -> None:
    """The policy says how often a call is tried."""
    policy = RetryPolicy(max_attempts=3, base_delay=0)
    async with Scripted.of([answer(503)]) as server, make(base_url=server.url, retry=policy) as client:
        with pytest.raises(ServerError):
            await fetch(client)
        assert len(server.requests) == 3


async def max_connections_effect(make: Make) -> None:
    """No more requests are on their way at a time."""
    async with Scripted.of([FOUND]) as server, make(base_url=server.url, max_connections=2) as client:
        await asyncio.gather(*(fetch(client) for _ in range(10)))
        assert server.most_connections == 2


async def session_effect(make: Make) -> None:
    """Requests go through the session that was lent."""
    async with (
        aiohttp.ClientSession(headers={"X-Borrowed": "yes"}) as session,
        Scripted.of([FOUND]) as server,
        make(base_url=server.url, session=session) as client,
    ):
        await fetch(client)
    assert server.requests[0].headers["X-Borrowed"] == "yes"


async def limits_effect(make: Make, limits: Limits | None = None) -> None:
    """A write waits for its turn."""
    options = {"limits": limits or Limits(per_service=1), "retry": QUICK}
    async with Scripted.of([FOUND]) as server, make(base_url=server.url, **options) as client:
        await client.conversations.create()
        with pytest.raises(RequestTimeoutError, match="limits"):
            await client.conversations.create()
        assert len(server.requests) == 1


async def max_response_size_effect(make: Make) -> None:
    """An answer may have so many bytes, and none more."""
    size = len(FOUND.partition(b"\r\n\r\n")[2])
    async with Scripted.of([FOUND]) as server:
        async with make(base_url=server.url, max_response_size=size) as client:
            await fetch(client)
        async with make(base_url=server.url, max_response_size=size - 1) as client:
            with pytest.raises(ResponseTooLargeError):
                await fetch(client)


class Secure(Scripted):
    """Answers by a script, over TLS, with a certificate that only ``trusting`` knows."""

    trusting: ssl.SSLContext

    async def __aenter__(self) -> Self:
        authority = trustme.CA()
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(own)
        self.trusting = ssl.create_default_context()
        authority.configure_trust(self.trusting)
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", ssl=own)
        return self


async def ssl_effect(make: Make) -> None:
    """The context says whom to trust."""
    async with (
        Secure.of([FOUND]) as server,
        make(base_url=server.url.replace("http:", "https:"), ssl=server.trusting) as client,
    ):
        await fetch(client)
    assert len(server.requests) == 1


async def proxy_effect(make: Make) -> None:
    """Requests go to the proxy, whose name and password it is told."""
    async with Scripted.of([FOUND]) as proxy:
        address = proxy.url.replace("//", "//name:word@")
        async with make(base_url="http://elsewhere.invalid", proxy=address) as client:
            await fetch(client)
    (request,) = proxy.requests
    assert request.target == f"http://elsewhere.invalid/v1/Conversations/{CONVERSATION}"
    assert request.headers["Proxy-Authorization"] == aiohttp.encode_basic_auth("name", "word")


async def trust_env_effect(make: Make) -> None:
    """The environment names the proxy, if it is asked."""
    async with Scripted.of([FOUND]) as proxy:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("http_proxy", proxy.url)
            async with make(base_url="http://elsewhere.invalid", trust_env=True) as client:
                await fetch(client)
            async with Scripted.of([FOUND]) as server, make(base_url=server.url) as client:
                await fetch(client)
                assert len(server.requests) == 1
    assert len(proxy.requests) == 1


#: What shows that each parameter has arrived where it counts.
EFFECTS: dict[str, Effect] = {
    "account_sid": account_sid_effect,
    "auth_token": auth_token_effect,
    "api_key": api_key_effect,
    "api_secret": api_key_effect,
    "region": region_effect,
    "edge": edge_effect,
    "base_url": base_url_effect,
    "timeout": timeout_effect,
    "retry": retry_effect,
    "max_connections": max_connections_effect,
    "session": session_effect,
    "limits": limits_effect,
    "max_response_size": max_response_size_effect,
    "ssl": ssl_effect,
    "proxy": proxy_effect,
    "trust_env": trust_env_effect,
}


@asynccontextmanager
async def by_constructor(**options: Any) -> AsyncIterator[ConversationsClient]:
    """Give a client that was made with its constructor."""
    async with plain(**options) as client:
        yield client


@asynccontextmanager
async def by_environment(**options: Any) -> AsyncIterator[ConversationsClient]:
    """Give a client that was made from the environment, as far as that can be."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in VARIABLES:
            patch.delenv(variable, raising=False)
        given = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN} | options
        for name in VARIABLE.keys() & given:
            patch.setenv(VARIABLE[name], given[name])
        client = ConversationsClient.from_env(**{key: options[key] for key in options.keys() - VARIABLE})
    async with client:
        yield client


@asynccontextmanager
async def by_view(**options: Any) -> AsyncIterator[ConversationsClient]:
    """Give a client that another one gave with other options, as far as that can be."""
    names = parameters(ConversationsClient.with_options)
    async with plain(**{name: options[name] for name in options if name not in names}) as client:
        yield client.with_options(**{name: options[name] for name in options if name in names})


@asynccontextmanager
async def by_view_of_a_view(**options: Any) -> AsyncIterator[ConversationsClient]:
    """Give a client whose options were given to one that it comes from."""
    async with plain(**options) as client:
        yield client.with_options().with_options()


@asynccontextmanager
async def by_borrower(**options: Any) -> AsyncIterator[ConversationsClient]:
    """Give a client of a session that was lent."""
    async with (
        aiohttp.ClientSession() as session,
        plain(**{"session": session} | options) as client,
    ):
        yield client


WAYS: list[Make] = [by_constructor, by_environment, by_view, by_view_of_a_view, by_borrower]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        pytest.param(make, name, id=f"{getattr(make, '__name__', '')}-{name}")
        for make in WAYS
        for name in EFFECTS
        if (make, name) != (by_borrower, "trust_env")  # the session that is lent has one of its own
    ],
)
async def test_an_option_has_its_effect(name: str, make: Make) -> None:
    """Whatever the way in which an option was given, it does what it is for."""
    await EFFECTS[name](make)


async def test_a_borrowed_session_looks_into_the_environment_itself() -> None:
    """``trust_env`` is refused where a session is lent, and not dropped."""
    async with aiohttp.ClientSession() as session:
        refuses(plain, "trust_env", value=True, session=session)


async def test_an_option_of_a_view_wins() -> None:
    """What a view is given takes the place of what its client was given; the client keeps its own."""
    many, one = RetryPolicy(max_attempts=4, base_delay=0), ONCE
    async with Scripted.of([answer(503)]) as server, plain(base_url=server.url, retry=many) as client:
        with pytest.raises(ServerError):
            await fetch(client.with_options(retry=one))
        assert len(server.requests) == 1
        with pytest.raises(ServerError):
            await fetch(client)
        assert len(server.requests) == 5


async def attempts_of(policy: RetryPolicy, *entries: bytes, write: bool = False) -> int:
    """Count the requests that one call makes."""
    async with Scripted.of(entries) as server, plain(base_url=server.url, retry=policy) as client:
        with suppress(ConversationsError):
            await (client.conversations.create() if write else fetch(client))
        return len(server.requests)


BROKEN = answer(503)


async def max_attempts_effect(_: pytest.LogCaptureFixture) -> None:
    """So many requests are made."""
    for attempts in (1, 2, 7):
        assert await attempts_of(RetryPolicy(max_attempts=attempts, base_delay=0), BROKEN) == attempts


async def waits(caplog: pytest.LogCaptureFixture, **figures: Any) -> list[str]:
    """Give what the log says of the waits of a call, each of which is half of what it may be."""
    defaults = RetryPolicy.delay.__kwdefaults__
    assert defaults
    caplog.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(defaults, "random", lambda: 0.5)
        await attempts_of(RetryPolicy(max_attempts=4, **figures), BROKEN)
    return [record.getMessage().rpartition(" in ")[2] for record in caplog.records]


async def base_delay_effect(caplog: pytest.LogCaptureFixture) -> None:
    """The first wait is up to so many seconds, and each next one twice as long."""
    assert await waits(caplog, base_delay=0.04) == ["0.02 s", "0.04 s", "0.08 s"]


async def max_delay_effect(caplog: pytest.LogCaptureFixture) -> None:
    """No wait is longer than so many seconds."""
    assert await waits(caplog, base_delay=0.04, max_delay=0.06) == ["0.02 s", "0.03 s", "0.03 s"]


async def total_timeout_effect(_: pytest.LogCaptureFixture) -> None:
    """A wait beyond it is not begun."""
    later = answer(429, headers={"Retry-After": "0.2"})
    assert await attempts_of(RetryPolicy(total_timeout=0.1), later, FOUND) == 1
    assert await attempts_of(RetryPolicy(base_delay=0), later, FOUND) == 2


async def retry_posts_effect(_: pytest.LogCaptureFixture) -> None:
    """A write is repeated, or not."""
    for retry_posts in (False, True):
        policy = RetryPolicy(base_delay=0, retry_posts=retry_posts)
        assert await attempts_of(policy, BROKEN, FOUND, write=True) == 1 + retry_posts


async def budget_effect(_: pytest.LogCaptureFixture) -> None:
    """So many retries are on credit."""
    for budget, attempts in ((0, 1), (1, 2), (3, 4), (None, 9)):
        assert await attempts_of(RetryPolicy(max_attempts=9, base_delay=0, budget=budget), BROKEN) == attempts


PolicyEffect = Callable[[pytest.LogCaptureFixture], Awaitable[None]]
#: What shows that each figure of a policy counts.
POLICY_EFFECTS: dict[str, PolicyEffect] = {
    "max_attempts": max_attempts_effect,
    "base_delay": base_delay_effect,
    "max_delay": max_delay_effect,
    "total_timeout": total_timeout_effect,
    "retry_posts": retry_posts_effect,
    "budget": budget_effect,
}


@pytest.mark.parametrize("effect", POLICY_EFFECTS.values(), ids=POLICY_EFFECTS)
async def test_a_figure_of_a_policy_has_its_effect(
    effect: PolicyEffect, caplog: pytest.LogCaptureFixture
) -> None:
    """Each figure of a policy does what it is for."""
    await effect(caplog)


async def per_conversation_effect(make: Make) -> None:
    """Messages to one conversation wait for each other, and for no other write."""
    options = {"limits": Limits(per_conversation=1, per_service=None), "retry": QUICK}
    async with Scripted.of([FOUND]) as server, make(base_url=server.url, **options) as client:
        for _ in range(3):
            await client.conversations.create()
        await client.messages("a").create(body="x")
        await client.messages("b").create(body="x")
        with pytest.raises(RequestTimeoutError, match="limits"):
            await client.messages("a").create(body="x")
        assert len(server.requests) == 5


async def per_service_effect(make: Make) -> None:
    """Conversations of one service wait for each other, and no message for them."""
    await limits_effect(make, Limits(per_service=1, per_conversation=None))
    options = {"limits": Limits(per_service=1, per_conversation=None), "retry": QUICK}
    async with Scripted.of([FOUND]) as server, make(base_url=server.url, **options) as client:
        for _ in range(3):
            await client.messages("a").create(body="x")
        assert len(server.requests) == 3


#: What shows that each limit counts.
LIMITS_EFFECTS: dict[str, Effect] = {
    "per_conversation": per_conversation_effect,
    "per_service": per_service_effect,
}


@pytest.mark.parametrize("effect", LIMITS_EFFECTS.values(), ids=LIMITS_EFFECTS)
async def test_a_limit_has_its_effect(effect: Effect) -> None:
    """Each limit does what it is for."""
    await effect(by_constructor)


@asynccontextmanager
async def messages(pages: int = 4) -> AsyncIterator[tuple[Scripted, Any]]:
    """Give a server of some pages of two messages each, and the messages that a client finds there."""
    async with Scripted() as server:
        for index in range(pages):
            items = [{"sid": f"IM{index}{number}"} for number in range(2)]
            follow = f"{server.url}{CURSOR}{index}" if index < pages - 1 else None
            server.script.append(answer(200, page("messages", items, follow)))
        async with plain(base_url=server.url) as client:
            yield server, client.messages(CONVERSATION)


async def order_effect() -> None:
    """The order is asked for."""
    async with messages(1) as (server, repository):
        await repository.stream(order="desc").list()
    assert "Order=desc" in server.requests[0].target


async def page_size_effect() -> None:
    """So many items a page are asked for."""
    async with messages(1) as (server, repository):
        await repository.stream(page_size=7).list()
    assert "PageSize=7" in server.requests[0].target


async def limit_effect() -> None:
    """So many items are given, and no page beyond is asked for."""
    async with messages() as (server, repository):
        assert len(await repository.stream(limit=3).list()) == 3
    assert len(server.requests) == 2


async def read_ahead_effect() -> None:
    """So many pages are asked for before they are needed."""
    for read_ahead, requests in ((0, 1), (1, 2), (2, 3)):
        async with messages() as (server, repository):
            stream = repository.stream(read_ahead=read_ahead)
            async for _ in stream:
                async with asyncio.timeout(10):
                    while len(server.requests) < requests:  # noqa: ASYNC110  # there is no event for it
                        await asyncio.sleep(0.001)
                await asyncio.sleep(0.02)
                assert len(server.requests) == requests
                break
            await stream.aclose()


async def cursor_effect() -> None:
    """The list goes on there."""
    async with messages(1) as (server, repository):
        await repository.stream(cursor=CURSOR).list()
    assert server.requests[0].target == CURSOR


StreamEffect = Callable[[], Awaitable[None]]
#: What shows that each option of a stream counts.
STREAM_EFFECTS: dict[str, StreamEffect] = {
    "order": order_effect,
    "page_size": page_size_effect,
    "limit": limit_effect,
    "read_ahead": read_ahead_effect,
    "cursor": cursor_effect,
}


async def streams_effect() -> None:
    """All of them are read."""
    async with messages(1) as (_, one), messages(2) as (_, two):
        assert len(await merge_streams([one.stream(), two.stream()]).list()) == 6


async def concurrency_effect() -> None:
    """So many streams are read at a time."""
    for concurrency in (1, 3):
        async with Scripted.of([HANG]) as server, plain(base_url=server.url) as client:
            streams = [client.messages(name).stream() for name in "abcde"]
            reading = asyncio.create_task(merge_streams(streams, concurrency=concurrency).list())
            async with asyncio.timeout(10):
                while len(server.requests) < concurrency:  # noqa: ASYNC110  # there is no event for it
                    await asyncio.sleep(0.001)
            await asyncio.sleep(0.02)
            assert len(server.requests) == concurrency
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def on_error_effect() -> None:
    """It is told of what fails, and nothing is raised then."""
    failed: list[Exception] = []
    async with Scripted.of([answer(404, {})]) as server, plain(base_url=server.url) as client:
        stream = client.messages("a").stream()
        assert await merge_streams([stream], on_error=lambda _, error: failed.append(error)).list() == []
        with pytest.raises(MergeError):
            await merge_streams([stream]).list()
    assert [type(error) for error in failed] == [NotFoundError]


#: What shows that each option of a merge counts.
MERGE_EFFECTS: dict[str, StreamEffect] = {
    "streams": streams_effect,
    "concurrency": concurrency_effect,
    "on_error": on_error_effect,
}


@pytest.mark.parametrize("name", [*STREAM_EFFECTS, *MERGE_EFFECTS])
async def test_an_option_of_a_stream_has_its_effect(name: str) -> None:
    """Each option of a stream, or of a merge, does what it is for."""
    await (STREAM_EFFECTS | MERGE_EFFECTS)[name]()

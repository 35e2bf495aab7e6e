"""The client: credentials, environment, paths, and what it shows of itself."""

from __future__ import annotations

import inspect
import traceback
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from conversations_async import ConversationsClient, RetryPolicy, ServiceScope
from conversations_async.connections import OwnConnections

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION, SERVICE
from .servers import Scripted, answer
from .support import VARIABLES

if TYPE_CHECKING:
    from conversations_async.repository import Repository

KEY = "SK" + "b" * 32
SECRET = "hunter2-do-not-show"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"account_sid": "", "auth_token": SECRET}, "account_sid (TWILIO_ACCOUNT_SID) is missing"),
        (
            {"account_sid": "AC123", "auth_token": SECRET},
            "account_sid (TWILIO_ACCOUNT_SID) must be AC and 32",
        ),
        ({"account_sid": KEY, "auth_token": SECRET}, "account_sid (TWILIO_ACCOUNT_SID) must be AC and 32"),
        (
            {"account_sid": ACCOUNT_SID + "\n", "auth_token": SECRET},
            "account_sid (TWILIO_ACCOUNT_SID) must be",
        ),
        ({"account_sid": None, "auth_token": SECRET}, "account_sid (TWILIO_ACCOUNT_SID) is missing"),
        ({"account_sid": 7, "auth_token": SECRET}, "account_sid (TWILIO_ACCOUNT_SID) must be a string"),
        ({}, "auth_token (TWILIO_AUTH_TOKEN) is missing; api_key (TWILIO_API_KEY) and api_secret"),
        ({"auth_token": ""}, "auth_token (TWILIO_AUTH_TOKEN) is missing"),
        ({"auth_token": SECRET + "\n"}, "auth_token (TWILIO_AUTH_TOKEN) must be a string of visible ASCII"),
        ({"auth_token": "ключ" + SECRET}, "auth_token (TWILIO_AUTH_TOKEN) must be a string of visible ASCII"),
        (
            {"api_key": KEY},
            "api_key (TWILIO_API_KEY) is given, but its api_secret (TWILIO_API_SECRET) is missing",
        ),
        ({"api_key": KEY, "auth_token": SECRET}, "its api_secret (TWILIO_API_SECRET) is missing"),
        (
            {"api_secret": SECRET},
            "api_secret (TWILIO_API_SECRET) is given, but its api_key (TWILIO_API_KEY) is",
        ),
        ({"api_key": "a:b", "api_secret": SECRET}, "api_key (TWILIO_API_KEY) must not contain a colon"),
    ],
)
def test_bad_credentials_are_named_and_not_shown(arguments: dict[str, Any], complaint: str) -> None:
    """The error says which argument and which variable; no value of one is in it."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the message is compared below
        ConversationsClient(**{"account_sid": ACCOUNT_SID, **arguments})
    assert complaint in str(caught.value)
    shown = "".join(traceback.format_exception_only(caught.value))
    assert SECRET not in shown
    assert "AC123" not in shown


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Empty the environment of all that the client reads."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    return monkeypatch


def test_the_environment_is_read(environment: pytest.MonkeyPatch) -> None:
    """``from_env`` reads credentials, region and edge; other options are arguments."""
    environment.setenv("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
    environment.setenv("TWILIO_API_KEY", KEY)
    environment.setenv("TWILIO_API_SECRET", SECRET)
    environment.setenv("TWILIO_REGION", "ie1")
    environment.setenv("TWILIO_EDGE", "ashburn")
    client = ConversationsClient.from_env(timeout=7, retry=RetryPolicy(max_attempts=1), max_connections=9)
    assert repr(client) == "<ConversationsClient at https://conversations.ashburn.ie1.twilio.com>"
    manager = client._session
    assert (manager.options.timeout, manager.options.retry.max_attempts) == (7, 1)
    assert isinstance(manager._connections, OwnConnections)
    assert manager._connections._max_connections == 9
    assert manager._headers["Authorization"] == aiohttp.encode_basic_auth(KEY, SECRET)


def test_the_base_url_of_the_environment_wins(environment: pytest.MonkeyPatch) -> None:
    """CONVERSATIONS_BASE_URL sends everything there, whatever region is set."""
    environment.setenv("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
    environment.setenv("TWILIO_AUTH_TOKEN", AUTH_TOKEN)
    environment.setenv("TWILIO_REGION", "ie1")
    environment.setenv("CONVERSATIONS_BASE_URL", "http://127.0.0.1:8080")
    client = ConversationsClient.from_env()
    assert {client._session.hosts.origin(product) for product in ("conversations", "chat")} == {
        "http://127.0.0.1:8080"
    }


@pytest.mark.parametrize("empty", [True, False])
def test_what_the_environment_lacks_is_named(environment: pytest.MonkeyPatch, *, empty: bool) -> None:
    """A variable that is missing, or empty, is named in the error."""
    with pytest.raises(ValueError, match="TWILIO_ACCOUNT_SID"):
        ConversationsClient.from_env()
    environment.setenv("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
    if empty:
        environment.setenv("TWILIO_AUTH_TOKEN", "")
    with pytest.raises(ValueError, match=r"TWILIO_AUTH_TOKEN.* is missing; .*TWILIO_API_KEY"):
        ConversationsClient.from_env()


def test_no_secret_in_a_repr() -> None:
    """Neither the client nor what hangs on it shows a credential."""
    client = ConversationsClient(ACCOUNT_SID, SECRET)
    shown = [client, client._session, client.chat, client.conversations, client.service(SERVICE)]
    assert SECRET not in repr(shown)


def test_a_client_that_failed_to_be_made_can_be_shown() -> None:
    """A traceback with local variables shows a half-made client without failing itself."""
    assert repr(object.__new__(ConversationsClient)) == "<ConversationsClient at None>"


def test_where_the_repositories_are() -> None:
    """One class serves the default service and any other one; Chat and media have hosts of their own."""
    client = ConversationsClient(ACCOUNT_SID, AUTH_TOKEN)
    within = f"Services/{SERVICE}"
    places: dict[Repository[Any], str] = {
        client.conversations: "https://conversations.twilio.com/v1/Conversations",
        client.service(SERVICE).conversations: f"https://conversations.twilio.com/v1/{within}/Conversations",
        client.service(SERVICE).media: f"https://mcs.us1.twilio.com/v1/{within}/Media",
        client.chat.service(SERVICE).channels: f"https://chat.twilio.com/v2/{within}/Channels",
    }
    for repository, url in places.items():
        assert str(repository._url(repository._path)) == url
    assert type(client.messages("x")) is type(client.service("y").messages("x"))


def test_each_client_has_its_own_chat() -> None:
    """The legacy API is that of its client: one object, over the client's own session, in subclasses too."""

    class Special(ConversationsClient):
        pass

    client = Special(ACCOUNT_SID, AUTH_TOKEN)
    other = client.with_options(auth_token="other")
    assert client.chat is client.chat
    for each in client, other:
        assert each.chat._session is each.chat.credentials._session is each._session
    assert client._session is not other._session


def test_the_contract_of_the_constructor() -> None:
    """The arguments, their order, kinds and defaults are those that programs were written against."""
    signature = inspect.signature(ConversationsClient)
    assert [(name, each.kind.name, each.default) for name, each in signature.parameters.items()] == [
        ("account_sid", "POSITIONAL_OR_KEYWORD", inspect.Parameter.empty),
        ("auth_token", "POSITIONAL_OR_KEYWORD", None),
        ("api_key", "KEYWORD_ONLY", None),
        ("api_secret", "KEYWORD_ONLY", None),
        ("region", "KEYWORD_ONLY", None),
        ("edge", "KEYWORD_ONLY", None),
        ("base_url", "KEYWORD_ONLY", None),
        ("timeout", "KEYWORD_ONLY", 30.0),
        ("retry", "KEYWORD_ONLY", RetryPolicy()),
        ("max_connections", "KEYWORD_ONLY", 100),
        ("session", "KEYWORD_ONLY", None),
        ("limits", "KEYWORD_ONLY", None),
        ("max_response_size", "KEYWORD_ONLY", 64 * 1024 * 1024),
        ("ssl", "KEYWORD_ONLY", None),
        ("proxy", "KEYWORD_ONLY", None),
        ("trust_env", "KEYWORD_ONLY", False),
    ]


async def test_a_view_has_its_own_options_and_the_same_connections() -> None:
    """``with_options`` changes what is named, in a client that sends over the connections of the first."""
    found = answer(200, {"sid": CONVERSATION})
    async with Scripted.of([found]) as server:
        client = ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=server.url, timeout=7)
        async with client:
            await client.conversations.fetch(CONVERSATION)
            other = "AC" + "b" * 32
            views = [
                client.with_options(timeout=3, retry=RetryPolicy(max_attempts=1)),
                client.with_options(account_sid=other, auth_token="another"),
                client.with_options(auth_token="rotated"),
                client.with_options(api_key="SK1", api_secret="hush").with_options(timeout=2),
            ]
            for view in views:
                await view.conversations.fetch(CONVERSATION)
                await view.service(SERVICE).users.fetch("alice")
        assert server.most_connections == 1
    sent = [request.headers["Authorization"] for request in server.requests]
    names = [(ACCOUNT_SID, AUTH_TOKEN), (other, "another"), (ACCOUNT_SID, "rotated"), ("SK1", "hush")]
    assert sent[0] == aiohttp.encode_basic_auth(ACCOUNT_SID, AUTH_TOKEN)
    assert sent[1:] == [aiohttp.encode_basic_auth(*one) for one in names for _ in range(2)]
    options = [view._session.options for view in [client, *views]]
    assert [(each.timeout, each.retry.max_attempts) for each in options] == [
        (7, 5),
        (3, 1),
        (7, 5),
        (7, 5),
        (2, 5),
    ]


async def test_a_view_closes_nothing() -> None:
    """Connections are closed by the client that has them; a view that is left or closed still works."""
    async with Scripted.of([answer(200, {"sid": CONVERSATION})]) as server:
        async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=server.url) as client:
            view = client.with_options(timeout=3)
            async with view:
                await view.conversations.fetch(CONVERSATION)
            await view.close()
            await view.conversations.fetch(CONVERSATION)
        assert server.most_connections == 1
        with pytest.raises(RuntimeError, match="the client is closed"):
            await view.conversations.fetch(CONVERSATION)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"account_sid": "AC" + "b" * 32}, "auth_token .* is missing"),
        ({"account_sid": "AC1", "auth_token": "x"}, "account_sid .* must be AC and 32 hex digits"),
        ({"auth_token": ""}, "auth_token .* is missing"),
        ({"account_sid": "", "auth_token": "x"}, "account_sid .* is missing"),
        ({"api_key": "SK1"}, "api_secret .* is missing"),
        ({"timeout": 0}, "^timeout must be"),
    ],
)
def test_a_view_never_mixes_credentials(options: dict[str, Any], message: str) -> None:
    """Where any credential is given, none of the old secrets is used: what is missing is an error."""
    client = ConversationsClient(ACCOUNT_SID, AUTH_TOKEN)
    with pytest.raises(ValueError, match=message):
        client.with_options(**options)


def test_a_view_is_of_the_same_class() -> None:
    """A view of a subclass is of that class, and has nothing that was made of the old credentials."""

    class Ours(ConversationsClient):
        desk: ServiceScope

    client = Ours(ACCOUNT_SID, AUTH_TOKEN)
    client.desk = client.service(SERVICE)
    view = client.with_options(auth_token="rotated")
    assert type(view) is Ours
    assert vars(view).keys() == vars(client).keys() - {"desk"}
    assert all(
        getattr(view, name) is not getattr(client, name) for name in ("conversations", "chat", "services")
    )


async def test_views_may_be_made_one_from_another_without_end() -> None:
    """A view of a view of a view costs no more than the first."""
    async with (
        Scripted.of([answer(200, {"sid": CONVERSATION})]) as server,
        ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=server.url) as client,
    ):
        view = client
        for _ in range(2000):
            view = view.with_options(timeout=3)
        assert (await view.conversations.fetch(CONVERSATION)).sid == CONVERSATION


def test_a_repository_says_where_it_is() -> None:
    """In a debugger, a repository shows its class and its place."""
    client = ConversationsClient(ACCOUNT_SID, AUTH_TOKEN)
    assert repr(client.messages("a/b")) == "<MessageRepository at /v1/Conversations/a%2Fb/Messages>"

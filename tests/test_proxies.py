"""Proxies: which one a request takes, what it and the server are told, and what goes wrong with one."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import traceback
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from typer.testing import CliRunner
from yarl import URL

from conversations_async import (
    APIError,
    ConversationsClient,
    ConversationsError,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    TransportError,
    cli,
)
from conversations_async.proxies import NO_PROXIES, Proxies, Proxy

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION
from .proxies import BASIC, NAME, PASSWORD, QUOTED, Tunnel, running_proxy
from .servers import DROP, HANG, Scripted, answer, page
from .support import VARIABLES, point_at, session_of, use_everything
from .test_media import nothing_left
from .tls import Secured, authority, certificate, secured_emulator, showing, trusting

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

# A tunnel of these tests may lose its other end while it is made, and leave a socket of a server behind. What
# the client leaves behind, tests/test_cancellation.py counts, with proxies too.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

FOUND = answer(200, {"sid": CONVERSATION})
OURS = aiohttp.encode_basic_auth(ACCOUNT_SID, AUTH_TOKEN)
#: What nobody but the proxy, or but the API, is to see.
SECRETS = (PASSWORD, QUOTED.partition(":")[2], BASIC.removeprefix("Basic "), AUTH_TOKEN, OURS[6:])


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Clear what the environment says of proxies; a netrc file has credentials for every host."""
    for name in (*VARIABLES, *os.environ):
        if name in VARIABLES or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("REQUEST_METHOD", raising=False)
    (tmp_path / "netrc").write_text("default login somebody password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    return monkeypatch


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Run a real proxy, which demands credentials."""
    with running_proxy(tmp_path_factory.mktemp("proxy")) as address:
        yield address


def connect(url: str, **options: Any) -> ConversationsClient:
    """Make a client that tries twice, at once."""
    retry = RetryPolicy(max_attempts=2, base_delay=0)
    options = {"retry": retry, "timeout": 5.0, "ssl": trusting(), **options}
    return ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=url, **options)


def with_credentials(url: str) -> str:
    """Put user and password into an address."""
    return url.replace("://", f"://{QUOTED}@")


def is_unsent(error: TransportError) -> None:
    """Check that an error tells that nothing was sent."""
    assert not error.sent
    assert not error.ambiguous


def tells_nothing(error: BaseException) -> None:
    """Check that nothing which is shown of an error, or handed on with it, is a secret."""
    shown = "".join([*traceback.format_exception(error), repr(error), repr(error.__cause__)])
    shown += repr(pickle.dumps(error)) + repr(getattr(error.__cause__, "args", ""))
    assert not [secret for secret in SECRETS if secret in shown]


# which proxy


@pytest.mark.parametrize(
    ("address", "url", "authorization"),
    [
        ("http://127.0.0.1:3128", "http://127.0.0.1:3128", None),
        ("https://proxy.example/", "https://proxy.example", None),
        ("HTTP://[::1]:3128", "http://[::1]:3128", None),
        (f"http://{QUOTED}@proxy.example:3128", "http://proxy.example:3128", BASIC),
        ("http://user@proxy.example", "http://proxy.example", "Basic dXNlcjo="),
        ("http://:pass@proxy.example", "http://proxy.example", "Basic OnBhc3M="),
        ("http://u:p%FF@proxy.example", "http://proxy.example", "Basic dTpw/w=="),
        ("http://u:50%@proxy.example", "http://proxy.example", "Basic dTo1MCU="),
    ],
)
def test_an_address_is_read(address: str, url: str, authorization: str | None) -> None:
    """User and password become the header, byte for byte, and leave the address; nothing of them is shown."""
    proxy = Proxy.of("proxy", address)
    assert (str(proxy.url), proxy.authorization) == (url, authorization)
    assert repr(proxy) == f"Proxy(url=URL({url!r}))"


WRONG = [
    *("", "secret", "127.0.0.1:3128", "//secret.example", "secret.example:3128", "http://", "http:secret"),
    *("socks5://secret.example:1080", "ftp://secret.example", "file:///secret"),
    *("http://secret.example/path", "http://secret.example/?query", "http://secret.example#fragment"),
    # passwords whose special characters are not percent-encoded, and a user that no header can carry
    *("http://user:12#secret@proxy.example:3128", "http://user:12/secret@proxy.example:3128"),
    *("http://user:12?secret@proxy.example:3128", "http://se%3Acret:x@proxy.example"),
    *("http://user: secret@proxy.example", "http://user:secretö@proxy.example", "http://secret.example\n"),
    *("http://secret.example:port", "http://secret.example:65536", "http://secret.example:-1"),
    *(f"http://{'secret' * 11}.example", "http://secret..example", "http://[::secret]:1"),
    *(b"http://secret.example", URL("http://secret.example"), 3128, True),
]


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_what_is_no_address_of_a_proxy_is_refused(wrong: Any, environment: pytest.MonkeyPatch) -> None:
    """Before anything is sent, by the name of the argument, and without a word of what it was."""
    environment.setenv("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
    environment.setenv("TWILIO_AUTH_TOKEN", AUTH_TOKEN)
    for make in partial(connect, "http://localhost"), ConversationsClient.from_env:
        with pytest.raises(ValueError, match=r"^proxy must be the address of an http") as caught:
            make(proxy=wrong)
        assert "secret" not in "".join(traceback.format_exception_only(caught.value))
        assert caught.value.__context__ is None


@pytest.mark.parametrize("wrong", [None, 1, "yes", ""], ids=repr)
def test_what_is_no_flag_is_refused(wrong: Any) -> None:
    """``trust_env`` is True or False."""
    with pytest.raises(ValueError, match=r"^trust_env must be True or False"):
        connect("http://localhost", trust_env=wrong)


def address(proxies: Proxies, url: str) -> str | None:
    """Say which proxy is taken to a URL."""
    found = proxies.find(URL(url))
    return None if found is None else found.url.host


@pytest.mark.parametrize(
    ("variables", "http", "https"),
    [
        ({}, None, None),
        ({"HTTP_PROXY": "http://a"}, "a", None),
        ({"HTTPS_PROXY": "http://b"}, None, "b"),
        ({"https_proxy": "https://b", "http_proxy": "http://a"}, "a", "b"),
        ({"HTTPS_PROXY": "http://upper", "https_proxy": "http://lower"}, None, "lower"),
        ({"HTTPS_PROXY": "http://upper", "https_proxy": ""}, None, None),
        ({"HTTPS_PROXY": "", "HTTP_PROXY": ""}, None, None),
        ({"ALL_PROXY": "http://all"}, "all", "all"),
        ({"all_proxy": "http://all", "HTTPS_PROXY": "http://b"}, "all", "b"),
        ({"HTTPS_PROXY": "b:3128"}, None, "b"),
        ({"HTTPS_PROXY": "user:pass@b:3128"}, None, "b"),
        # whoever sends a request to a CGI script sets this one, by a header named Proxy
        ({"HTTP_PROXY": "http://a", "REQUEST_METHOD": "GET"}, None, None),
        ({"http_proxy": "http://a", "REQUEST_METHOD": "GET"}, "a", None),
        # of other variables, nobody knows what they are for
        ({"FTP_PROXY": "ftp://x", "MY_PROXY": "?"}, None, None),
        ({"ALL_PROXY": "http://all", "NO_PROXY": "*"}, None, None),
    ],
)
def test_the_environment_names_the_proxies(
    variables: dict[str, str], http: str | None, https: str | None, environment: pytest.MonkeyPatch
) -> None:
    """When it is asked, in the forms that it has everywhere, and once: when the client is made."""
    for name, value in variables.items():
        environment.setenv(name, value)
    proxies = Proxies.of(None, trust_env=True)
    assert Proxies.of(None, trust_env=False) == NO_PROXIES
    given = Proxies.of("http://given", trust_env=True)
    for name in variables:
        environment.setenv(name, "http://changed")
    assert address(proxies, "http://api.example") == http
    assert address(proxies, "https://api.example") == https
    assert address(given, "http://api.example") == address(given, "https://api.example") == "given"
    assert "pass" not in repr(proxies)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"])
def test_a_variable_that_is_no_address_is_named(name: str, environment: pytest.MonkeyPatch) -> None:
    """And its value is not shown; without ``trust_env``, nobody looks at it."""
    environment.setenv(name, "socks5://user:secret@127.0.0.1:1080")
    connect("http://localhost", trust_env=False)
    with pytest.raises(ValueError, match=rf"^{name.upper()} must be the address of an http") as caught:
        connect("http://localhost", trust_env=True)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("entries", "url", "direct"),
    [
        ("api.example", "https://api.example", True),
        ("API.example", "https://api.EXAMPLE", True),
        ("example", "https://api.example", True),
        (".example", "https://api.example", True),
        ("*.example", "https://api.example", True),
        ("pi.example", "https://api.example", False),
        ("api.example.org", "https://api.example", False),
        ("other, api.example", "https://api.example", True),
        (",, other  api.example ,", "https://api.example", True),
        ("api.example:443", "https://api.example", True),
        ("api.example:444", "https://api.example", False),
        (".example:80", "http://api.example", True),
        ("127.0.0.1", "http://127.0.0.1:8080", True),
        ("127.0.0.1", "http://127.0.0.2:8080", False),
        ("::1", "http://[::1]:8080", True),
        ("[::1]", "http://[::1]:8080", True),
        ("[::1]:8080", "http://[::1]:8080", True),
        ("[::1]:8081", "http://[::1]:8080", False),
        ("*", "https://api.example", True),
        (" * ", "https://api.example", True),
        ("localhost,*", "https://api.example", True),
        ("", "https://api.example", False),
        (" , . ,", "https://api.example", False),
    ],
)
def test_the_environment_names_hosts_that_need_none(
    entries: str, url: str, direct: bool, environment: pytest.MonkeyPatch
) -> None:
    """By name, suffix, address and port; a proxy that was given is for all hosts, whatever it says."""
    environment.setenv("ALL_PROXY", "http://all")
    environment.setenv("NO_PROXY", entries)
    assert address(Proxies.of(None, trust_env=True), url) == (None if direct else "all")
    assert address(Proxies.of("http://given", trust_env=True), url) == "given"


# a real one


@pytest.mark.parametrize("kind", ["own", "borrowed"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_everything_goes_through_the_proxy(scheme: str, kind: str, real: str) -> None:
    """Both APIs and media, up and down, reach a host that only the proxy knows; it is told who asks."""
    context = showing(certificate(NAME)) if scheme == "https" else None
    async with (
        secured_emulator(context, NAME) as url,
        session_of(kind) as given,
        connect(url, proxy=f"http://{QUOTED}@{real}", **given) as client,
    ):
        created = await client.services.create(friendly_name="x")
        service = client.with_options(timeout=4).service(created.sid)
        await use_everything(client, service, created.sid)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_proxy_of_the_environment_is_used(
    scheme: str, real: str, environment: pytest.MonkeyPatch
) -> None:
    """By ``trust_env``, from the constructor and ``from_env``; what a netrc file has is not sent."""
    context = showing(certificate(NAME)) if scheme == "https" else None
    async with secured_emulator(context, NAME) as url:
        environment.setenv(f"{scheme.upper()}_PROXY", f"http://{QUOTED}@{real}")
        environment.setenv("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
        environment.setenv("TWILIO_AUTH_TOKEN", AUTH_TOKEN)
        environment.setenv("CONVERSATIONS_BASE_URL", url)
        for client in (
            connect(url, trust_env=True),
            ConversationsClient.from_env(trust_env=True, ssl=trusting()),
            ConversationsClient.from_env(proxy=f"http://{QUOTED}@{real}", ssl=trusting()),
        ):
            async with client:
                await client.conversations.create(friendly_name="x")


@pytest.mark.parametrize("credentials", ["", "somebody:else@"])
async def test_a_proxy_that_wants_other_credentials(credentials: str, real: str) -> None:
    """For https, nothing was sent, and the error says what to change; for http, the proxy is who answers."""
    proxy = f"http://{credentials}{real}"
    async with connect(f"https://{NAME}:1", proxy=proxy) as client:
        with pytest.raises(TransportError, match=r"the proxy asks for other credentials.*\(proxy;") as caught:
            await client.conversations.create()
    is_unsent(caught.value)
    assert caught.value.status == 407
    async with connect(f"http://{NAME}:1", proxy=proxy) as client:
        with pytest.raises(APIError, match="Proxy Authentication Required") as refused:
            await client.conversations.create()
    assert not refused.value.ambiguous


async def test_a_server_that_the_proxy_does_not_reach(real: str) -> None:
    """For https, nothing was sent, and a POST is tried again; for http, nobody knows what the proxy did."""
    proxy = f"http://{QUOTED}@{real}"
    async with connect(f"https://{NAME}:1", proxy=proxy) as client:
        with pytest.raises(TransportError, match="the proxy refuses to connect to the server") as caught:
            await client.conversations.create()
    is_unsent(caught.value)
    assert (caught.value.status, caught.value.attempts) == (502, 2)
    tells_nothing(caught.value)
    async with connect(f"http://{NAME}:1", proxy=proxy) as client:
        with pytest.raises(ServerError) as failed:
            await client.conversations.create()
    assert failed.value.ambiguous


# who is told what


async def test_a_tunnel_hides_each_from_the_other(caplog: pytest.LogCaptureFixture) -> None:
    """The proxy gets its credentials and not the API's, the API not the proxy's; one tunnel serves both."""
    caplog.set_level(logging.DEBUG)
    server = Secured.of([FOUND])
    server.context = showing(certificate(NAME))
    async with server, Tunnel() as proxy:
        port = URL(server.url).port
        async with connect(f"https://{NAME}:{port}", proxy=with_credentials(proxy.url)) as client:
            await client.conversations.fetch(CONVERSATION)
            await client.conversations.create()
    (told,) = proxy.requests
    assert (told.method, told.target) == ("CONNECT", f"{NAME}:{port}")
    assert told.headers["Proxy-Authorization"] == BASIC
    assert "authorization" not in {name.lower() for name in told.headers}
    assert len(server.requests) == 2
    for request in server.requests:
        assert request.headers["Authorization"] == OURS
        assert "proxy-authorization" not in {name.lower() for name in request.headers}
    assert not [secret for secret in SECRETS if secret in caplog.text + repr(client)]


async def test_a_request_to_http_is_told_to_the_proxy() -> None:
    """It is whole, with its absolute address, and the header for the proxy; one without a proxy has none."""
    async with Scripted.of([FOUND]) as proxy:
        async with connect(f"http://{NAME}:1", proxy=with_credentials(proxy.url)) as client:
            await client.conversations.fetch(CONVERSATION)
        async with connect(f"http://{NAME}:1", proxy=proxy.url) as client:
            await client.conversations.fetch(CONVERSATION)
        async with connect(proxy.url) as client:
            await client.conversations.fetch(CONVERSATION)
    path = f"/v1/Conversations/{CONVERSATION}"
    told = [(each.target, each.headers.get("Proxy-Authorization")) for each in proxy.requests]
    assert told == [(f"http://{NAME}:1{path}", BASIC), (f"http://{NAME}:1{path}", None), (path, None)]


async def test_a_tunnel_is_for_whom_it_was_made() -> None:
    """With other credentials, by another proxy, or by none, nothing goes through it, in one session too."""
    server, context = Secured.of([FOUND]), trusting()
    async with server, Tunnel() as first, Tunnel() as second, aiohttp.ClientSession() as session:
        for proxy in (
            *(first.url, with_credentials(first.url), first.url.replace("://", "://user:other@")),
            *(second.url, None, first.url),
        ):
            client = connect(server.url, proxy=proxy, session=session, ssl=context)
            await client.conversations.fetch(CONVERSATION)
    told = [request.headers.get("Proxy-Authorization") for request in first.requests]
    assert told == [None, BASIC, aiohttp.encode_basic_auth("user", "other")]
    assert (len(second.requests), server.most_connections) == (1, 5)


async def test_a_proxy_can_be_reached_by_tls() -> None:
    """The context is for both, one within the other; a proxy with a bad certificate is told nothing."""
    server, proxy = Secured.of([FOUND]), Tunnel(context=showing(certificate("localhost")))
    async with server, proxy:
        url = with_credentials(proxy.url.replace("127.0.0.1", "localhost"))
        async with connect(server.url, proxy=url) as client:
            await client.conversations.fetch(CONVERSATION)
        async with connect(f"http://{NAME}", proxy=url, ssl=trusting("theirs")) as client:
            with pytest.raises(TransportError, match="the certificate of the proxy localhost:") as caught:
                await client.conversations.create()
    is_unsent(caught.value)
    assert caught.value.attempts == len(proxy.requests) == len(server.requests) == 1
    tells_nothing(caught.value)


async def test_a_certificate_is_checked_through_a_proxy() -> None:
    """A proxy that leads elsewhere gets no request, and it is not the proxy that is to blame."""
    server = Secured.of([FOUND])
    server.context = showing(authority("theirs").issue_cert("localhost"))
    async with server, Tunnel() as proxy, connect(server.url, proxy=proxy.url) as client:
        with pytest.raises(TransportError, match="the certificate of localhost:") as caught:
            await client.conversations.create()
    is_unsent(caught.value)
    assert not server.requests
    assert caught.value.attempts == len(proxy.requests) == 1


async def test_a_proxy_can_have_an_ipv6_address() -> None:
    """In brackets, as in every address."""
    server, proxy = Secured.of([FOUND]), Tunnel(host="::1")
    try:
        await proxy.__aenter__()
    except OSError:
        pytest.skip("there is no IPv6 on this machine")
    async with server, connect(server.url, proxy=with_credentials(proxy.url)) as client:
        await client.conversations.fetch(CONVERSATION)
    await proxy.__aexit__()
    assert [request.headers["Proxy-Authorization"] for request in proxy.requests] == [BASIC]


async def test_no_proxy_is_asked_for_what_needs_none(environment: pytest.MonkeyPatch) -> None:
    """A host of ``NO_PROXY``, and a client that does not trust the environment, are reached straight."""
    async with Secured.of([FOUND]) as server, Tunnel() as proxy:
        environment.setenv("https_proxy", proxy.url)
        async with connect(server.url) as client:
            await client.conversations.fetch(CONVERSATION)
        environment.setenv("no_proxy", "localhost")
        async with connect(server.url, trust_env=True) as client:
            await client.conversations.fetch(CONVERSATION)
        assert not proxy.requests
        environment.delenv("no_proxy")
        async with connect(server.url, trust_env=True) as client:
            await client.conversations.fetch(CONVERSATION)
        assert len(proxy.requests) == 1


async def test_the_command_line_takes_the_proxy_of_the_environment(environment: pytest.MonkeyPatch) -> None:
    """As other tools of a shell do."""
    async with Scripted.of([answer(200, page("conversations", []))]) as proxy:
        point_at(f"http://{NAME}", environment)
        environment.setenv("http_proxy", proxy.url)
        result = await asyncio.to_thread(CliRunner().invoke, cli.app, ["conversations"])
    assert result.exit_code == 0
    assert len(proxy.requests) == 1


# sessions that are borrowed


async def test_a_borrowed_session_has_its_own_environment() -> None:
    """``trust_env`` does nothing to it, and is refused; so is a session that tells a proxy its own secret."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ValueError, match=r"^trust_env is for a session of the client's own"):
            connect("http://localhost", session=session, trust_env=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # as long as aiohttp has it, somebody uses it
        session = aiohttp.ClientSession(proxy_auth=aiohttp.BasicAuth("a", "b"))
    async with session:
        connect("http://localhost", session=session)
        with pytest.raises(ValueError, match=r"^session must have no proxy_auth of its own"):
            connect("http://localhost", session=session, proxy="http://localhost:1")


async def test_a_borrowed_session_that_reads_netrc(environment: pytest.MonkeyPatch) -> None:
    """It works through the proxies of the environment, until netrc has other credentials for the API."""
    server, proxy = Secured.of([FOUND]), Tunnel()
    async with server, proxy, aiohttp.ClientSession(trust_env=True) as session:
        environment.setenv("https_proxy", with_credentials(proxy.url))
        client = connect(server.url, session=session)
        with pytest.raises(ValueError, match=r"^session was made with trust_env=True, .*netrc"):
            await client.conversations.fetch(CONVERSATION)
        assert not [*server.requests, *proxy.requests]
        environment.setenv("NETRC", os.devnull)
        await client.conversations.fetch(CONVERSATION)
    assert [request.headers["Authorization"] for request in server.requests] == [OURS]
    # in the charset of aiohttp
    assert ["Proxy-Authorization" in request.headers for request in proxy.requests] == [True]


async def test_what_is_wrong_with_an_argument_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``ValueError`` of aiohttp about anything else is no matter of the environment."""

    def refuse(*_: object, **__: object) -> None:
        raise ValueError("else")

    monkeypatch.setattr(aiohttp.ClientSession, "_request", refuse)
    async with connect("http://localhost") as client:
        with pytest.raises(ValueError, match=r"^else$"):
            await client.conversations.fetch(CONVERSATION)


# what goes wrong


BROKEN: dict[str, tuple[bytes | None, str, int]] = {
    "407": (answer(407, headers={"Proxy-Authenticate": "Basic"}), "the proxy asks for other credentials", 1),
    "403": (answer(403, {"secret": "x"}), r"the proxy refuses to connect to the server \(HTTP 403\)", 1),
    "429": (answer(429), r"the proxy refuses to connect to the server \(HTTP 429\)", 2),
    "502": (answer(502, b"x" * 100_000), r"the proxy refuses to connect to the server \(HTTP 502\)", 2),
    "redirect": (answer(302, headers={"Location": "http://127.0.0.1:1"}), r"refuses .* \(HTTP 302\)", 2),
    "endless": (b"HTTP/1.1 503 x\r\n\r\n" + b"x" * 100_000, r"refuses .* \(HTTP 503\)", 2),
    "garbage": (b"SSH-2.0-OpenSSH_9\r\n\r\n", "the proxy broke off the connection .* speaks no HTTP", 2),
    "closed": (DROP, "the proxy broke off the connection", 2),
    "half a head": (b"HTTP/1.1 200 OK\r\nX-", "the proxy broke off the connection", 2),
    "no tunnel": (b"HTTP/1.1 200 OK\r\n\r\n", "no .*connection to localhost", 2),
    "hanging": (HANG, "no connection through the proxy within .* s", 1),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_proxy_that_makes_no_tunnel_has_sent_nothing(name: str) -> None:
    """Whatever it does, the error says so in time; what may help is tried again, a POST too."""
    entry, reason, attempts = BROKEN[name]
    async with Scripted.of([entry]) as proxy, asyncio.timeout(10):
        options: dict[str, Any] = {"proxy": with_credentials(proxy.url)}
        if entry is HANG:
            options |= {"timeout": 1, "retry": RetryPolicy(max_attempts=1)}
        async with connect("https://localhost:1", **options) as client:
            with pytest.raises(TransportError, match=reason) as caught:
                await client.conversations.create(friendly_name="x")
        await nothing_left(proxy)
    is_unsent(caught.value)
    assert isinstance(caught.value, RequestTimeoutError) is (entry is HANG)
    assert caught.value.attempts == len(proxy.requests) == attempts
    assert {request.method for request in proxy.requests} == {"CONNECT"}
    tells_nothing(caught.value)


@pytest.mark.parametrize("name", BROKEN)
async def test_a_proxy_of_a_borrowed_session_fails_as_well(name: str) -> None:
    """The error is typed, and shows no secret; whether something was sent, aiohttp does not always say."""
    entry, _, _ = BROKEN[name]
    async with Scripted.of([entry]) as proxy, session_of("borrowed") as given, asyncio.timeout(10):
        retry = RetryPolicy(max_attempts=1)
        url = with_credentials(proxy.url)
        client = connect("https://localhost:1", proxy=url, retry=retry, timeout=0.5, **given)
        with pytest.raises(TransportError) as caught:
            await client.conversations.create(friendly_name="x")
    assert {request.method for request in proxy.requests} == {"CONNECT"}
    tells_nothing(caught.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_not_there(scheme: str) -> None:
    """The error names it, and not the server; nothing was sent."""
    async with Scripted.of([DROP]) as proxy:
        url = proxy.url
    async with connect(f"{scheme}://{NAME}", proxy=with_credentials(url)) as client:
        with pytest.raises(TransportError, match=r"no connection to the proxy 127\.0\.0\.1:") as caught:
            await client.conversations.create()
    is_unsent(caught.value)
    assert caught.value.attempts == 2
    tells_nothing(caught.value)


async def test_a_write_through_a_tunnel_that_breaks_is_ambiguous() -> None:
    """Once there is a tunnel, what goes wrong is no longer the proxy's: a POST may have arrived."""
    server, proxy = Secured.of([DROP]), Tunnel()
    async with server, proxy, connect(server.url, proxy=with_credentials(proxy.url)) as client:
        with pytest.raises(ConversationsError, match="the connection was lost") as caught:
            await client.conversations.create()
    assert caught.value.ambiguous
    assert caught.value.attempts == len(server.requests) == 1
    tells_nothing(caught.value)

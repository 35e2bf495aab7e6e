"""Origins: the credentials go where the client was told to go, and nowhere else, whatever an answer says.

A thief listens on another port of this machine. What is recorded is every address that a socket connects to,
and every name that is looked up: a request that cannot arrive would be found all the same.
"""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from attrs import define, field
from hypothesis import assume, example, given
from hypothesis import strategies as st
from yarl import URL

from conversations_async import (
    APIError,
    ConversationsClient,
    ConversationsError,
    PaginationError,
    RetryPolicy,
    merge_streams,
)
from conversations_async.hosts import Hosts

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION, MESSAGE, SERVICE
from .servers import Scripted, answer, page
from .support import deterministic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

CREDENTIALS = base64.b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()


@define
class Wires:
    """Where the sockets of a loop lead, the names that are looked up, and the two servers that there are."""

    own: Scripted
    thief: Scripted
    #: Host and port of each connection that was begun.
    reached: set[tuple[str, int]] = field(factory=set)
    looked_up: set[str] = field(factory=set)

    def forms(self, text: str) -> str:
        """Fill in the ports: ``{own}`` and ``{thief}``."""
        return text.format(own=_port(self.own), thief=_port(self.thief))

    def assert_only_own(self) -> None:
        """Require that nothing went anywhere but to the client's own origin."""
        assert self.reached <= {("127.0.0.1", _port(self.own))}
        assert self.looked_up == set()
        assert self.thief.most_connections == 0


def _port(server: Scripted) -> int:
    return URL(server.url).port or 0


@asynccontextmanager
async def wired(patch: pytest.MonkeyPatch, *script: bytes) -> AsyncIterator[Wires]:
    """Run both servers, and watch the loop."""
    loop = asyncio.get_running_loop()
    async with Scripted.of(script or [answer()]) as own, Scripted.of([answer(200, {})]) as thief:
        wires = Wires(own, thief)
        connect = loop.sock_connect

        def connecting(sock: Any, address: Any) -> Awaitable[None]:
            wires.reached.add(tuple(address[:2]))
            return connect(sock, address)

        class Names(AbstractResolver):
            """Knows one name."""

            def __init__(self, **_: object) -> None:
                pass

            async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
                wires.looked_up.add(host)
                if host != "localhost":
                    raise OSError("no such name")
                return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=2, proto=0, flags=0)]

            async def close(self) -> None:
                pass

        patch.setattr(loop, "sock_connect", connecting)
        patch.setattr("aiohttp.connector.DefaultResolver", Names)
        yield wires
        patch.undo()


def client_of(wires: Wires, **options: Any) -> ConversationsClient:
    """Make a client of the own server, which gives up at once."""
    retry = RetryPolicy(max_attempts=1)
    return ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=wires.own.url, retry=retry, **options)


async def test_the_watch_sees_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a connection does go elsewhere, it is recorded."""
    async with wired(monkeypatch) as wires, aiohttp.ClientSession() as session:
        await (await session.get(f"http://localhost:{_port(wires.thief)}/")).read()
        assert wires.looked_up == {"localhost"}
        assert {port for _, port in wires.reached} == {_port(wires.thief)}
        with pytest.raises(AssertionError):
            wires.assert_only_own()


# ------------------------------------------------------------------------------------ what an answer may name

#: Ways to name the thief, or somebody else again, to a client whose origin is ``http://127.0.0.1:{own}``.
LINKS = [
    "http://127.0.0.1:{thief}/v1/Conversations",
    "https://127.0.0.1:{own}/v1/Conversations",
    "https://127.0.0.1:{thief}/v1/Conversations",
    "HTTP://127.0.0.1:{thief}/v1/Conversations",
    "http://localhost:{own}/v1/Conversations",
    "http://127.1:{own}/v1/Conversations",
    "http://0x7f000001:{own}/v1/Conversations",
    "http://2130706433:{own}/v1/Conversations",
    "http://0177.0.0.1:{own}/v1/Conversations",
    "http://127.0.0.1.:{own}/v1/Conversations",
    "http://[::ffff:127.0.0.1]:{own}/v1/Conversations",
    "http://[::1]:{own}/v1/Conversations",
    "http://127.0.0.1/v1/Conversations",
    "http://127.0.0.1:/v1/Conversations",
    "http://127.0.0.1:{own}0/v1/Conversations",
    "http://127.0.0.1:{own}.evil.test/v1/Conversations",
    "http://127.0.0.1.evil.test:{own}/v1/Conversations",
    "http://127.0.0.1:{own}@127.0.0.1:{thief}/v1/Conversations",
    "http://127.0.0.1:{own}%40127.0.0.1:{thief}/v1/Conversations",
    "http://127.0.0.1:{own}:{thief}/v1/Conversations",
    "http://user@127.0.0.1:{own}/v1/Conversations",
    "http://user:password@127.0.0.1:{own}/v1/Conversations",
    "http://@127.0.0.1:{thief}/v1/Conversations",
    "http://:@127.0.0.1:{thief}/v1/Conversations",
    "http://127.0.0.1:{own}\\@127.0.0.1:{thief}/v1/Conversations",
    "http://127.0.0.1:{thief}\\@127.0.0.1:{own}/v1/Conversations",
    "http:\\\\127.0.0.1:{thief}\\v1\\Conversations",
    "http:/\\127.0.0.1:{thief}/v1/Conversations",
    "http:/127.0.0.1:{thief}/v1/Conversations",
    "http:127.0.0.1:{thief}/v1/Conversations",
    "http:///127.0.0.1:{thief}/v1/Conversations",
    "//127.0.0.1:{thief}/v1/Conversations",
    "\\\\127.0.0.1:{thief}/v1/Conversations",
    "/\\127.0.0.1:{thief}/v1/Conversations",
    "127.0.0.1:{thief}/v1/Conversations",
    "//evil.test/v1/Conversations",
    "http://evil.test#@127.0.0.1:{own}/v1/Conversations",
    "http://evil.test?@127.0.0.1:{own}/v1/Conversations",
    "http://evil.test/@127.0.0.1:{own}/v1/Conversations",
    "http://evil.test\t.127.0.0.1:{own}/v1/Conversations",
    "http://127.0.0.1\t:{thief}/v1/Conversations",
    "ht\ntp://127.0.0.1:{thief}/v1/Conversations",
    " http://127.0.0.1:{thief}/v1/Conversations",
    "http://127.0.0.1:{thief}\r\nX: y/v1/Conversations",
    "http://127.0.0.1:{own}\x00.evil.test/v1/Conversations",
    "http://127。0。0。1:{thief}/v1/Conversations",
    "http://\uff11\uff12\uff17.0.0.1:{own}/v1/Conversations",
    "http://①②⑦.0.0.1:{own}/v1/Conversations",
    "http://%31%32%37.0.0.1:{thief}/v1/Conversations",
    "http://127%2e0.0.1:{own}/v1/Conversations",
    "http://127.0.0.1%00.evil.test:{own}/v1/Conversations",
    "http://127.0.0.1%2f@evil.test:{own}/v1/Conversations",
    "http://[127.0.0.1]:{own}/v1/Conversations",
    "http://[fe80::1%25lo]:{own}/v1/Conversations",
    "https://conversations.twilio.com:{thief}/v1/Conversations",
    "https://conversations.twilio.com.evil.test/v1/Conversations",
    "https://conversations.twilio.com./v1/Conversations",
    "https://conversations.twilio.com:444/v1/Conversations",
    "https://conversations.twilio.com@evil.test/v1/Conversations",
    "http://conversations.twilio.com/v1/Conversations",
    "https://chat.twilio.com/v1/Conversations",
    "https://c\u043enversations.twilio.com/v1/Conversations",
    "https://conversations.twilio.c\u043em/v1/Conversations",
    "https://conversations.tw\u0131l\u0131o.com/v1/Conversations",
    "https://conversations.twilio。com/v1/Conversations",
    "https://conversations\u00ad.twilio.com/v1/Conversations",
    "https://xn--cnversations-2ch.twilio.com/v1/Conversations",
    "file:///etc/passwd",
    "unix://127.0.0.1/v1/Conversations",
    "ws://127.0.0.1:{own}/v1/Conversations",
    "data:application/json,{{}}",
]


async def test_a_page_link_that_leads_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No way of writing the link to the next page leads to another origin; the items before it are given."""
    async with wired(monkeypatch) as wires, client_of(wires) as client:
        for number, link in enumerate(LINKS, 1):
            wires.own.script[0] = answer(200, page("users", [{"sid": "US1"}], wires.forms(link)))
            seen = []
            with pytest.raises(PaginationError, match="another origin"):
                async for user in client.users.stream(read_ahead=2):
                    seen.append(user.sid)
            assert (link, seen, len(wires.own.requests)) == (link, ["US1"], number)
            wires.assert_only_own()


#: Ways to write the link of an own page that have no effect on where it leads.
@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:{own}//127.0.0.1:{thief}/v1/Users?Page=1",
        "http://127.0.0.1:{own}/\\127.0.0.1:{thief}/v1/Users",
        "http://127.0.0.1:{own}/http://127.0.0.1:{thief}/v1/Users",
        "http://127.0.0.1:{own}/@127.0.0.1:{thief}/v1/Users",
        "http://127.0.0.1:{own}?@127.0.0.1:{thief}/v1/Users",
        "http://127.0.0.1:{own}#@127.0.0.1:{thief}/v1/Users",
        "HTTP://127.0.0.1:{own}/v1/Users?Page=1",
        "https://conversations.twilio.com//127.0.0.1:{thief}/v1/Users",
        "HTTPS://CONVERSATIONS.TWILIO.COM:443/v1/Users?Page=1",
    ],
)
async def test_a_page_link_that_only_looks_like_another(link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does one of the own origin whose path looks like another address: that is a path."""
    async with wired(monkeypatch) as wires, client_of(wires) as client:
        first = answer(200, page("users", [{"sid": "US1"}], wires.forms(link)))
        wires.own.script.clear()
        wires.own.script.extend([first, answer(200, page("users", [{"sid": "US2"}]))])
        assert [user.sid for user in await client.users.stream().list()] == ["US1", "US2"]
        assert [request.headers["Host"] for request in wires.own.requests] == [
            f"127.0.0.1:{_port(wires.own)}"
        ] * 2
        wires.assert_only_own()


async def chunks() -> AsyncIterator[bytes]:
    """Give something to upload."""
    yield b"some"


async def download(client: ConversationsClient) -> None:
    """Read a file."""
    async with client.service(SERVICE).media.download("ME" + "1" * 32) as arriving:
        async for _ in arriving:
            pass


CALLS: dict[str, Callable[[ConversationsClient], Awaitable[object]]] = {
    "fetch": lambda client: client.conversations.fetch(CONVERSATION),
    "create": lambda client: client.messages(CONVERSATION).create(body="hello"),
    "create_once": lambda client: client.messages(CONVERSATION).create_once(key="k", look_back=0),
    "update": lambda client: client.messages(CONVERSATION).update(MESSAGE, body="hello"),
    "delete": lambda client: client.conversations.delete(CONVERSATION),
    "ensure": lambda client: client.conversations.ensure("a-name"),
    "list": lambda client: client.users.stream().list(),
    "merge": lambda client: merge_streams([client.users.stream()]).list(),
    "chat": lambda client: client.chat.service(SERVICE).channels.fetch("CH1"),
    "upload": lambda client: client.service(SERVICE).media.upload(chunks(), content_type="a/b"),
    "download": download,
    "other credentials": lambda client: client.with_options(auth_token="other").users.fetch("US1"),
}


def headers_to(url: str) -> dict[str, str]:
    """Name an address in every header that some client follows."""
    return {
        "Location": f"{url}/v1/Conversations",
        "Content-Location": f"{url}/v1/Conversations",
        "Refresh": f"0; url={url}/",
        "Link": f'<{url}/v1/Users>; rel="next"',
        "Alt-Svc": f'h2="{url.removeprefix("http://")}"; ma=3600',
        "Set-Cookie": "session=1; Domain=127.0.0.1",
        "WWW-Authenticate": f'Digest realm="x", nonce="y", domain="{url}"',
        "Upgrade": "h2c",
    }


@pytest.mark.parametrize("status", [200, 201, 301, 302, 303, 305, 307, 308, 401, 407, 421, 503])
async def test_no_header_leads_elsewhere(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the status, no header of an answer leads anywhere, and no cookie is kept."""
    async with wired(monkeypatch) as wires, client_of(wires) as client:
        wires.own.script.clear()
        body = {"sid": "x", "meta": {"key": "users"}, "users": []}
        wires.own.script.append(answer(status, body, headers=headers_to(wires.thief.url)))
        for call in [*CALLS.values(), *CALLS.values()]:
            try:
                await call(client)
            except ConversationsError:
                continue
            assert status < 300
        assert wires.own.requests
        for request in wires.own.requests:
            assert "Cookie" not in request.headers
        wires.assert_only_own()


async def test_a_media_link_carries_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link to the bytes of a file leads out over https alone; what goes there does not say who asks."""
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(4096))
        writer.close()

    async with wired(monkeypatch) as wires, client_of(wires, timeout=0.5) as client:
        links = [wires.forms(link) for link in [*LINKS, "http://127.0.0.1:{own}/file"]]
        port = _port(wires.thief)
        assert wires.thief._server is not None
        wires.thief._server.close()
        listener = await asyncio.start_server(listen, "127.0.0.1", port)
        for link in links:
            described = {"sid": "ME1", "links": {"content_direct_temporary": link}}
            wires.own.script[0] = answer(200, described)
            with suppress(ConversationsError):
                await download(client)
        listener.close()
    told = [request for request in wires.own.requests if "Authorization" in request.headers]
    assert len(told) == len(links)
    assert [request.target for request in wires.own.requests if request not in told] == ["/file"]
    assert heard
    for said in heard:
        assert said[:1] == b"\x16"  # the beginning of TLS, never of HTTP
        assert CREDENTIALS.encode() not in said


# ------------------------------------------------------------------------------------- what a caller may give

SEGMENTS = [
    "//{thief}", "/", "..", "../..", "..%2f..", "\\\\evil", "@127.0.0.1:{thief}", ":{thief}",
    "http://127.0.0.1:{thief}/", "?", "#", "%2e%2e", ".%00.", "\t//evil",
]  # fmt: skip

NAMED: list[Callable[[ConversationsClient, str], Awaitable[object]]] = [
    lambda client, name: client.conversations.fetch(name),
    lambda client, name: client.messages(name).fetch(name),
    lambda client, name: client.service(name).users.delete(name),
    lambda client, name: client.chat.service(name).channels.fetch(name),
]


async def test_an_identifier_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """An identifier that looks like an address is a part of the path, or is refused."""
    async with wired(monkeypatch, answer(404)) as wires, client_of(wires) as client:
        for identifier in SEGMENTS:
            for call in NAMED:
                with pytest.raises((APIError, ValueError)):
                    await call(client, wires.forms(identifier))
        assert wires.own.requests
        wires.assert_only_own()


async def test_a_cursor_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cursor that somebody made up is refused: it names a page of this list, and no address."""
    async with wired(monkeypatch) as wires, client_of(wires) as client:
        for link in [*LINKS, "//127.0.0.1:{thief}/v1/Users?Page=1", "/@127.0.0.1:{thief}/v1/Users"]:
            with pytest.raises(ValueError, match=r"^cursor "):
                client.users.stream(cursor=wires.forms(link))
        assert wires.own.requests == []


@pytest.mark.parametrize("call", CALLS)
async def test_the_environment_leads_nowhere(
    call: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Proxies of the environment count only where they are asked for, and a netrc file never does."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    body = {"sid": "x", "meta": {"key": "users"}, "users": []}
    async with Scripted.of([answer(200, body)]) as elsewhere:
        with pytest.MonkeyPatch.context() as patch:
            for scheme in "http", "https", "all":
                patch.setenv(f"{scheme}_proxy", elsewhere.url)
                patch.setenv(f"{scheme.upper()}_PROXY", elsewhere.url)
            patch.setenv("NETRC", str(tmp_path / "netrc"))
            async with wired(monkeypatch, answer(200, body)) as wires, client_of(wires) as client:
                try:
                    await CALLS[call](client)
                except ConversationsError:
                    assert call == "download"  # there is no link
                wires.assert_only_own()
                for request in wires.own.requests:
                    own = f"{ACCOUNT_SID}:{'other' if call == 'other credentials' else AUTH_TOKEN}"
                    assert request.headers["Authorization"] == (
                        f"Basic {base64.b64encode(own.encode()).decode()}"
                    )
        assert elsewhere.requests == []


async def test_a_borrowed_session_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A base address, cookies or a redirect policy of a borrowed session do not change where requests go."""
    moved = answer(302, b"", headers={"Location": "http://127.0.0.1:1/"})
    async with wired(monkeypatch, moved) as wires:
        async with aiohttp.ClientSession(base_url=f"{wires.thief.url}/") as session:
            client = client_of(wires, session=session)
            for call in CALLS.values():
                with pytest.raises(ConversationsError):
                    await call(client)
        wires.assert_only_own()


# ------------------------------------------------------------------------------ what two others say of a link

HOSTS = {
    "vendor": Hosts(),
    "region": Hosts(region="ie1"),
    "base": Hosts(base_url="http://127.0.0.1:8080"),
    "named base": Hosts(base_url="https://proxy.example"),
}

NOISE = st.sampled_from(
    [*"\t\n\r \\/@:?#%[].;&=~\x00\x7f", *"\u3002\u00ad\uff0f\u043e\u00df", "%2e", "%40", "%2F", "//"]
)
AUTHORITIES = [
    "conversations.twilio.com",
    "CONVERSATIONS.twilio.com",
    "conversations.dublin.ie1.twilio.com",
    "127.0.0.1:8080",
    "127.0.0.1:8081",
    "proxy.example",
    "proxy.example:443",
    "proxy.example:80",
    "evil.test",
    "chat.twilio.com",
]


@st.composite
def links(draw: st.DrawFn) -> str:
    """Make a link that may be one of the own ones, and put a few characters where they do not belong."""
    link = (
        draw(st.sampled_from(["http", "https", "HTTPS", "ftp", "ws", ""]))
        + draw(st.sampled_from(["://", "://", "://", ":", ":/", "//", ":\\\\", ":///"]))
        + draw(st.sampled_from(["", "", "", "user@", "user:password@", "@", ":@", "127.0.0.1:8080@"]))
        + draw(st.sampled_from(AUTHORITIES))
        + draw(st.sampled_from(["", "", ".", ":443", ":80", ":", ":0", ".evil.test"]))
        + draw(
            st.sampled_from(
                ["", "/", "/v1/Users?Page=1", "?a", "#a", "//evil.test", "/\\evil.test", "\\evil"]
            )
        )
    )
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(link)))
        link = link[:place] + draw(NOISE) + link[place:]
    return link


def origins_of(link: str) -> list[tuple[str, str | None, int | None]]:
    """Say which origin yarl, urllib, and a browser's rules see in a link, each with its scheme and port."""
    url, parts = URL(link), urlsplit(link)
    port = {"http": 80, "https": 443}.get(parts.scheme)
    # to a browser, a backslash is a slash
    seen = urlsplit(link.replace("\\", "/"))
    return [
        (url.scheme, (url.raw_host or "").lower(), url.port),
        (parts.scheme, parts.hostname, port if parts.port is None else parts.port),
        (seen.scheme, seen.hostname, port if seen.port is None else seen.port),
    ]


@pytest.mark.parametrize("name", HOSTS)
@given(link=links())
@example(link="https://conversations.twilio.com/v1/Users?Page=1")
@example(link="HTTPS://CONVERSATIONS.TWILIO.COM:443/v1")
@example(link="http://127.0.0.1:8080\\@evil.test/")
@example(link="https://conversations.twilio.com:443@evil.test/")
@example(link="https://conversations.twilio.com/v1/Us\ters")
@example(link="HTTPS://conversations.twilio.com/v1/\u043e")
@deterministic
def test_an_own_link_is_one_to_everybody(name: str, link: str) -> None:
    """What counts as an own link has, to each parser, one of the own origins, no user, and a plain path."""
    hosts = HOSTS[name]
    found = hosts.own_link("conversations", link)
    if found is None:
        return
    allowed = [
        hosts.origin("conversations"),
        Hosts(region=hosts.region).origin("conversations"),
        Hosts().origin("conversations"),
    ]
    own = [(url.scheme, url.raw_host, url.port) for url in map(URL, allowed)]
    assert all(origin in own for origin in origins_of(link))
    assert not urlsplit(link).username
    assert found.startswith("/")
    assert found.isascii()
    assert found.isprintable()
    assert " " not in found


@pytest.mark.parametrize("name", HOSTS)
@given(link=links())
@example(link="https://evil.test/")
@example(link="http://127.0.0.1:8080/")
@example(link="https://evil.test\\@proxy.example/")
@example(link="https://evil.test\\.proxy.example/")
@example(link="https://evil\t.test/")
@deterministic
def test_a_temporary_link_is_one_to_everybody(name: str, link: str) -> None:
    """What is followed without credentials is https, or the own origin, has no user, and one host to all."""
    hosts = HOSTS[name]
    found = hosts.temporary_link("conversations", link)
    if found is None:
        return
    origins = origins_of(link)
    assert found == URL(link, encoded=True)
    assert len(set(origins)) == 1
    own = URL(hosts.origin("conversations"))
    assert found.scheme == "https" or origins[0] == (own.scheme, own.raw_host, own.port)
    assert not urlsplit(link).username


@pytest.mark.parametrize("name", HOSTS)
@given(path=st.text("abc/.-_~%&=?:@!$'()*+,;", max_size=20))
@deterministic
def test_a_plain_own_link_is_followed_byte_for_byte(name: str, path: str) -> None:
    """What is plainly an own link is followed, and reaches the API as it was written."""
    assume("?" not in path or not path.endswith("?"))
    hosts = HOSTS[name]
    assert hosts.own_link("conversations", f"{hosts.origin('conversations')}/{path}") == f"/{path}"

"""TLS: what a certificate must be, what a context is for, and what is said of a handshake that fails."""

from __future__ import annotations

import asyncio
import logging
import ssl
import traceback
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from conversations_async import ConversationsClient, RequestTimeoutError, RetryPolicy, TransportError

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION
from .servers import answer
from .support import VARIABLES, session_of, use_everything
from .tls import Secured, authority, certificate, refusing, secured_emulator, showing, trusting

if TYPE_CHECKING:
    from collections.abc import Callable

FOUND = answer(200, {"sid": CONVERSATION})


def self_signed() -> ssl.SSLContext:
    """Make the context of a server that shows a certificate which nobody else has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = authority("their own")
    with own.cert_pem.tempfile() as shown, own.private_key_pem.tempfile() as key:
        context.load_cert_chain(shown, key)
    return context


def expired() -> ssl.SSLContext:
    """Make the context of a server whose certificate was good until yesterday."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    before = yesterday - timedelta(days=9)
    return showing(authority("ours").issue_cert("localhost", not_before=before, not_after=yesterday))


#: What a server may show, and what the error says of it.
REFUSED: dict[str, tuple[Callable[[], ssl.SSLContext], str]] = {
    "another name": (lambda: showing(certificate("another.example")), "Hostname mismatch"),
    "expired": (expired, "certificate has expired"),
    "untrusted": (
        lambda: showing(authority("theirs").issue_cert("localhost")),
        "unable to get local issuer certificate",
    ),
    "self-signed": (self_signed, "self.signed certificate"),
}


def connect(url: str, **options: Any) -> ConversationsClient:
    """Make a client that would try again at once."""
    options = {"retry": RetryPolicy(max_attempts=3, base_delay=0), "timeout": 5.0, **options}
    return ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=url, **options)


def is_unsent(error: TransportError) -> bool:
    """Say whether an error tells that nothing was sent, and tells nothing that is nobody's business."""
    shown = "".join([*traceback.format_exception(error), repr(error), repr(error.__cause__)])
    assert AUTH_TOKEN not in shown
    assert "Authorization" not in shown
    assert "SSLContext object" not in str(error)
    return not (error.sent or error.ambiguous or error.status)


@pytest.mark.parametrize("kind", ["own", "borrowed"])
@pytest.mark.parametrize("name", REFUSED)
async def test_a_certificate_that_does_not_do_is_refused(
    name: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is sent to whoever shows it, and nothing is tried again, not even what could be."""
    caplog.set_level(logging.DEBUG, "conversations_async")
    context, fault = REFUSED[name]
    server = Secured.of([FOUND])
    server.context = context()
    async with server, session_of(kind) as given, connect(server.url, ssl=trusting(), **given) as client:
        for work in client.conversations.create(), client.conversations.fetch(CONVERSATION):
            with pytest.raises(TransportError, match=f"the certificate of localhost.*{fault}.*ssl") as caught:
                await work
            assert is_unsent(caught.value)
            assert caught.value.attempts == 1
    assert not server.requests
    assert server.handshakes == 2
    assert "follows" not in caplog.text
    assert AUTH_TOKEN not in caplog.text


async def test_without_a_context_only_the_system_is_trusted() -> None:
    """Servers are checked by default, too, and the certificates of the tests are nothing to the system."""
    async with Secured.of([FOUND]) as server, connect(server.url) as client:
        with pytest.raises(TransportError, match="is not accepted") as caught:
            await client.conversations.fetch(CONVERSATION)
    assert is_unsent(caught.value)
    assert not server.requests


@pytest.mark.parametrize("kind", ["own", "borrowed"])
async def test_a_context_is_used_for_everything(kind: str) -> None:
    """It makes the connections of both APIs and of media, up and down, of a client and of its views."""
    async with (
        secured_emulator(showing(certificate("localhost"))) as url,
        session_of(kind) as given,
        connect(url, ssl=trusting(), **given) as client,
    ):
        created = await client.services.create(friendly_name="x")
        service = client.service(created.sid)
        await use_everything(client, service, created.sid)
        view = client.with_options(timeout=3)
        assert created in [each async for each in view.services.stream()]


async def test_a_context_is_read_from_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``from_env`` hands it on."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    async with Secured.of([FOUND]) as server:
        monkeypatch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
        monkeypatch.setenv("TWILIO_AUTH_TOKEN", AUTH_TOKEN)
        monkeypatch.setenv("CONVERSATIONS_BASE_URL", server.url)
        async with ConversationsClient.from_env(ssl=trusting()) as client:
            assert (await client.conversations.fetch(CONVERSATION)).sid == CONVERSATION


@pytest.mark.parametrize("wrong", [False, True, "ca.pem", ssl.SSLContext, 1], ids=repr)
def test_what_is_no_context_is_refused(wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No value turns the check of certificates off, and a path is no context."""
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", AUTH_TOKEN)
    with pytest.raises(ValueError, match=r"^ssl must be an ssl\.SSLContext, got a "):
        connect("https://localhost", ssl=wrong)
    with pytest.raises(ValueError, match=r"^ssl must be an ssl\.SSLContext, got a "):
        ConversationsClient.from_env(ssl=wrong)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
async def test_a_client_can_show_a_certificate(version: ssl.TLSVersion) -> None:
    """A server that demands one gets that of the context; without it, the error says what is missing."""
    context = showing(certificate("localhost"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    authority("ours").configure_trust(context)
    server = Secured.of([FOUND])
    server.context = context
    ours = trusting()
    certificate("client@example.org").configure_cert(ours)
    async with server, connect(server.url, ssl=ours) as client:
        assert (await client.conversations.fetch(CONVERSATION)).sid == CONVERSATION
    once = RetryPolicy(max_attempts=1)
    async with refusing(context) as url, connect(url, ssl=trusting(), retry=once) as client:
        with pytest.raises(TransportError, match=r"(?i)certificate.required|handshake.failure"):
            await client.conversations.fetch(CONVERSATION)


async def test_a_version_of_tls_can_be_demanded() -> None:
    """A server that does not speak it gets no request."""
    context = showing(certificate("localhost"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    ours = trusting()
    ours.minimum_version = ssl.TLSVersion.TLSv1_3
    async with refusing(context) as url, connect(url, ssl=ours) as client:
        with pytest.raises(TransportError, match=r"no TLS connection to localhost:.*VERSION") as caught:
            await client.conversations.create()
    assert is_unsent(caught.value)


async def test_a_server_without_tls_gets_nothing() -> None:
    """To https, nothing is sent in plain text, whatever the server speaks."""
    async with secured_emulator(None) as url:
        async with connect(url.replace("http:", "https:"), ssl=trusting()) as client:
            with pytest.raises(TransportError, match=r"no TLS connection to localhost:") as caught:
                await client.conversations.create()
        async with connect(url) as client:
            assert await client.conversations.stream().list() == []
    assert is_unsent(caught.value)


@pytest.mark.parametrize("fault", ["close", "hang"])
async def test_a_handshake_that_does_not_end_was_no_request(fault: str) -> None:
    """A server that closes or hangs in it cannot have acted; the time that an attempt has, bounds it."""
    begun: list[int] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.append(len(await reader.read(1)))
        if fault == "hang":
            await reader.read()
        writer.close()

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    async with server, asyncio.timeout(10):
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        once = RetryPolicy(max_attempts=1)
        async with connect(url, ssl=trusting(), timeout=1, retry=once) as client:
            with pytest.raises(TransportError, match=r"no connection .*timeout|no .*connection to") as caught:
                await client.conversations.create()
    assert is_unsent(caught.value)
    assert isinstance(caught.value, RequestTimeoutError) is (fault == "hang")
    assert caught.value.attempts == 1 == sum(begun)

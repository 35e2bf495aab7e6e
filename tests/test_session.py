"""The session manager: attempts, time-outs, connections, credentials, log lines."""

from __future__ import annotations

import asyncio
import base64
import gzip
import logging
import socket
import traceback
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from conversations_async import (
    APIError,
    AuthenticationError,
    ConversationsClient,
    ConversationsError,
    DecodeError,
    NotFoundError,
    RateLimitError,
    RequestTimeoutError,
    RetryPolicy,
    ServerError,
    TransportError,
    __version__,
)
from conversations_async.connections import Pool
from conversations_async.transport import Attempt

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION
from .servers import DROP, HANG, Scripted, answer

FOUND = answer(200, {"sid": CONVERSATION})
CREATED = answer(201, {"sid": CONVERSATION})
BROKEN = answer(500, {"code": 20500, "message": "Internal"}, headers={"Twilio-Request-Id": "RQ1"})
TRUNCATED = FOUND.replace(b'"}', b"")


def connect(server: Scripted, **options: Any) -> ConversationsClient:
    """Make a client of a server that does not wait between attempts."""
    options = {"retry": RetryPolicy(base_delay=0), "timeout": 5.0, **options}
    return ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=server.url, **options)


async def test_what_a_request_carries() -> None:
    """Credentials, user agent and form are on the wire as documented."""
    async with Scripted.of([CREATED]) as server, connect(server) as client:
        await client.conversations.create(friendly_name="a b&c=ü", webhook_enabled=True)
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/v1/Conversations")
    assert (
        request.headers["Authorization"]
        == "Basic " + base64.b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
    )
    assert request.headers["User-Agent"].startswith(f"conversations-async/{__version__} ")
    assert request.headers["Accept"] == "application/json"
    assert request.headers["X-Twilio-Webhook-Enabled"] == "true"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qsl(request.body.decode()) == [("FriendlyName", "a b&c=ü")]


async def test_an_api_key_authenticates_in_place_of_the_account() -> None:
    """With an API key, its SID and secret are the credentials, an auth token or not."""
    async with Scripted.of([FOUND]) as server:
        key = {"api_key": "SK" + "b" * 32, "api_secret": "s:ecret"}
        async with connect(server, **key) as client:
            await client.conversations.fetch(CONVERSATION)
    _, _, encoded = server.requests[0].headers["Authorization"].partition(" ")
    assert base64.b64decode(encoded).decode() == "SK" + "b" * 32 + ":s:ecret"


@pytest.mark.parametrize("failure", [BROKEN, DROP, TRUNCATED, answer(503), answer(429)])
async def test_reads_are_repeated(failure: bytes) -> None:
    """A GET goes on after a passing failure, and its answer is that of the last attempt."""
    async with Scripted.of([FOUND, failure, failure, FOUND]) as server, connect(server) as client:
        for _ in range(2):  # the second one on a connection that was kept
            assert (await client.conversations.fetch(CONVERSATION)).sid == CONVERSATION
    assert len(server.requests) == 4


@pytest.mark.parametrize("attempts", [1, 2])
async def test_there_are_no_more_requests_than_attempts(attempts: int) -> None:
    """A connection that is lost costs an attempt; nothing below the policy repeats it unseen."""
    retry = RetryPolicy(max_attempts=attempts, base_delay=0)
    async with Scripted.of([FOUND, DROP]) as server, connect(server, retry=retry) as client:
        await client.conversations.fetch(CONVERSATION)
        with pytest.raises(TransportError) as caught:
            await client.conversations.fetch(CONVERSATION)
    assert caught.value.attempts == attempts == len(server.requests) - 1
    assert "ServerDisconnectedError" in str(caught.value)


@pytest.mark.parametrize("failure", [BROKEN, TRUNCATED, answer(503), DROP])
async def test_writes_are_not_repeated(failure: bytes) -> None:
    """A POST that may have created something is sent once."""
    async with Scripted.of([failure, CREATED]) as server, connect(server) as client:
        with pytest.raises(ConversationsError) as caught:
            await client.conversations.create()
    assert len(server.requests) == caught.value.attempts == 1


async def test_writes_are_repeated_when_asked() -> None:
    """With ``retry_posts`` a POST is repeated like a GET."""
    retry = RetryPolicy(base_delay=0, retry_posts=True)
    async with Scripted.of([BROKEN, DROP, CREATED]) as server, connect(server, retry=retry) as client:
        await client.conversations.create(friendly_name="x")
    assert [request.body for request in server.requests] == [b"FriendlyName=x"] * 3


async def test_writes_are_repeated_after_429() -> None:
    """A POST that was refused for its rate was not carried out, and is repeated."""
    async with Scripted.of([answer(429), CREATED]) as server, connect(server) as client:
        await client.conversations.create()
    assert len(server.requests) == 2


async def test_writes_are_repeated_where_no_connection_was_made() -> None:
    """A POST that never left is repeated, and its error says that nothing was sent."""
    with socket.socket() as reserved:  # bound, and not listening: connections are refused
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        retry = RetryPolicy(max_attempts=3, base_delay=0)
        async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=url, retry=retry) as client:
            with pytest.raises(TransportError) as caught:
                await client.conversations.create()
    assert (caught.value.attempts, caught.value.sent, caught.value.status) == (3, False, None)
    assert isinstance(caught.value.__cause__, aiohttp.ClientConnectorError)


@pytest.mark.parametrize("failure", [BROKEN, DROP])
async def test_a_repeated_delete_may_find_nothing(failure: bytes) -> None:
    """What is gone after an attempt of unknown outcome was deleted by it."""
    async with Scripted.of([FOUND, failure, answer(404, {})]) as server, connect(server) as client:
        await client.conversations.fetch(CONVERSATION)
        await client.conversations.delete(CONVERSATION)
    assert [request.method for request in server.requests] == ["GET", "DELETE", "DELETE"]


async def test_a_delete_that_was_refused_before_did_not_delete() -> None:
    """After 429 nothing was done: a 404 then is an error like any other."""
    async with Scripted.of([answer(429), answer(404, {})]) as server, connect(server) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.conversations.delete(CONVERSATION)
    assert caught.value.attempts == 2


async def test_attempts_end() -> None:
    """The last failure is raised, with the number of attempts that were made."""
    retry = RetryPolicy(max_attempts=4, base_delay=0)
    async with Scripted.of([BROKEN]) as server, connect(server, retry=retry) as client:
        with pytest.raises(ServerError) as caught:
            await client.conversations.fetch(CONVERSATION)
    error = caught.value
    assert (error.attempts, error.status, error.code, error.request_id) == (4, 500, 20500, "RQ1")
    assert str(error).endswith("(after 4 attempts)")
    assert len(server.requests) == 4


async def test_retry_after_beyond_the_total_time_is_not_waited_for() -> None:
    """The error comes at once, and says how long the API asks to wait."""
    slow_down = answer(429, {"code": 20429}, headers={"Retry-After": "3600"})
    async with Scripted.of([slow_down]) as server, connect(server) as client:
        with pytest.raises(RateLimitError) as caught:
            await client.conversations.fetch(CONVERSATION)
    assert (caught.value.retry_after, caught.value.attempts) == (3600.0, 1)


@pytest.mark.parametrize(("status", "noted"), [(429, True), (400, False)])
async def test_why_it_is_not_tried_again_is_noted(status: int, *, noted: bool) -> None:
    """A note says what the API asks for, and what time there is; elsewhere, there is none."""
    refused = answer(status, {"code": 20429}, headers={"Retry-After": "3600"})
    async with Scripted.of([refused]) as server, connect(server) as client:
        with pytest.raises(APIError) as caught:
            await client.conversations.create()
    notes = ["it is not tried again: Retry-After is 3600 s, and 60 s of total_timeout are left"]
    assert getattr(caught.value, "__notes__", []) == (notes if noted else [])


async def test_no_answer_in_time() -> None:
    """An attempt ends with the time allowed to it, and the error is a TimeoutError too."""
    retry = RetryPolicy(max_attempts=2, base_delay=0)
    async with Scripted.of([HANG]) as server, connect(server, timeout=0.05, retry=retry) as client:
        with pytest.raises(RequestTimeoutError) as caught:
            await client.conversations.fetch(CONVERSATION)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.attempts == len(server.requests) == 2


async def test_the_total_time_bounds_an_attempt() -> None:
    """A policy's total time ends even a first attempt that was allowed more."""
    retry = RetryPolicy(total_timeout=0.05)
    async with Scripted.of([HANG]) as server, connect(server, retry=retry) as client:
        with pytest.raises(RequestTimeoutError):
            await client.conversations.fetch(CONVERSATION)


async def test_the_wait_for_a_connection_counts() -> None:
    """The time allowed to an attempt includes the wait for a free connection."""
    options = {"max_connections": 1, "timeout": 0.4, "retry": RetryPolicy(max_attempts=1)}
    async with Scripted.of([HANG]) as server, connect(server, **options) as client:
        calls = (client.conversations.fetch(CONVERSATION) for _ in range(3))
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [RequestTimeoutError] * 3
    assert [getattr(result, "sent", None) for result in results] == [True, False, False]
    assert server.most_connections == 1


async def test_a_write_that_waited_in_vain_for_a_connection_is_repeated() -> None:
    """Nothing was sent, so nothing can have been created: the policy may try again."""
    options = {"max_connections": 1, "timeout": 0.4, "retry": RetryPolicy(max_attempts=2, base_delay=0)}
    async with Scripted.of([HANG, CREATED]) as server, connect(server, **options) as client:
        first = asyncio.create_task(client.conversations.create(friendly_name="first"))
        await server.arrived.wait()
        await client.conversations.create(friendly_name="second")
        with pytest.raises(RequestTimeoutError):
            await first
    assert [request.body for request in server.requests] == [b"FriendlyName=first", b"FriendlyName=second"]


@pytest.mark.parametrize(
    "broken",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nprivate message\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: private message\r\n\r\n",
        b"private message\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 15\r\n\r\nprivate message",
    ],
)
async def test_an_answer_that_is_no_http_is_not_quoted(broken: bytes) -> None:
    """Neither the error nor what hangs on it shows the answer, the query or the credentials."""
    secrets = ["private", AUTH_TOKEN, "Basic ", "PageSize"]
    async with Scripted.of([broken]) as server, connect(server, retry=RetryPolicy(max_attempts=1)) as client:
        with pytest.raises(TransportError) as caught:
            await client.conversations.stream(state=secrets[0]).list()
    shown = [repr(caught.value), *traceback.format_exception(caught.value)]
    shown += [repr(caught.value.__cause__), repr(caught.value.__context__)]
    assert not [secret for secret in secrets if secret in "".join(shown)]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    """A redirect is an error: following one would carry the credentials elsewhere."""
    async with Scripted.of([FOUND]) as elsewhere:
        moved = answer(status, b"", headers={"Location": elsewhere.url + "/v1/Conversations"})
        async with Scripted.of([moved]) as server, connect(server) as client:
            with pytest.raises(APIError) as caught:
                await client.conversations.fetch(CONVERSATION)
        assert caught.value.status == status
        assert elsewhere.requests == []


async def test_a_truncated_body_is_told_from_no_answer() -> None:
    """The error knows the status and the request id of the answer that was cut off."""
    cut = answer(200, {"sid": CONVERSATION}, headers={"Twilio-Request-Id": "RQ2"})[:-3]
    async with Scripted.of([cut]) as server, connect(server, retry=RetryPolicy(max_attempts=1)) as client:
        with pytest.raises(TransportError) as caught:
            await client.conversations.fetch(CONVERSATION)
    assert (caught.value.status, caught.value.request_id, caught.value.sent) == (200, "RQ2", True)
    assert caught.value.__cause__ is None  # aiohttp's own error may hold parts of the answer


class Mute(AbstractResolver):
    """Never finds a name."""

    def __init__(self, **_: Any) -> None: ...

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        """Wait."""
        await asyncio.Event().wait()
        raise AssertionError((host, port, family))

    async def close(self) -> None:
        """Do nothing."""


async def test_a_wait_for_a_connection_does_not_hold_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has no cause: aiohttp's own names the address, with what was asked for in it."""
    monkeypatch.setattr(aiohttp.connector, "DefaultResolver", Mute)
    async with ConversationsClient(
        ACCOUNT_SID, AUTH_TOKEN, base_url="http://name.test", retry=RetryPolicy(max_attempts=1), timeout=0.3
    ) as client:
        with pytest.raises(RequestTimeoutError, match="no connection within") as caught:
            await client.conversations.stream(state="closed").list()
    assert caught.value.__cause__ is None
    assert "State=" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff\xfe", b"[]", b"null", b'{"unexpected": 1}'])
async def test_an_answer_that_cannot_be_read(body: bytes) -> None:
    """Success without a readable body is a DecodeError, with the status and the request id."""
    unreadable = answer(200, body, headers={"Twilio-Request-Id": "RQ3"})
    async with Scripted.of([unreadable]) as server, connect(server) as client:
        with pytest.raises(DecodeError) as caught:
            await client.conversations.fetch(CONVERSATION)
    error = caught.value
    assert (error.status, error.request_id, error.method) == (200, "RQ3", "GET")
    assert error.path == f"/v1/Conversations/{CONVERSATION}"


async def test_the_log_names_each_attempt_and_nothing_secret(caplog: pytest.LogCaptureFixture) -> None:
    """One debug line for an attempt, one warning for a retry; no body, no query, no credential."""
    caplog.set_level(logging.DEBUG)
    root_handlers = list(logging.getLogger().handlers)
    async with Scripted.of([BROKEN, FOUND, CREATED]) as server, connect(server) as client:
        await client.conversations.fetch("who am i")
        await client.conversations.create(friendly_name="private-name")
    records = [record for record in caplog.records if record.name.startswith("conversations_async")]
    assert [(record.name, record.levelname) for record in records] == [
        ("conversations_async", "DEBUG"),
        ("conversations_async", "WARNING"),
        ("conversations_async", "DEBUG"),
        ("conversations_async", "DEBUG"),
    ]
    first = records[0].getMessage()
    assert first.startswith("GET /v1/Conversations/who%20am%20i 500 in ")
    assert first.endswith(" ms (attempt 1, request RQ1)")
    assert "attempt 2 follows in 0.00 s" in records[1].getMessage()
    for secret in AUTH_TOKEN, "private-name", "Basic", "Authorization":
        assert secret not in caplog.text
    assert logging.getLogger().handlers == root_handlers


async def test_the_query_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Filters and page tokens stay out of the log."""
    caplog.set_level(logging.DEBUG, logger="conversations_async")
    empty = answer(200, {"meta": {"key": "conversations"}, "conversations": []})
    async with Scripted.of([empty]) as server, connect(server) as client:
        assert await client.conversations.stream(state="active").list() == []
    assert "?State=active&PageSize=50" in server.requests[0].target
    assert "State" not in caplog.text


async def test_an_attempt_without_an_answer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The log has a line for an attempt that failed, too."""
    caplog.set_level(logging.DEBUG, logger="conversations_async")
    async with Scripted.of([DROP]) as server, connect(server) as client:
        with pytest.raises(TransportError):
            await client.conversations.create()
    assert "POST /v1/Conversations no answer in " in caplog.text


async def test_connections_are_bounded_and_kept() -> None:
    """Many calls share a few connections; none is opened beyond the limit."""
    async with Scripted.of([FOUND]) as server, connect(server, max_connections=3) as client:
        await asyncio.gather(*(client.conversations.fetch(CONVERSATION) for _ in range(30)))
        assert server.most_connections == 3
        await client.conversations.fetch(CONVERSATION)
        assert server.connections == 3


async def test_a_borrowed_session_is_not_closed() -> None:
    """Whoever opened a session closes it; its own defaults do not change what is sent."""
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        Scripted.of([answer(404, {}), FOUND]) as server,
    ):
        async with connect(server, session=session) as client:
            with pytest.raises(NotFoundError):
                await client.conversations.fetch(CONVERSATION)
        assert not session.closed
        await client.conversations.fetch(CONVERSATION)
    with pytest.raises(RuntimeError, match="borrowed aiohttp session is closed"):
        await client.conversations.fetch(CONVERSATION)


async def test_a_borrowed_session_brings_no_credentials() -> None:
    """A session with authentication of its own is refused when the client is made."""
    async with aiohttp.ClientSession() as session:
        with pytest.MonkeyPatch.context() as patch:
            # the constructor's argument is deprecated
            patch.setattr(type(session), "auth", property(lambda _: ("user", "password")))
            with pytest.raises(ValueError, match=r"^session must have no auth") as caught:
                ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, session=session)
    assert "password" not in str(caught.value)


async def test_a_borrowed_session_may_not_be_given_credentials() -> None:
    """An Authorization header of the session would go to every host: it is refused, also one of later."""
    async with aiohttp.ClientSession(headers={"authorization": "Bearer x"}) as session:
        with pytest.raises(ValueError, match=r"^session must have no auth"):
            ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, session=session)
    async with aiohttp.ClientSession() as session, Scripted.of([FOUND]) as server:
        client = connect(server, session=session)
        await client.conversations.fetch(CONVERSATION)
        session.headers["authorization"] = "Bearer x"
        with pytest.raises(ValueError, match=r"^session must have no auth"):
            await client.conversations.fetch(CONVERSATION)
    assert len(server.requests) == 1


async def test_a_borrowed_session_may_have_any_defaults() -> None:
    """Compressed answers are read, whatever the session does by default."""
    zipped = answer(200, gzip.compress(b'{"sid": "CH1"}'), headers={"Content-Encoding": "gzip"})
    async with aiohttp.ClientSession(auto_decompress=False) as session, Scripted.of([zipped]) as server:
        client = connect(server, session=session)
        assert (await client.conversations.fetch("CH1")).sid == "CH1"


async def test_a_client_opens_nothing_before_it_is_used() -> None:
    """Entering and leaving a client that sends nothing opens nothing."""
    async with Scripted.of([FOUND]) as server, connect(server):
        pass
    assert server.most_connections == 0


async def test_a_closed_client_stays_closed() -> None:
    """After ``close`` no connection is left, and a request says what to do; entering opens again."""
    async with Scripted.of([FOUND]) as server:
        client = connect(server)
        await client.conversations.fetch(CONVERSATION)
        assert server.connections == 1
        await client.close()
        await client.close()
        await asyncio.sleep(0.01)
        assert server.connections == 0
        with pytest.raises(RuntimeError, match=r"client is closed: enter it"):
            await client.conversations.fetch(CONVERSATION)
        async with client:
            await client.conversations.fetch(CONVERSATION)
        assert len(server.requests) == 2


@pytest.mark.parametrize("entry", [HANG, answer(503, headers={"Retry-After": "0.1"})])
async def test_a_retry_does_not_open_a_closed_client(entry: bytes | None) -> None:
    """A call that is under way, or waits to try again, when the client is closed ends with its failure."""
    async with Scripted.of([entry]) as server:
        client = connect(server)
        call = asyncio.create_task(client.conversations.fetch(CONVERSATION))
        await server.arrived.wait()
        await asyncio.sleep(0.02)
        await client.close()
        with pytest.raises(TransportError):
            await call
        assert len(server.requests) == 1
        assert server.connections == 0


HALF = FOUND.replace(b"Content-Length: ", b"Content-Length: 9")


@pytest.mark.parametrize("entry", [HANG, HALF, answer(503, headers={"Retry-After": "20"})])
async def test_closing_ends_what_is_under_way(entry: bytes | None) -> None:
    """A call ends at once, whether it waits for an answer, for the rest of one, or to try again."""
    async with Scripted.of([entry]) as server, asyncio.timeout(5):
        server.hold = True
        client = connect(server, timeout=30)
        call = asyncio.create_task(client.conversations.fetch(CONVERSATION))
        await server.arrived.wait()
        await asyncio.sleep(0.05)
        await client.close()
        with pytest.raises(TransportError, match="the client was closed meanwhile"):
            await call
        await asyncio.sleep(0.01)
        assert server.connections == 0


async def test_a_client_may_be_entered_twice() -> None:
    """Who leaves first does not close the client for the other one; ``close`` does so for all."""
    async with Scripted.of([FOUND]) as server:
        client = connect(server)
        async with client:
            async with client:
                await client.conversations.fetch(CONVERSATION)
            await client.conversations.fetch(CONVERSATION)
            await client.close()
            with pytest.raises(RuntimeError, match="client is closed"):
                await client.conversations.fetch(CONVERSATION)
        assert len(server.requests) == 2


async def test_a_cancelled_call_is_cancelled_even_while_the_client_closes() -> None:
    """Cancellation is never turned into an error."""
    async with Scripted.of([HANG]) as server:
        client = connect(server)
        call = asyncio.create_task(client.conversations.fetch(CONVERSATION))
        await server.arrived.wait()
        call.cancel()
        await client.close()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_closing_while_an_answer_is_read_ends_the_attempts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is tried again by a closed client, and what came last is told."""
    send = Attempt.send

    async def last(attempt: Attempt, *, read: bool) -> Any:
        attempt.pool.end()
        return await send(attempt, read=read)

    async with Scripted.of([answer(503, headers={"Retry-After": "20"})]) as server, connect(server) as client:
        pool = await client._session._connections.pool()
        monkeypatch.setattr(Pool, "wait", lambda *_: asyncio.timeout(5))
        monkeypatch.setattr(Attempt, "send", last)
        with pytest.raises(ServerError) as caught:
            await client.conversations.fetch(CONVERSATION)
    assert pool.closed
    assert (caught.value.attempts, len(server.requests)) == (1, 1)
    assert "follows" not in caplog.text


async def test_nothing_is_waited_for_in_a_closed_pool() -> None:
    """A pause that begins after the end ends at once."""
    async with aiohttp.ClientSession() as session:
        pool = Pool(session, asyncio.Semaphore(1))
        pool.end()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5), pool.wait(1000):
                await asyncio.Event().wait()


async def test_who_waits_for_a_connection_of_a_session_that_its_owner_closes() -> None:
    """Aiohttp cancels them; they get an error all the same, and so do not look as if somebody had."""
    async with Scripted.of([HANG]) as server:
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1))
        client = connect(server, session=session, retry=RetryPolicy(max_attempts=1))
        calls = [asyncio.create_task(client.conversations.fetch(CONVERSATION)) for _ in range(3)]
        await server.arrived.wait()
        calls[2].cancel()
        await session.close()
        with pytest.raises(TransportError, match="the session was closed meanwhile"):
            await asyncio.wait_for(calls[1], 5)
        with pytest.raises(asyncio.CancelledError):
            await calls[2]
        calls[0].cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_who_waits_for_a_turn_when_the_owner_closes_the_session() -> None:
    """They have sent nothing, and their error says so and why; nobody's turn is lost."""
    async with Scripted.of([HANG]) as server:
        session = aiohttp.ClientSession()
        client = connect(server, session=session, max_connections=1, retry=RetryPolicy(max_attempts=1))
        calls = [asyncio.create_task(client.conversations.create()) for _ in range(3)]
        await server.arrived.wait()
        await session.close()
        calls[0].cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        for result in results[1:]:
            assert isinstance(result, TransportError)
            assert "the session was closed meanwhile" in str(result)
            assert (result.sent, result.ambiguous) == (False, False)


async def test_closing_leaves_alone_what_times_out_at_the_same_moment() -> None:
    """A wait whose time is up while the client closes ends as it would have."""
    async with aiohttp.ClientSession() as session:
        pool = Pool(session, asyncio.Semaphore(1))
        with pytest.raises(TimeoutError):
            async with (wait := pool.wait(0)):
                try:
                    await asyncio.sleep(5)
                finally:
                    wait.extend(5)
                    pool.end()
        assert pool.closed


async def test_closing_fails_those_who_wait_for_a_connection() -> None:
    """Nobody cancelled them: they get an error that says what happened."""
    async with Scripted.of([HANG]) as server:
        client = connect(server, max_connections=1, retry=RetryPolicy(max_attempts=1))
        calls = [asyncio.create_task(client.conversations.create()) for _ in range(3)]
        await server.arrived.wait()
        await client.close()
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results] == [TransportError] * 3
    assert str(results[1]) == "POST /v1/Conversations: the client was closed meanwhile"


async def test_cancelling_a_call_leaves_nothing() -> None:
    """A call that is cancelled while it waits leaves no task and no connection."""
    async with Scripted.of([HANG]) as server, connect(server) as client:
        before = asyncio.all_tasks()
        call = asyncio.create_task(client.conversations.fetch(CONVERSATION))
        await server.arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0.01)
        assert server.connections == 0
        assert asyncio.all_tasks() <= before


async def test_wrong_credentials() -> None:
    """A wrong token is an AuthenticationError with the API's code, and is not tried again."""
    refused = answer(401, {"code": 20003, "message": "Authenticate", "status": 401})
    async with Scripted.of([refused]) as server, connect(server) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.conversations.fetch(CONVERSATION)
    assert (caught.value.code, caught.value.attempts, len(server.requests)) == (20003, 1, 1)

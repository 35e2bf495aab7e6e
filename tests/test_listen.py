"""The command ``listen``: what it shows of which request, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import threading
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from conversations_async import ConversationsClient, _listen, cli
from conversations_async._listen import Form, event_line, fields, listen
from conversations_async.emulator import Emulator
from conversations_async.webhooks import parse_event, sign

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION
from .support import address, running, terminal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

COMMAND = ("listen", "--port", "0")
MESSAGE = {
    "EventType": "onMessageAdded",
    "ConversationSid": CONVERSATION,
    "Author": "smee",
    "DateCreated": "2026-01-02T03:04:05.678Z",
    "Media": '[{"Sid": "ME1", "ContentType": "image/png", "Filename": "parrot.png", "Size": 6}]',
    "Body": "Ahoy there!",
}
HINT = "if a proxy or tunnel stands before this, say --public-url; else look at TWILIO_AUTH_TOKEN"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment hold the token, and nothing that changes what a terminal shows."""
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", AUTH_TOKEN)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in "COLUMNS", "NO_COLOR", "FORCE_COLOR":
        monkeypatch.delenv(name, raising=False)


def message(number: int = 0, **values: str) -> dict[str, str]:
    """Give the parameters of an event."""
    return {**MESSAGE, "MessageSid": f"IM{number:032x}", **values}


async def post(
    url: str, params: dict[str, str], *, signed: str | None = None, headers: dict[str, str] | None = None
) -> int:
    """Send what is signed for this URL, or for another one, and give the status."""
    signature = {"X-Twilio-Signature": sign(signed or url, AUTH_TOKEN, params=params)}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
        session.post(url, data=params, headers=signature | (headers or {})) as response,
    ):
        return response.status


@asynccontextmanager
async def listening(
    capsys: pytest.CaptureFixture[str], form: Form = Form.LINE, **options: Any
) -> AsyncIterator[str]:
    """Listen in this process until SIGTERM, and give where."""
    given = {"host": "127.0.0.1", "port": 0, "path": "/", "public_url": None, "trusted_proxies": ()}
    task = asyncio.create_task(listen(form=form, **{**given, **options}))
    said = ""
    while not said.endswith("\n") and not task.done():
        await asyncio.sleep(0.01)
        said += capsys.readouterr().out
    yield said.removeprefix("listening on ").strip()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 10)


async def talk(url: str) -> None:
    """Cause events of all kinds in an emulator that calls a URL, and wait until it was called."""
    async with (
        Emulator(
            account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN, webhook_url=url, pre_webhooks_for_rest=True
        ) as emulator,
        ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url) as client,
    ):
        asked = ["onMessageAdd", "onMessageAdded", "onConversationAdd", "onParticipantAdded"]
        await client.webhook_configuration.update(
            pre_webhook_url=url, filters=[*asked, "onConversationStateUpdated"]
        )
        room = await client.conversations.create(friendly_name="About\x07 parrots", webhook_enabled=True)
        await client.participants(room.sid).create(identity="smee", webhook_enabled=True)
        await emulator.settled()
        await client.messages(room.sid).create(
            author="smee", body="two\nlines [bold]\x1b[31m", webhook_enabled=True
        )
        await emulator.settled()
        await client.conversations.update(room.sid, state="closed", webhook_enabled=True)
        await emulator.settled()
        assert {call.status for call in emulator.webhooks} == {200}


async def test_each_event_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """What is about to happen is accepted, and shown as what has happened is; nothing steers."""
    async with listening(capsys) as url:
        await talk(url)
    out, err = capsys.readouterr()
    assert err == ""
    shown = [re.sub("^[0-9:]{8} |CH[0-9a-f]{32}", "", line) for line in out.splitlines()]
    assert [re.sub(" +", " ", line) for line in shown] == [
        r"onConversationAdd About\x07 parrots",
        "onParticipantAdded smee",
        r"onMessageAdd smee: two\nlines [bold]\x1b[31m",
        r"onMessageAdded smee: two\nlines [bold]\x1b[31m",
        "onConversationStateUpdated closed",
    ]


async def test_all_fields_of_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    """Below its line each field has a line of its own; what is None or empty has none."""
    async with listening(capsys, Form.FIELDS) as url:
        assert await post(url, message(New="\x1b\n", isOnline="")) == 200
    head, *lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        rf"[0-9:]{{8}} onMessageAdded {{8}}{CONVERSATION} smee: Ahoy there! \[image/png parrot.png, 6 bytes]",
        head,
    )
    assert lines == [
        f"  conversation_sid: '{CONVERSATION}'",
        "  body: 'Ahoy there!'",
        "  author: 'smee'",
        "  media: [{'sid': 'ME1', 'size': 6, 'content_type': 'image/png', 'filename': 'parrot.png'}]",
        f"  message_sid: 'IM{0:032x}'",
        "  date_created: '2026-01-02T03:04:05.678000Z'",
        r"  extra['New']: '\x1b\n'",
        "  extra['isOnline']: ''",
    ]


async def test_events_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Each event is an object a line, in ASCII, with its date, its files, and what has no field."""
    async with listening(capsys, Form.JSON) as url:
        assert await post(url, message(Body="漢\n", New="x")) == 200
    out = capsys.readouterr().out
    assert out.isascii()
    (event,) = [json.loads(line) for line in out.splitlines()]
    assert (event["event_type"], event["body"], event["New"]) == ("onMessageAdded", "漢\n", "x")
    assert event["date_created"] == "2026-01-02T03:04:05.678000Z"
    assert event["media"][0]["filename"] == "parrot.png"


def test_the_fields_of_an_unknown_event() -> None:
    """Whatever there is has a line: several values, names that steer, names that are those of fields."""
    event = parse_event(
        [
            ("EventType", "onN\x1bew"),
            ("ConversationSid", "CH1"),
            ("author", "sm\nee"),
            ("Body", "one"),
            ("Body", "two"),
            ("\x1b'", "\u202e"),
        ]
    )
    assert fields(event) == [
        "  extra['ConversationSid']: 'CH1'",
        r"  extra['author']: 'sm\nee'",
        "  extra['Body']: ('one', 'two')",
        r"""  extra["\x1b'"]: '\u202e'""",
    ]
    assert str(event_line(event, is_wide=False)) == r"onN\x1bew" + " " * 13 + "CH1           one, two"


async def test_events_are_shown_in_the_order_of_their_arrival(capsys: pytest.CaptureFixture[str]) -> None:
    """That is so across conversations, too; what is told again is shown once."""
    async with listening(capsys, Form.JSON) as url:
        for number in [*range(20), 3]:
            params = message(number, ConversationSid=f"CH{number % 3}", Body=str(number))
            assert await post(url, params) == 200
    assert [json.loads(line)["body"] for line in capsys.readouterr().out.splitlines()] == [
        str(number) for number in range(20)
    ]


async def test_a_slow_reader_holds_up_no_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is answered while nobody reads, and shown in the end."""
    gate = threading.Event()
    shown: list[str] = []

    def show(_: object, event: Any, *rest: object) -> None:
        assert gate.wait(10)
        shown.append(event.event_type)

    monkeypatch.setattr(_listen, "show", show)
    async with listening(capsys) as url:
        for name in "onMessageAdded", "onMessageAdd", "onUnknown":
            assert await post(url, message(EventType=name)) == 200
        assert shown == []
        gate.set()
    assert shown == ["onMessageAdded", "onMessageAdd", "onUnknown"]


async def test_what_waits_to_be_written_is_bounded() -> None:
    """Beyond the bound, whoever has something to write waits until there is room."""
    written: list[int] = []
    output = _listen._Output(room=asyncio.Semaphore(2))
    for number in range(2):
        await output.put(partial(written.append, number))
    third = asyncio.create_task(output.put(partial(written.append, 2)))
    await asyncio.sleep(0)
    assert not third.done()
    writing = asyncio.create_task(output.run())
    await asyncio.wait_for(third, 10)
    output.end()
    await asyncio.wait_for(writing, 10)
    assert written == [0, 1, 2]


async def test_a_second_signal_does_not_wait_for_a_reader(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends, although a thread is in the middle of writing."""
    began, gate = threading.Event(), threading.Event()
    codes: list[int] = []

    def show(*_: object) -> None:
        began.set()
        assert gate.wait(10)

    monkeypatch.setattr(_listen, "show", show)
    monkeypatch.setattr(os, "_exit", codes.append)
    with pytest.raises(asyncio.CancelledError):
        async with listening(capsys) as url:
            assert await post(url, message()) == 200
            await asyncio.to_thread(began.wait, 10)
            os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(aiohttp.ClientConnectionError):
                while True:
                    await post(url, {})
    gate.set()
    assert codes == [130]


async def test_to_be_cancelled_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing is being written, a task that is cancelled with all others ends as any other does."""
    with pytest.raises(asyncio.CancelledError):
        async with listening(capsys):
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()


async def test_refused_requests(capsys: pytest.CaptureFixture[str]) -> None:
    """Each is a line on standard error with status and reason; the first wrong signature has a hint."""
    async with listening(capsys) as url, aiohttp.ClientSession() as session:
        for path, headers in (
            ("", {}),
            ("", {"X-Twilio-Signature": "wrong\x9b"}),
            ("", {"X-Twilio-Signature": "wrong"}),
            ("hooks", {"X-Twilio-Signature": "wrong"}),
        ):
            async with session.post(url + path, data={"Body": "hunter2"}, headers=headers) as response:
                assert response.status >= 400
        async with session.delete(url) as response:
            assert response.status == 405
        assert await post(url, {"Body": "hunter2"}) == 400
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.removeprefix("conversations-async: refused with ") for line in err.splitlines()] == [
        "400: no X-Twilio-Signature header",
        f"403: wrong signature: {HINT}",
        "403: wrong signature",
        "404: there is nothing but / (--path)",
        "405: a webhook is sent with GET or POST",
        "400: EventType: missing or empty",
    ]


async def test_the_hint_where_the_public_url_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever has given it is not told to, but that it or the token may be wrong."""
    async with listening(capsys, public_url="https://example.test") as url:
        assert await post(url, message()) == 403
    assert capsys.readouterr().err.endswith(
        "wrong signature: is --public-url what the API calls, and TWILIO_AUTH_TOKEN the account's?\n"
    )


async def test_too_many_refusals_are_not_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While much waits to be written, requests that anybody can send do not add to it."""
    monkeypatch.setattr(_listen, "_FEW", -1)
    async with listening(capsys) as url:
        assert await post(url, message(), signed="http://example.test/") == 403
        assert await post(url, message()) == 200
    out, err = capsys.readouterr()
    assert (out.count("\n"), err) == (1, "")


@pytest.mark.parametrize(
    ("options", "headers", "signed"),
    [
        ({"public_url": "https://example.test"}, {}, "https://example.test/hooks"),
        ({"public_url": "https://example.test/in"}, {}, "https://example.test/in"),
        (
            {"trusted_proxies": ["10.0.0.0/8", "127.0.0.1"]},
            {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "example.test"},
            "https://example.test/hooks",
        ),
    ],
)
async def test_behind_a_proxy(
    capsys: pytest.CaptureFixture[str], options: dict[str, Any], headers: dict[str, str], signed: str
) -> None:
    """What the API called is the public URL that is given, or what trusted proxies say."""
    async with listening(capsys, path="/hooks", **options) as url:
        assert url.endswith("/hooks")
        assert await post(url, message(), signed=signed, headers=headers) == 200
    assert "Ahoy there!" in capsys.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_ends_with_a_signal(number: signal.Signals) -> None:
    """What was acknowledged before is shown, and nothing is complained of."""
    async with running(*COMMAND, "--json") as process:
        url = await address(process)
        await talk(url)
        process.send_signal(number)
        out, err = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, err) == (0, b"")
    assert [json.loads(line)["event_type"] for line in out.splitlines()] == [
        "onConversationAdd",
        "onParticipantAdded",
        "onMessageAdd",
        "onMessageAdded",
        "onConversationStateUpdated",
    ]


async def test_the_options_of_the_command() -> None:
    """Each option says what it says."""
    options = ("--host", "localhost", "--path", "/hooks", "--public-url", "https://example.test", "--print")
    async with running(
        *COMMAND, *options, "--trusted-proxy", "10.0.0.1", "--trusted-proxy", "::1"
    ) as process:
        url = await address(process)
        assert re.fullmatch("http://localhost:[0-9]+/hooks", url)
        assert await post(url, message(), signed="https://example.test/hooks") == 200
        process.terminate()
        out, err = await asyncio.wait_for(process.communicate(), 10)
    assert err == b""
    assert "  author: 'smee'" in out.decode().splitlines()


async def test_a_closed_pipe_ends_quietly() -> None:
    """Whoever has seen enough closes the pipe: the next event ends the command, with success."""
    ours, its = os.pipe()
    async with running(*COMMAND, stdout=its) as process:
        os.close(its)
        with os.fdopen(ours, encoding="utf-8") as reading:
            url = reading.readline().removeprefix("listening on ").strip()
        assert await post(url, message()) == 200
        _, err = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, err) == (0, b"")


async def test_a_terminal_of_80_columns() -> None:
    """Each event is one line of a terminal; what is long is cut, and the fields are not."""
    with terminal() as (screen, its):
        async with running(*COMMAND, "--print", stdout=its, stderr=its) as process:
            os.close(its)
            url = screen.readline().removeprefix("listening on ").strip()
            assert await post(url, message(Body="漢字" * 40)) == 200
            lines = [re.sub(r"\x1b\[[0-9;]*m", "", screen.readline().rstrip("\r\n")) for _ in range(3)]
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 10) == 0
    assert re.fullmatch(r"[0-9:]{8} onMessageAdded        CHcccc…cccccc smee: (漢字)+漢?…", lines[0])
    assert cell_len(lines[0]) in (79, 80)
    assert lines[1:] == [f"  conversation_sid: '{CONVERSATION}'", f"  body: '{'漢字' * 40}'"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--port", "65536"), "port must be a whole number from 0 to 65535, got 65536"),
        (("--port", "-1"), "port must be a whole number from 0 to 65535, got -1"),
        (("--host", ""), "host must be a name or an address of this machine"),
        (("--path", "hooks"), "path must begin with / and hold none of ? # { }"),
        (("--path", "/hooks?a=b"), "path must begin with / and hold none of ? # { }"),
        (("--path", "/{hooks}"), "path must begin with / and hold none of ? # { }"),
        (("--public-url", "ftp://hunter2"), "public_url must be the webhook's URL, such as "),
        (("--trusted-proxy", "proxy.test"), "trusted_proxies must be addresses or networks"),
    ],
)
def test_a_wrong_option_is_one_line(options: tuple[str, ...], complaint: str) -> None:
    """It is said on standard error, the exit code is 2, and nothing listens."""
    result = CliRunner().invoke(cli.app, ["listen", *options])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"conversations-async: {complaint}")
    assert result.stderr.count("\n") == 1
    assert "hunter2" not in result.stderr


def test_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the auth token there is one clear line, and exit code 2."""
    monkeypatch.delenv("TWILIO_AUTH_TOKEN")
    result = CliRunner().invoke(cli.app, ["listen"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("conversations-async: TWILIO_AUTH_TOKEN is missing: ")
    assert result.stderr.count("\n") == 1


def test_a_port_that_is_taken() -> None:
    """An address that cannot be listened on is one line, and exit code 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(cli.app, ["listen", "--port", str(port)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"conversations-async: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    )


def test_a_host_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that cannot be looked up is one line, and exit code 1."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    result = CliRunner().invoke(cli.app, ["listen", "--host", "nobody.test", "--port", "0"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "conversations-async: cannot listen on nobody.test:0: Name or service not known\n"
    )

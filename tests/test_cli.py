"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import typer
from aiohttp import web
from rich.cells import cell_len
from rich.text import Text
from typer.testing import CliRunner

from conversations_async import (
    ConversationsClient,
    RateLimitError,
    RetryPolicy,
    ServerError,
    TransportError,
    __main__,
    __version__,
    cli,
)
from conversations_async._emulator_cli import Log, log_to_terminal, serve
from conversations_async._terminal import Terminal
from conversations_async.emulator import Emulator, Fault, RequestRecord, WebhookCall, webhooks

from . import support
from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .support import COMMAND, point_at, terminal

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

NO_RETRY = RetryPolicy(max_attempts=1)
SENT = ("send", "parrots")
BODIES = ["Ahoy there!", "two\nlines", "\x1b[31mred\x1b[0m [bold]", "👩‍🚀 [x] ümlaut"]


@pytest.fixture
def service() -> Iterator[str]:
    """Run an emulator with a conversation in it, in a thread with a loop of its own."""
    started = threading.Event()
    loop = asyncio.new_event_loop()
    found: list[str] = []

    async def serve() -> None:
        stop.append(asyncio.Event())
        async with (
            Emulator() as emulator,
            ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url) as client,
        ):
            room = await client.conversations.create(unique_name="parrots", friendly_name="About\x07 parrots")
            messages = client.messages("parrots")
            for body in BODIES:
                await messages.create(author="smee", body=body)
            await client.service(room.chat_service_sid or "").media.send(
                "parrots", b"squawk", content_type="image/png", filename="parrot.png"
            )
            found.append(emulator.url)
            started.set()
            await stop[0].wait()

    stop: list[asyncio.Event] = []
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert started.wait(10), "the emulator did not start"
    yield found[0]
    loop.call_soon_threadsafe(stop[0].set)
    thread.join(10)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


@pytest.fixture
def environment(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the environment at the emulator."""
    point_at(service, monkeypatch)


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    """Leave the library's logger as it was; a command has a process of its own otherwise."""
    logger = logging.getLogger("conversations_async")
    before = logger.level
    yield
    logger.setLevel(before)


def invoke(*arguments: str, **options: Any) -> Any:
    """Run the command line in this process."""
    return CliRunner().invoke(cli.app, list(arguments), **options)


def test_the_demonstration_fits_a_terminal() -> None:
    """The demonstration does the main job and reads well at 80 columns."""
    result = invoke("demo", env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= 80
    for expected in (
        "300/300 messages",
        "   #0 alice: Ahoy there, number ",
        "   300 messages on 3 pages",
        "   #299 alice: Ahoy there, number ",
        "   300 messages on 43 pages",
    ):
        assert any(expected in line for line in lines), expected
    assert not any(line.endswith(" ") for line in lines)
    assert "NotFoundError, status 404, code 20404:" in result.output
    assert [cell.strip() for cell in lines[-2].strip("│").split("│")][:4] == ["in all", "352", "902", "46"]


@pytest.mark.usefixtures("environment")
def test_messages_are_readable_lines() -> None:
    """A message is a line; what would steer the terminal is escaped, and nothing taken for markup."""
    result = invoke("messages", "parrots")
    assert result.exit_code == 0, result.output
    said = [re.sub(r"^[0-9-]{10} [0-9:]{8}  ", "", line) for line in result.output.splitlines()]
    assert said == [
        "#0  smee: Ahoy there!",
        "#1  smee: two",
        "    lines",
        r"#2  smee: \x1b[31mred\x1b[0m [bold]",
        "#3  smee: 👩‍🚀 [x] ümlaut",
        "#4  system:  [image/png parrot.png, 6 bytes]",
    ]


@pytest.mark.usefixtures("environment")
def test_messages_as_json() -> None:
    """With ``--json`` each line is an object with the names of the API."""
    result = invoke("messages", "parrots", "--json", "--order", "DESC", "--page-size", "2", "--limit", "3")
    objects = [json.loads(line) for line in result.output.splitlines()]
    assert [each["index"] for each in objects] == [4, 3, 2]
    assert objects[2]["body"] == BODIES[2]
    assert objects[0]["media"][0]["filename"] == "parrot.png"
    assert {"sid", "author", "attributes", "date_created", "links"} <= objects[0].keys()
    assert result.output.isascii()
    assert objects[0]["date_created"].endswith("Z")


@pytest.mark.usefixtures("environment")
def test_conversations_are_listed() -> None:
    """A conversation is a line, or an object."""
    line = invoke("conversations").output
    assert line.endswith(r"active  parrots  About\x07 parrots" + "\n")
    (shown,) = invoke("conversations", "--json").output.splitlines()
    assert json.loads(shown)["unique_name"] == "parrots"
    service = json.loads(shown)["chat_service_sid"]
    assert invoke("conversations", "--service", service, "--limit", "1").output == line
    assert invoke("messages", "parrots", "--service", service, "--limit", "1").output.endswith(
        "Ahoy there!\n"
    )


@pytest.mark.usefixtures("environment")
def test_a_message_is_sent() -> None:
    """What was sent is a line, or an object; what is not said is left to the API."""
    assert invoke(*SENT, "Ahoy").output.endswith("  #5  system: Ahoy\n")
    (shown,) = invoke("conversations", "--json").output.splitlines()
    options = ("--author", "smee", "--attributes", '{"a": 1}', "--json")
    service = ("--service", json.loads(shown)["chat_service_sid"])
    sent = json.loads(invoke(*SENT, "again", *options, *service).output)
    assert (sent["index"], sent["author"], sent["body"]) == (6, "smee", "again")
    assert (json.loads(sent["attributes"]), sent["chat_service_sid"]) == ({"a": 1}, service[1])
    assert invoke("send", json.loads(shown)["sid"], "by its SID").output.endswith("#7  system: by its SID\n")


@pytest.mark.usefixtures("environment")
def test_a_message_is_sent_once() -> None:
    """With the same key it is sent once, whatever is said the second time."""
    lines = {invoke(*SENT, text, "--once", "key").output for text in ("first", "second")}
    (line,) = lines
    assert line.endswith("  #5  system: first\n")
    assert invoke("messages", "parrots").output.endswith(line)


@pytest.mark.usefixtures("environment")
def test_a_message_that_begins_a_conversation() -> None:
    """A conversation that is not there is made where that is asked for, and is otherwise an error."""
    assert invoke("send", "plank", "Ahoy").exit_code == 1
    for index in range(2):
        result = invoke("send", "plank", "Ahoy", "--create")
        assert result.output.endswith(f"#{index}  system: Ahoy\n")
    assert invoke("conversations").output.count("  plank\n") == 1


@pytest.mark.usefixtures("environment")
def test_a_message_from_a_pipe() -> None:
    """The text of standard input has its line ends, but for those at its end."""
    ended = subprocess.run(  # noqa: S603  # our own
        [*COMMAND, *SENT, "-", "--json"], input="two\nlines\n\n", capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["body"] == "two\nlines"


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(("text", "typed"), [("", ""), ("-", ""), ("-", "\n\n")])
def test_a_text_that_is_empty(text: str, typed: str) -> None:
    """Nothing is sent, and the one line says why."""
    result = invoke(*SENT, text, input=typed)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "conversations-async: the text is empty\n"


@pytest.mark.parametrize(
    ("options", "expected"), [((), None), (("--webhooks",), "true"), (("--no-webhooks",), "false")]
)
async def test_webhooks_of_a_message(
    emulator: Emulator,
    client: ConversationsClient,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    expected: str | None,
) -> None:
    """The API is told whether to call them only if the command says so."""
    point_at(emulator.url, monkeypatch)
    await client.conversations.create(unique_name="parrots")
    result = await asyncio.to_thread(invoke, *SENT, "Ahoy", *options)
    assert result.exit_code == 0, result.output
    headers = {name.lower(): value for name, value in emulator.requests[-1].headers.items()}
    assert headers.get("x-twilio-webhook-enabled") == expected


@pytest.mark.usefixtures("environment")
def test_the_end_of_a_conversation() -> None:
    """The newest messages come oldest first, as lines or as objects."""
    messages = invoke("messages", "parrots").output.splitlines(keepends=True)
    assert invoke("tail", "parrots").output == "".join(messages)
    assert invoke("tail", "parrots", "--lines", "2").output == "".join(messages[-2:])
    assert invoke("tail", "parrots", "-n", "0").output == ""
    objects = [json.loads(line) for line in invoke("tail", "parrots", "-n3", "--json").output.splitlines()]
    assert [each["index"] for each in objects] == [2, 3, 4]
    (shown,) = invoke("conversations", "--json").output.splitlines()
    service = json.loads(shown)["chat_service_sid"]
    assert json.loads(invoke("tail", "parrots", "-n1", "--json", "--service", service).output)["index"] == 4


@asynccontextmanager
async def tailing(*options: str) -> AsyncIterator[Process]:
    """Follow the parrots in a process."""
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # what runs in the background ignores it
    async with support.running("tail", "parrots", "--follow", "--interval", "0.1", *options) as process:
        signal.signal(signal.SIGINT, before)
        yield process


async def _said(process: Process) -> str:
    """Wait for a line, and give it without the time."""
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 20)).decode()[21:]


async def test_a_conversation_is_followed_until_interrupted(
    emulator: Emulator, client: ConversationsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each message comes as it is written; an outage is one line on standard error, and loses nothing."""
    point_at(emulator.url, monkeypatch)
    await client.conversations.create(unique_name="parrots")
    messages = client.messages("parrots")
    for body in "old", "last":
        await messages.create(body=body)
    async with tailing("--lines", "1") as process:
        assert await _said(process) == "#1  system: last\n"
        await messages.create(body="new")
        assert await _said(process) == "#2  system: new\n"
        fault = emulator.faults.add(operation="messages.list", status=503, times=5)  # all attempts of a look
        for body in "one", "two":
            await messages.create(body=body)
        assert [await _said(process) for _ in range(2)] == ["#3  system: one\n", "#4  system: two\n"]
        assert emulator.faults.count(fault) == 5
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, out) == (130, b"")
    complaint = err.decode()
    assert complaint.startswith("conversations-async: GET /v1/Conversations/parrots/Messages: HTTP 503")
    assert complaint.endswith("; trying again every 0.1 s\n")
    assert complaint.count("\n") == 1


async def test_an_outage_that_turns_out_to_be_the_end(
    emulator: Emulator, client: ConversationsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails in passing is told once, and what fails for good is told and ends it."""
    point_at(emulator.url, monkeypatch)
    await client.conversations.create(unique_name="parrots")
    emulator.faults.add(operation="messages.list", status=501, skip=1, times=2)
    emulator.faults.add(operation="messages.list", status=404, skip=3)
    result = await asyncio.to_thread(invoke, "tail", "parrots", "--follow", "--interval", "0.1")
    assert (result.exit_code, result.stdout) == (1, "")
    passing, final = result.stderr.splitlines()
    assert "HTTP 501" in passing
    assert passing.endswith("; trying again every 0.1 s")
    assert "HTTP 404" in final


async def test_only_what_comes(
    emulator: Emulator, client: ConversationsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``--lines 0`` nothing old is printed; a refusal ends it, and so does a pipe that is closed."""
    point_at(emulator.url, monkeypatch)
    await client.conversations.create(unique_name="parrots")
    messages = client.messages("parrots")
    await messages.create(body="old")

    async def looked() -> None:
        before = emulator.requests_served
        while emulator.requests_served < before + 2:  # noqa: ASYNC110  # a request cannot be awaited from here
            await asyncio.sleep(0.01)

    async with tailing("--lines", "0", "--json") as process:
        await asyncio.wait_for(looked(), 20)
        await messages.create(body="new")
        assert process.stdout is not None
        assert json.loads(await asyncio.wait_for(process.stdout.readline(), 20))["body"] == "new"
        emulator.faults.add(operation="messages.list", status=404, times=1)
        out, err = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, out, err.count(b"\n")) == (1, b"", 1)
    assert err.startswith(b"conversations-async: GET /v1/Conversations/parrots/Messages: HTTP 404, 20404: ")

    reading, writing = os.pipe()
    with subprocess.Popen(  # noqa: ASYNC220, S603  # it starts at once; our own
        (*COMMAND, "tail", "parrots", "-f", "--interval", "0.1", "-n0"),
        stdout=writing,
        stderr=subprocess.PIPE,
    ) as ended:
        os.close(writing)
        os.close(reading)
        await asyncio.wait_for(looked(), 20)
        await messages.create(body="to nobody")
        _, err = await asyncio.to_thread(ended.communicate, timeout=20)
    assert (ended.returncode, err) == (0, b"")


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (
            ("messages", "nobody"),
            1,
            "conversations-async: GET /v1/Conversations/nobody/Messages: HTTP 404, 20404: ",
        ),
        (("messages", "parrots", "--service", "IS0"), 1, "conversations-async: GET /v1/Services/IS0/Conv"),
        (("messages", ""), 2, "conversations-async: conversation must not be empty"),
        (("messages", "parrots", "--limit", "0"), 2, "Invalid value for '--limit'"),
        (("messages", "parrots", "--page-size", "1001"), 2, "Invalid value for '--page-size'"),
        (("messages", "parrots", "--order", "up"), 2, "Invalid value for '--order'"),
        (
            ("send", "nobody", "Ahoy"),
            1,
            "conversations-async: POST /v1/Conversations/nobody/Messages: HTTP 404",
        ),
        (("send", "parrots", "Ahoy", "--attributes", "{"), 2, "conversations-async: attributes must be "),
        (("send", "parrots", "Ahoy", "--once", ""), 2, "conversations-async: key must be "),
        (("tail", "nobody", "--follow"), 1, "conversations-async: GET /v1/Conversations/nobody/Messages: "),
        (("tail", "parrots", "--lines", "-1"), 2, "Invalid value for '--lines'"),
        (("tail", "parrots", "--interval", "0.01"), 2, "Invalid value for '--interval'"),
        (("tail", "parrots", "-f", "--interval", "inf"), 2, "conversations-async: interval must be a finite"),
        (("emulator", "--account-sid", ACCOUNT_SID), 2, "conversations-async: "),
        (("emulator", "--account-sid", "AC1", "--auth-token", "hunter2"), 2, "conversations-async: "),
        (("emulator", "--port", "65536"), 2, "conversations-async: port must be "),
        (("emulator", "--latency", "-1"), 2, "conversations-async: latency must be "),
        (("emulator", "--drain", "nan"), 2, "conversations-async: drain must be "),
        (("emulator", "--webhook-url", "ftp://x"), 2, "conversations-async: webhook_url must be an http or "),
        (("emulator", "--faults", "/no/such.json"), 2, "conversations-async: /no/such.json: No such file"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(
    arguments: tuple[str, ...], code: int, complaint: str
) -> None:
    """What is wrong is said on standard error, without a traceback and without a secret."""
    result = invoke(*arguments, env={"COLUMNS": "200"})
    assert (result.exit_code, result.stdout) == (code, "")
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr
    assert "hunter2" not in result.stderr
    if complaint.startswith("conversations-async"):
        assert result.stderr.count("\n") == 1


@pytest.mark.usefixtures("environment")
def test_missing_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials there is one clear line, and exit code 2."""
    monkeypatch.delenv("TWILIO_AUTH_TOKEN")
    result = invoke("conversations")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("conversations-async: auth_token (TWILIO_AUTH_TOKEN) is missing; ")


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    "options", ["messages parrots --page-size 1", "messages parrots --json", "tail parrots", "demo"]
)
def test_a_closed_pipe_ends_quietly(options: str) -> None:
    """Whoever reads only the first line gets it; nothing is complained of, and the command succeeds."""
    command = f"set -o pipefail; '{COMMAND[0]}' -m conversations_async {options}"
    ended = subprocess.run(  # noqa: S603  # our own
        ["bash", "-c", f"{command} | head -n 1"],  # noqa: S607  # wherever it is
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("\n") == 1


@pytest.mark.usefixtures("environment")
def test_a_pipe_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write to a closed pipe ends the command, with success."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as broken, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", broken)
        cli._run(asyncio.sleep(0))
        cli._run(_raise(BrokenPipeError()))
        broken.write("this goes nowhere")


def test_a_styled_line_into_a_closed_pipe() -> None:
    """What rich would turn into exit code 1 arrives as the error that it is."""

    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        Terminal(file=Closed()).show(Text("Ahoy"))


async def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError()])
def test_an_interrupt_is_no_traceback(error: BaseException) -> None:
    """Ctrl-C ends a command with the usual exit code."""
    with pytest.raises(typer.Exit) as caught:
        cli._run(_raise(error))
    assert caught.value.exit_code == 130


def test_help_and_version() -> None:
    """The version is the package's; without a command the help is shown."""
    assert invoke("--version").output == f"{__version__}\n"
    assert "emulator" in invoke().output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_serving_ends_with_a_signal(number: signal.Signals, capsys: pytest.CaptureFixture[str]) -> None:
    """The emulator prints where it listens, once it does, and ends when it is told to."""
    server = Emulator()
    serving = asyncio.create_task(serve(server))
    assert await _address(capsys) == server.url
    os.kill(os.getpid(), number)
    await asyncio.wait_for(serving, 10)


async def test_serving_ends_at_once_with_a_second_signal(capsys: pytest.CaptureFixture[str]) -> None:
    """A second signal ends what the first one has begun to end."""
    serving = asyncio.create_task(serve(Emulator()))
    await _address(capsys)
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(asyncio.CancelledError):
        await serving


def test_the_emulator_as_a_process(tmp_path: Path) -> None:
    """What was written is in the file after the process has ended, and there is no complaint."""
    credentials = ("--account-sid", ACCOUNT_SID, "--auth-token", AUTH_TOKEN)
    command = (*COMMAND, "emulator", "--port", "0", "--database", str(tmp_path / "data.db"), *credentials)
    expected: list[str] = []
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own
            assert process.stdout is not None
            url = process.stdout.readline().removeprefix("listening on ").strip()
            assert asyncio.run(_names(url)) == expected
            asyncio.run(_create(url, "kept"))
            expected = ["kept"]
            process.send_signal(signal.SIGTERM)
            assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == 0


@pytest.mark.parametrize(
    ("option", "content", "complaint"),
    [
        ("--faults", '[{"status": 503},\n {"status" 503}]', ":2:12: Expecting ':' delimiter"),
        ("--faults", '[{"status": 503}, {"status": 503, "times": 0}]', ": faults[1].times: must be "),
        ("--seed", '{"conversations":\n [}', ":2:3: Expecting value"),
        ("--seed", '{"conversations": [{"unique_nmae": "x"}]}', ": conversations[0].unique_nmae: unknown; "),
    ],
)
def test_a_file_with_a_mistake(tmp_path: Path, option: str, content: str, complaint: str) -> None:
    """A mistake in a file is one line with its place, and nothing is served."""
    path = tmp_path / "wrong.json"
    path.write_text(content)
    result = invoke("emulator", "--port", "0", option, str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"conversations-async: {path}{complaint}")
    assert result.stderr.count("\n") == 1


@asynccontextmanager
async def running(*options: str) -> AsyncIterator[tuple[Process, str]]:
    """Run the emulator as a process, and give it and where it listens."""
    async with support.running("emulator", "--port", "0", *options) as process:
        yield process, await support.address(process)


@asynccontextmanager
async def receiving(gate: asyncio.Event) -> AsyncIterator[tuple[str, list[str]]]:
    """Take webhooks, which are answered when the gate opens; give their URL, and the events that came."""
    came: list[str] = []

    async def take(request: web.Request) -> web.Response:
        came.append(str((await request.post())["EventType"]))
        await gate.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://user:hunter2@127.0.0.1:{runner.addresses[0][1]}/", came
    await runner.cleanup()


async def _cause_two_webhooks(url: str) -> None:
    async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=url) as client:
        for name in "one", "two":
            room = await client.conversations.create(unique_name=name)
            await client.messages(room.sid).create(body="Ahoy", webhook_enabled=True)


async def test_the_end_waits_for_webhooks() -> None:
    """After SIGTERM, webhooks that are on their way arrive within ``--drain``, and nothing was printed."""
    gate = asyncio.Event()
    async with (
        receiving(gate) as (hook, came),
        running("--webhook-url", hook, "--drain", "10") as (process, url),
    ):
        await _cause_two_webhooks(url)
        process.terminate()
        gate.set()
        assert await asyncio.wait_for(process.communicate(), 10) == (b"", b"")
    assert process.returncode == 0
    assert came == ["onMessageAdded"] * 2


async def test_the_end_drops_webhooks() -> None:
    """Without ``--drain`` they are dropped, which is said and is no failure."""
    async with receiving(asyncio.Event()) as (hook, _), running("--webhook-url", hook) as (process, url):
        await _cause_two_webhooks(url)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, out) == (0, b"")
    assert b"conversations-async: 2 webhooks were dropped" in err
    assert b"hunter2" not in err


async def test_a_second_interrupt_does_not_wait() -> None:
    """Who is not patient enough for ``--drain`` interrupts again."""
    async with (
        receiving(asyncio.Event()) as (hook, _),
        running("--webhook-url", hook, "--drain", "60") as (process, url),
    ):
        await _cause_two_webhooks(url)
        process.send_signal(signal.SIGINT)
        # the first one is heard when nobody listens, or a request that came just then gets no answer
        with pytest.raises((aiohttp.ClientConnectionError, TimeoutError)):
            async with aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True), timeout=aiohttp.ClientTimeout(total=1)
            ) as session:
                while True:
                    await (await session.get(url)).read()
        process.send_signal(signal.SIGINT)
        out, _ = await asyncio.wait_for(process.communicate(), 4)
    assert (process.returncode, out) == (130, b"")


async def test_a_killed_emulator_has_kept_what_it_acknowledged(tmp_path: Path) -> None:
    """What was answered is in the file, even if the process is killed while more is written."""
    database = ("--database", str(tmp_path / "data.db"))
    kept: list[str] = []

    async def write(client: ConversationsClient) -> None:
        while True:
            room = await client.conversations.create(unique_name=f"room-{len(kept)}")
            kept.append(room.unique_name or "")
            if len(kept) == 50:
                process.kill()

    async with running(*database) as (process, url):
        async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=url, retry=NO_RETRY) as client:
            with pytest.raises(TransportError):
                await write(client)
        await process.communicate()
    async with running(*database) as (_, url):
        assert (await _names(url))[: len(kept)] == kept


async def test_a_seed_is_for_an_empty_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A seed is what a database begins with; where there is something, it is left out, which is said."""
    seed = tmp_path / "seed.json"
    seed.write_text('{"conversations": [{"unique_name": "seeded"}]}')
    for complaints in [], [f"the database has data already: {seed} is left out"]:
        serving = asyncio.create_task(serve(Emulator(database=tmp_path / "data.db", seed=seed), seed=seed))
        assert await _names(await _address(capsys)) == ["seeded"]
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
        assert caplog.messages == complaints


async def test_options_reach_the_emulator(tmp_path: Path) -> None:
    """Faults, limits and hooks before REST are what the command line says."""
    faults = tmp_path / "faults.json"
    faults.write_text('[{"operation": "conversations.list", "status": 503, "times": 1}]')
    gate = asyncio.Event()
    gate.set()
    options = ("--limits", "--latency", "0.001", "--pre-webhooks-for-rest", "--webhook-host", "*.test")
    async with (
        receiving(gate) as (hook, came),
        running("--faults", str(faults), "--webhook-url", hook, *options) as (_, url),
        ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=url, retry=NO_RETRY) as client,
    ):
        with pytest.raises(ServerError):
            await client.conversations.stream().list()
        room = await client.conversations.create(webhook_enabled=True)
        await client.webhook_configuration.update(pre_webhook_url=hook)
        with pytest.raises(RateLimitError):
            await asyncio.gather(*(client.messages(room.sid).create(body="Ahoy") for _ in range(40)))
        await client.conversations.create(webhook_enabled=True)
    assert "onConversationAdd" in came


def test_a_terminal_shows_what_happens() -> None:
    """On a terminal of 80 columns each request is a line, and no secret is among it."""
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    with (
        terminal() as (screen, its),
        subprocess.Popen(  # noqa: S603  # our own
            (*COMMAND, "emulator", "--port", "0"),
            stdout=its,
            stderr=its,
            env=environment | {"TERM": "xterm-256color"},
        ) as process,
    ):
        os.close(its)
        url = screen.readline().removeprefix("listening on ").strip()
        asyncio.run(_create(url, "kept"))
        lines = [screen.readline().rstrip("\n") for _ in range(2)]
        process.terminate()
        assert process.wait(10) == 0
    assert "\x1b[32m201\x1b[0m" in lines[1]
    shown = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert [len(line) for line in shown] == [80, 80]
    assert [line.split()[1:5] for line in shown] == [
        ["GET", "/v1/Conversations", "200", "conversations.list"],
        ["POST", "/v1/Conversations", "201", "conversations.create"],
    ]
    assert AUTH_TOKEN not in "".join(lines)


def _record(**values: Any) -> RequestRecord:
    request = {"operation": None, "method": "GET", "path": "/v1/Conversations", "status": 200, "code": None}
    sent: dict[str, Any] = {"query": {"Token": ["hunter2"]}, "form": {}, "headers": {}, "seconds": 0.0042}
    return RequestRecord(**{**request, **sent, **values})


def _call(**values: Any) -> WebhookCall:
    url = "https://user:hunter2@example.test:8443/hook?token=hunter2"
    return WebhookCall(**{"event": "onMessageAdded", "url": url, "method": "POST", "form": {}, **values})


SERVICE = f"/v1/Services/IS{'e' * 32}/Conversations/CH{'c' * 32}/Messages"


@pytest.mark.parametrize(
    ("happened", "shown"),
    [
        (_record(), "GET    /v1/Conversations               200                        4.2ms"),
        (
            _record(method="POST", path=SERVICE, operation="messages.create", status=201, seconds=12.34),
            "POST   /v1/Services/IS…cccccc/Messages 201 messages.create        12.3s",
        ),
        (
            _record(status=404, code=20404, operation="messages.list"),
            "GET    /v1/Conversations               404 20404 messages.list    4.2ms",
        ),
        (
            _record(status=503, code=20503, operation="conversations.create", fault=Fault(status=503)),
            "GET    /v1/Conversations               503 fault 205…ons.create   4.2ms",
        ),
        (
            _record(path="/v1/\n\x1b[31m[red]\u202e", status=None),
            r"GET    /v1/\n\x1b[31m[red]\u202e       ---                        4.2ms",
        ),
        (
            _record(path="/v1/Conversations/" + "漢字" * 20),
            "GET    /v1/Conversatio… 字漢字漢字漢字 200                        4.2ms",
        ),
        (_call(status=200), "→ onMessageAdded https://example.test:8443/hook                     200"),
        (
            _call(error="no connection: refused"),
            "→ onMessageAdded https://example.test:8443/hook  no connection: refused",
        ),
        (
            _call(url=None, flow_sid="FW1"),
            "→ onMessageAdded Studio flow FW1                      noted, not called",
        ),
    ],
)
def test_a_line_of_the_log(happened: RequestRecord | WebhookCall, shown: str) -> None:
    """Each line fits 80 columns: what is long is cut in the middle, and what would steer is escaped."""
    file = io.StringIO()
    log = Log(Terminal(file=file, width=80))
    log.request(happened) if isinstance(happened, RequestRecord) else log.webhook(happened)
    line = file.getvalue()
    assert re.fullmatch(r"\d\d:\d\d:\d\d ", line[:9])
    assert line[9:] == shown + "\n"
    assert cell_len(line.rstrip("\n")) == 80


async def test_the_log_hears_of_everything() -> None:
    """Requests and webhooks are told as they happen, and not only kept."""
    heard: list[Any] = []
    gate = asyncio.Event()
    gate.set()
    async with (
        receiving(gate) as (hook, _),
        Emulator(webhook_url=hook, on_request=heard.append, on_webhook=heard.append) as emulator,
    ):
        await _cause_two_webhooks(emulator.url)
        await emulator.settled()
        assert sorted(heard, key=id) == sorted([*emulator.requests, *emulator.webhooks], key=id)
        assert {type(each) for each in heard} == {RequestRecord, WebhookCall}


def test_a_terminal_that_is_gone() -> None:
    """Nobody to show the log to is no reason to stop."""

    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(5, "Input/output error")

    Log(Terminal(file=Gone(), width=80)).request(_record())


def test_the_log_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pipe there is no log; on a terminal it shows what would be warned of besides."""
    logger = logging.getLogger(webhooks.__name__)
    assert log_to_terminal() is None
    assert logger.isEnabledFor(logging.WARNING)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    try:
        assert log_to_terminal() is not None
        assert not logger.isEnabledFor(logging.WARNING)
    finally:
        logger.setLevel(logging.NOTSET)


async def _address(capsys: pytest.CaptureFixture[str]) -> str:
    """Wait for the line that says where the emulator listens; there is no other."""
    while not (said := capsys.readouterr().out):  # noqa: ASYNC110  # what is printed cannot be awaited
        await asyncio.sleep(0.01)
    found = re.fullmatch("listening on (.+)\n", said)
    assert found is not None
    return found[1]


async def _names(url: str) -> list[str | None]:
    async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=url) as client:
        return [each.unique_name for each in await client.conversations.stream().list()]


async def _create(url: str, name: str) -> None:
    async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=url) as client:
        if name not in await _names(url):
            await client.conversations.create(unique_name=name)


def test_a_port_that_is_taken() -> None:
    """An address that cannot be listened on is one line, and exit code 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = invoke("emulator", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 1
    assert result.stderr.startswith("conversations-async: cannot listen on 127.0.0.1:")
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A file of somebody else is refused and left as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("do not lose me, I am no database at all")
    result = invoke("emulator", "--port", "0", "--database", str(path))
    assert result.exit_code == 2
    assert path.read_text() == "do not lose me, I am no database at all"


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without typer the command line says what to install."""
    monkeypatch.delitem(sys.modules, "conversations_async.cli")
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit) as caught:
        __main__.main()
    assert "typer is not installed; the command line needs the extra 'cli'" in str(caught.value.code)


def test_another_module_that_is_missing_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that no extra would bring is reported as what it is."""
    monkeypatch.delitem(sys.modules, "conversations_async.cli")
    monkeypatch.setitem(sys.modules, "conversations_async.demo", None)
    with pytest.raises(ModuleNotFoundError, match=r"conversations_async\.demo"):
        __main__.main()


def test_output_that_is_no_file_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the command line with streams of his own keeps them as they are."""
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(sys, "argv", ["conversations-async", "--version"])
    with pytest.raises(SystemExit):
        cli.run()
    assert output.getvalue() == f"{__version__}\n"


def test_main_runs_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The entry point runs the command that it is given."""
    monkeypatch.setattr(sys, "argv", ["conversations-async", "--version"])
    with pytest.raises(SystemExit) as caught:
        __main__.main()
    assert (caught.value.code, capsys.readouterr().out) == (0, f"{__version__}\n")

"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
import typer
from rich.text import Text
from typer.testing import CliRunner

from conversations_async import ConversationsClient, __main__, __version__, cli
from conversations_async.emulator import Emulator

from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .support import point_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = (sys.executable, "-m", "conversations_async")
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
        (("emulator", "--account-sid", ACCOUNT_SID), 2, "conversations-async: "),
        (("emulator", "--account-sid", "AC1", "--auth-token", "hunter2"), 2, "conversations-async: "),
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
@pytest.mark.parametrize("options", ["messages parrots --page-size 1", "messages parrots --json", "demo"])
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
        cli._Console(file=Closed()).show(Text("Ahoy"))


async def _raise(error: BaseException) -> None:
    raise error


def test_an_interrupt_is_no_traceback() -> None:
    """Ctrl-C ends a command with the usual exit code."""
    with pytest.raises(typer.Exit) as caught:
        cli._run(_raise(KeyboardInterrupt()))
    assert caught.value.exit_code == 130


def test_help_and_version() -> None:
    """The version is the package's; without a command the help is shown."""
    assert invoke("--version").output == f"{__version__}\n"
    assert "emulator" in invoke().output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_serving_ends_with_a_signal(number: signal.Signals, capsys: pytest.CaptureFixture[str]) -> None:
    """The emulator prints where it listens, once it does, and ends when it is told to."""
    server = Emulator()
    serving = asyncio.create_task(cli._serve(server))
    while not (said := capsys.readouterr().out):  # noqa: ASYNC110  # what is printed cannot be awaited
        await asyncio.sleep(0.01)
    assert said == f"listening on {server.url}\n"
    os.kill(os.getpid(), number)
    await asyncio.wait_for(serving, 10)


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

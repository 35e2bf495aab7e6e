"""The README is executed: every Python block runs, in order, against the emulator."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import shlex
import socket
import subprocess
import sys
import textwrap
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from sybil import Document
from sybil.parsers.markdown import CodeBlockParser

import conversations_async
from conversations_async import ConversationsClient, cli

from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .operations import OPERATIONS
from .support import VARIABLES, point_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sybil import Example

    from conversations_async.emulator import Emulator

README = Path(__file__).parent.parent / "README.md"


def run(example: Example) -> None:
    """Leave a block for `evaluate`, which can await."""


def examples() -> list[Example]:
    """Give the Python blocks of the README, in their order."""
    return list(Document.parse(str(README), CodeBlockParser(language="python", evaluator=run)))


async def evaluate(example: Example, namespace: dict[str, Any]) -> None:
    """Run a block as if it stood in an `async def` whose names are kept."""
    source = "\n" * (example.line + 1) + example.parsed
    code = compile(source, str(README), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, namespace)  # noqa: S307  # our own README
    if inspect.isawaitable(result):
        await result


@pytest.fixture
def environment(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Point the environment at the emulator, as the README says, in a folder where files may be written."""
    point_at(emulator.url, monkeypatch)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("environment")
async def test_the_examples_run(client: ConversationsClient, capsys: pytest.CaptureFixture[str]) -> None:
    """Every example does what it says; what services and tests they define work too."""
    program, *rest = examples()
    assert len(rest) >= 10
    # the program runs its own loop; here, its main function does in this one
    assert program.parsed.rstrip().endswith("asyncio.run(main())")
    namespace: dict[str, Any] = {"__name__": "program"}
    exec(compile(program.parsed.replace("asyncio.run(main())", ""), str(README), "exec"), namespace)  # noqa: S102
    await namespace["main"]()
    assert capsys.readouterr().out == "0 smee Ahoy there!\n"

    conversation = await client.conversations.create(unique_name="parrots")
    for number in range(300):
        await client.messages(conversation.sid).create(body=f"{number}")
    namespace = {
        "__name__": "readme",
        "ConversationsClient": ConversationsClient,
        "NotFoundError": conversations_async.NotFoundError,
        "Order": conversations_async.Order,
        "client": client,
        "conversation": conversation,
    }
    for example in rest:
        if "import pytest" in example.parsed:
            continue  # pytest runs it: see below
        await evaluate(example, namespace)
        await try_out(example, namespace)
        capsys.readouterr()


def test_the_examples_are_typed(tmp_path: Path) -> None:
    """A program of the README's examples passes ``mypy --strict``."""
    program, *rest = [example.parsed for example in examples() if "import pytest" not in example.parsed]
    header = (
        "from conversations_async import Conversation, ConversationsClient, NotFoundError, Order\n\n"
        "async def everything(client: ConversationsClient, conversation: Conversation) -> None:\n"
    )
    (tmp_path / "program.py").write_text(program)
    (tmp_path / "pasted.py").write_text(header + "".join(textwrap.indent(block, "    ") for block in rest))
    # two examples may define a function of the same name
    options = ["--strict", "--disable-error-code=no-redef", "--config-file="]
    command = [sys.executable, "-m", "mypy", *options, "program.py", "pasted.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603  # our own
    assert ended.returncode == 0, ended.stdout


async def post(app: Any, path: str, query: str) -> int:
    """Start an ASGI application, post to it, stop it, and return the status of its answer."""
    commands: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    state: dict[str, Any] = {}
    lifespan = asyncio.create_task(app({"type": "lifespan", "state": state}, commands.get, events.put))
    await commands.put({"type": "lifespan.startup"})
    assert (await events.get())["type"] == "lifespan.startup.complete"

    answer: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    request: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    await request.put({"type": "http.request", "body": b""})
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": "POST",
        "path": path,
        "query_string": query.encode(),
        "headers": [],
        "state": dict(state),
    }
    await app(scope, request.get, answer.put)

    await commands.put({"type": "lifespan.shutdown"})
    await lifespan
    status: int = answer.get_nowait()["status"]
    return status


async def try_out(example: Example, namespace: dict[str, Any]) -> None:
    """Use what an example defines, as its reader would."""
    if "app = web.Application" in example.parsed:
        async with TestClient(TestServer(namespace["app"])) as user:
            assert (await user.post("/tickets/parrots/notes", data="a note")).status == 201
            assert (await user.post("/tickets/nobody/notes", data="a note")).status == 404
    elif "service_desk = FastAPI" in example.parsed:
        assert await post(namespace["service_desk"], "/webhooks", "") == 415  # it is no form
    elif "api = FastAPI" in example.parsed:
        assert await post(namespace["api"], "/tickets/parrots/notes", "text=x") == 201


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_the_example_of_a_test_is_one(tmp_path: Path, mode: str) -> None:
    """The test in the README, pasted into a file, passes in both modes of pytest-asyncio, as it is."""
    (block,) = [example.parsed for example in examples() if "import pytest" in example.parsed]
    (tmp_path / "test_pasted.py").write_text(block)
    options = ["-o", f"asyncio_mode={mode}", "-o", "asyncio_default_fixture_loop_scope=function"]
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", *options, "."]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603  # our own
    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr


def test_the_program_as_a_file(tmp_path: Path) -> None:
    """The first program, typed into a file, works against the emulator that the command line starts."""
    program = tmp_path / "program.py"
    program.write_text(examples()[0].parsed)
    emulator = [sys.executable, "-m", "conversations_async", "emulator", "--port", "0"]
    with subprocess.Popen(emulator, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("listening on ").strip()
        variables = dict.fromkeys(VARIABLES, "") | {"CONVERSATIONS_BASE_URL": url}
        variables |= {"TWILIO_ACCOUNT_SID": ACCOUNT_SID, "TWILIO_AUTH_TOKEN": AUTH_TOKEN}
        ended = subprocess.run(  # noqa: S603  # our own
            [sys.executable, "-W", "error", str(program)],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        process.terminate()
    assert (ended.stdout, ended.stderr, ended.returncode) == ("0 smee Ahoy there!\n", "", 0)


def test_the_bot_answers(tmp_path: Path) -> None:
    """The bot of the README, saved as it says, answers what its commands send through the emulator's."""
    (block,) = [example.parsed for example in examples() if "aiohttp_app" in example.parsed]
    script = "from conversations_async import ConversationsClient\n" + block
    (tmp_path / "bot.py").write_text(script.replace("port=3000", "port=0"))
    shell = re.findall(r"^```sh\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    start, write = (one.strip().splitlines() for one in shell if "--webhook-url" in one or "--create" in one)
    command = [sys.executable, "-m", "conversations_async"]
    variables = {"TWILIO_ACCOUNT_SID": ACCOUNT_SID, "TWILIO_AUTH_TOKEN": AUTH_TOKEN}

    @contextmanager
    def running(arguments: list[str], url: str, pattern: str) -> Iterator[str]:
        """Run a program until it is not needed, and give the address that it prints."""
        environment = os.environ | dict.fromkeys(VARIABLES, "") | variables | {"CONVERSATIONS_BASE_URL": url}
        with subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own
            assert process.stdout is not None
            try:
                yield next(found[1] for line in process.stdout if (found := re.search(pattern, line)))
            finally:
                process.terminate()

    # the bot must know the emulator's address, and the emulator the bot's: one of them is known before
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        emulator = f"http://127.0.0.1:{free.getsockname()[1]}"
    with ExitStack() as stack:
        bot = [sys.executable, "-W", "error", "-u", str(tmp_path / "bot.py")]
        hooks = stack.enter_context(running(bot, emulator, r"Running on (http://\S+)"))
        options = shlex.split(start[0].replace("http://127.0.0.1:3000", hooks))[1:]
        options[options.index("--port") + 1] = emulator.rpartition(":")[2]
        stack.enter_context(running(command + options, "", "listening on (.*)"))
        environment = os.environ | variables | {"CONVERSATIONS_BASE_URL": emulator}

        def call(line: str) -> list[str]:
            arguments = command + shlex.split(line)[1:]
            ended = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True)  # noqa: S603  # our own
            return [shown.partition("  #")[2] for shown in ended.stdout.splitlines()]

        call(write[0])
        call(write[0].replace("Where is the parrot?", "I want a human!"))
        # the bot answers in its time; a command takes a while by itself
        said = next(said for _ in range(100) if len(said := call(write[1])) >= 5)
    lines = [line.partition("  ")[2] for line in said]
    assert lines.count("bot: Ahoy! What can I do for you?") == 1
    assert lines.index("alice: Where is the parrot?") < lines.index("bot: Let me see, alice …")
    assert lines[-1] == "bot: A colleague will call you."


def test_the_first_shell_block_is_the_two_commands() -> None:
    """Whoever has only Python copies one of two lines; the second is the one that CI runs."""
    (first, *_) = re.findall(r"^```sh\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    demo, tests = first.splitlines()
    assert demo.startswith("python3 -m venv .venv && .venv/bin/pip install -q -e '.[cli]' && ")
    assert demo.endswith(".venv/bin/conversations-async demo")
    assert tests.endswith("-e '.[dev]' && .venv/bin/pytest -q")


def test_every_repository_is_in_the_readme() -> None:
    """The README names each repository, and each verb that it has."""
    text = README.read_text()
    verbs = defaultdict[str, set[str]](set)
    for operation in OPERATIONS:
        assert re.search(rf"\b{re.escape(operation.accessor)}", text), operation.accessor
        if operation.api == "conversations-v1":
            verbs[operation.accessor].add(operation.verb)
    for accessor, expected in verbs.items():
        listed = set(re.findall(rf"^\| .*\b{re.escape(accessor)}`.* \| ([a-z ]+) \|", text, re.MULTILINE))
        assert listed == {" ".join(sorted(verb[0] for verb in expected if "_" not in verb))}, accessor


def test_every_error_and_command_is_in_the_readme() -> None:
    """The README names each error class, and each command with its options."""
    text = README.read_text()
    for name in conversations_async.__all__:
        if name.endswith("Error"):
            assert f"`{name}`" in text
    for command in cli.app.registered_commands:
        assert command.callback is not None
        (line,) = re.findall(rf"^\| `{command.callback.__name__}\b.*$", text, re.MULTILINE)
        for option in inspect.signature(command.callback).parameters.values():
            if option.kind is option.KEYWORD_ONLY:
                assert f"--{option.name.replace('_', '-')}" in line


def test_every_promise_names_its_proof() -> None:
    """Each row of "What it promises" names files that are there, and these are about that promise."""
    _, _, after = README.read_text().partition("\n## What it promises\n")
    rows = re.findall(r"^\| \*\*(.+?)\*\*.* \| (.+) \|$", after.partition("\n## ")[0], re.MULTILINE)
    proofs = [proof for _, cell in rows for proof in re.findall(r"`(.+?)`", cell)]
    assert len(rows) == 15
    assert len(proofs) == len(set(proofs)) >= len(rows)
    for proof in proofs:
        assert (README.parent / proof).is_file(), proof

"""What several test modules use: made-up answers, values to try, and the settings of hypothesis."""

from __future__ import annotations

import asyncio
import copy
import fcntl
import json
import os
import pickle
import pty
import struct
import sys
import termios
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from hypothesis import settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from conversations_async.response import Response

from .conftest import ACCOUNT_SID, AUTH_TOKEN

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator, Callable, Generator
    from typing import TextIO

    import pytest

    from conversations_async import ConversationsClient, ServiceScope

#: What the environment may hold for the client.
VARIABLES = (
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_API_KEY",
    "TWILIO_API_SECRET",
    "TWILIO_REGION",
    "TWILIO_EDGE",
    "CONVERSATIONS_BASE_URL",
)


def point_at(url: str, patch: pytest.MonkeyPatch) -> None:
    """Let the environment name an emulator, and nothing else."""
    for variable in (*VARIABLES, *(name for name in os.environ if name.lower().endswith("_proxy"))):
        patch.delenv(variable, raising=False)
    patch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT_SID)
    patch.setenv("TWILIO_AUTH_TOKEN", AUTH_TOKEN)
    patch.setenv("CONVERSATIONS_BASE_URL", url)


#: The command line, run as a process.
COMMAND = (sys.executable, "-m", "conversations_async")


@asynccontextmanager
async def running(*arguments: str, stdout: int = PIPE, stderr: int = PIPE) -> AsyncGenerator[Process]:
    """Run a command as a process, which does not outlive the test."""
    process = await asyncio.create_subprocess_exec(*COMMAND, *arguments, stdout=stdout, stderr=stderr)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def address(process: Process) -> str:
    """Wait until a command listens, and give where."""
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 10)).decode()
    assert line.startswith("listening on "), line
    return line.removeprefix("listening on ").strip()


@contextmanager
def terminal() -> Generator[tuple[TextIO, int]]:
    """Give a terminal of 80 columns: what it shows, and the file for a process, closed once that runs."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with os.fdopen(ours, encoding="utf-8") as screen:
        yield screen, its


@asynccontextmanager
async def session_of(kind: str) -> AsyncGenerator[dict[str, Any]]:
    """Give the options of a client that has sessions of its own, or a borrowed one."""
    if kind == "own":
        yield {}
    else:
        async with aiohttp.ClientSession() as session:
            yield {"session": session}


#: The same examples in every run, and no deadline: a slow machine is no failure.
deterministic = settings(deadline=None, derandomize=True)

REQUEST_ID = "RQ" + "f" * 32

#: The longest line that an error may print.
LINE_LIMIT = 700

#: Bodies that say nothing about the error, whatever the status.
MUTE_BODIES = {
    "empty": b"",
    "html": b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>",
    "text": b"upstream connect error",
    "broken": b'{"code": 20001, "message": "cut o',
    "invalid-utf-8": b"\xff\xfe\x00",
    "invalid-utf-8-in-a-string": b'{"message": "\xff"}',
    "deep-list": b"[" * 100_000,
    "deep-object": b'{"message":' * 100_000,
    "list": b'[{"code": 20001, "message": "in a list"}]',
    "string": b'"in a string"',
    "number": b"20001",
    "null": b"null",
    "not-a-number": b"NaN",
    "too-long-a-number": b'{"code": ' + b"1" * 5000 + b"}",
    "empty-object": b"{}",
    "empty-message": b'{"message": ""}',
}


def through_pickle(protocol: int) -> Callable[[Any], Any]:
    """Give the function that pickles a value and reads it again."""
    return lambda value: pickle.loads(pickle.dumps(value, protocol))  # noqa: S301  # it is our own


COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle-{protocol}": through_pickle(protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)},
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def answer(
    body: object = b"",
    status: int = 200,
    *,
    method: str = "GET",
    path: str = "/v1/Conversations",
    headers: dict[str, str] | None = None,
    attempts: int = 1,
) -> Response:
    """Make an answer as the session does; what is no bytes becomes JSON."""
    return Response(
        method=method,
        path=path,
        status=status,
        headers=CIMultiDict(headers or {}),
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        attempts=attempts,
    )


def is_one_line(text: str) -> bool:
    """Say whether a text is one short line that a terminal or a log prints as it is."""
    return text.isprintable() and len(text) <= LINE_LIMIT


async def use_everything(client: ConversationsClient, service: ServiceScope, sid: str) -> None:
    """Write and read in both APIs, and media up and down, in a service with nothing in it."""
    conversation = await service.conversations.create(friendly_name="y")
    await service.messages(conversation.sid).create(body="Ahoy")
    channel = client.chat.service(sid).messages(conversation.sid)
    assert [message.body async for message in channel.stream()] == ["Ahoy"]
    media = await service.media.upload(b"parrot", content_type="image/png")
    async with service.media.download(media.sid) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == b"parrot"

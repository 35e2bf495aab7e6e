"""What is imported, and when: the client alone, and the legacy API once it is asked for."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import conversations_async

#: Imports one thing after the other, and says which modules are there after each.
PROGRAM = """
import json, sys

after = {}
import conversations_async.pytest_plugin
import conversations_async
from conversations_async import ConversationsClient
client = ConversationsClient("AC" + "0" * 32, "token").with_options(timeout=1)
after["client"] = [*sys.modules]
conversations_async.chat.Channel
client.chat
after["chat"] = [*sys.modules]
print(json.dumps(after))
"""


@pytest.fixture(scope="module")
def after() -> dict[str, set[str]]:
    """Give the modules of a fresh interpreter, after each step of the program."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603  # our own
    return {step: set(modules) for step, modules in json.loads(printed).items()}


def _own(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "conversations_async"}


def test_the_client_brings_no_more_than_it_needs(after: dict[str, set[str]]) -> None:
    """With client and pytest plugin come neither the emulator, nor the command line, nor the legacy API."""
    assert {"aiohttp", "conversations_async.session"} <= after["client"]
    parts = ("emulator", "cli", "demo", "__main__", "chat", "webhooks")
    unwanted = {"jwt", "typer", "rich", "sqlite3", *(f"conversations_async.{part}" for part in parts)}
    assert not unwanted & after["client"]


def test_the_legacy_api_comes_when_it_is_asked_for(after: dict[str, set[str]]) -> None:
    """``client.chat`` imports the modules of the legacy API, and nothing else of the package."""
    added = _own(after["chat"] - after["client"])
    assert "conversations_async.chat.channels" in added
    assert all(name.startswith("conversations_async.chat") for name in added)


def test_every_public_name_is_there() -> None:
    """``__all__`` is sorted, each of its names exists, and what the contract names is among them."""
    names = conversations_async.__all__
    assert names == sorted(names)
    assert all(hasattr(conversations_async, name) for name in names)
    contract = {"ConversationsClient", "Order", "RetryPolicy", "Page", "Stream", "ConversationsError"}
    assert contract <= set(names)


def test_a_misspelt_name_says_so() -> None:
    """It is the error that any module raises."""
    with pytest.raises(
        AttributeError, match=r"^module 'conversations_async' has no attribute 'Odrer'"
    ) as raised:
        getattr(conversations_async, "Odrer")  # noqa: B009  # to type checkers it is an error
    assert raised.value.obj is conversations_async  # with which Python suggests a better name


def test_the_legacy_api_is_an_attribute(monkeypatch: pytest.MonkeyPatch) -> None:
    """``conversations_async.chat`` is its package, whether somebody has imported that or not."""
    monkeypatch.delattr(conversations_async, "chat", raising=False)
    assert conversations_async.chat is sys.modules["conversations_async.chat"]

"""What the tests share: an emulator on loopback, a client of it, and a client whose answers are mocked."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses

from conversations_async import ConversationsClient, RetryPolicy
from conversations_async.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from .raw import Api

ACCOUNT_SID = "AC" + "a" * 32
AUTH_TOKEN = "not-a-real-token"

CONVERSATION = "CH" + "c" * 32
MESSAGE = "IM" + "d" * 32
SERVICE = "IS" + "e" * 32


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the command line say how long the soak is."""
    parser.addoption("--soak", type=int, default=3000, metavar="CALLS", help="calls of tests/test_soak.py")


@pytest.fixture(scope="module", autouse=True)
def frozen() -> None:
    """Leave what is there before a module out of the collections that many of its tests ask for."""
    gc.collect()
    gc.freeze()


class MockedResponse(ClientResponse):
    """The work-around for aioresponses 0.7.9, which does not give what aiohttp 3.14 demands."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        sent: Any = SimpleNamespace(output_size=0)
        super().__init__(*args, stream_writer=sent, **kwargs)


class Mocked(aioresponses):
    """aioresponses, whose answers are made for the installed aiohttp."""

    def add(self, *args: Any, **kwargs: Any) -> None:
        """Register an answer."""
        super().add(*args, **{"response_class": MockedResponse} | kwargs)


@pytest.fixture
def mocked() -> Iterator[Mocked]:
    """Answer what the client asks of the vendor's hosts; nothing leaves the process."""
    mock = Mocked()
    with mock:
        yield mock


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """Run an emulator on a free port, with nothing in it."""
    async with Emulator() as running:
        yield running


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[ConversationsClient]:
    """Talk to the emulator; a failure is final."""
    retry = RetryPolicy(max_attempts=1)
    async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=emulator.url, retry=retry) as client:
        yield client


@pytest.fixture
async def vendor() -> AsyncIterator[ConversationsClient]:
    """Talk to the vendor's hosts, as far as `mocked` lets it."""
    retry = RetryPolicy(max_attempts=3, base_delay=0)
    async with ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, retry=retry) as client:
        yield client


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session that waits no longer than a test may."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


@pytest.fixture
def api(emulator: Emulator, session: aiohttp.ClientSession) -> Api:
    """Talk to the emulator in raw requests."""
    from .raw import Api  # noqa: PLC0415  # it needs what stands above

    return Api(session, emulator.url)

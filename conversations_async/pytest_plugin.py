"""The fixtures that pytest finds wherever this package is installed: an emulator, and a client of it.

``conversations_emulator`` is as if just started when a test begins, and ``conversations_client`` talks to it.
Both are for tests of any kind: with pytest-asyncio, with anyio's plugin, and without a loop of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from inspect import signature
from typing import TYPE_CHECKING, Any, Final

import pytest

# The emulator is imported by the fixtures: every run of pytest imports this module, few use them.

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .client import ConversationsClient
    from .emulator import Emulator

#: The only account that the emulator lets in, unless the options say otherwise.
ACCOUNT_SID: Final = "AC" + "0" * 32
#: Its token, with which webhooks are signed.
AUTH_TOKEN: Final = "not-a-real-token"  # noqa: S105  # nor is it one


@pytest.fixture(scope="session")
def conversations_emulator_options() -> dict[str, Any]:
    """The keyword arguments of the emulator; override it, in any scope, to give some.

    Its account is ``ACCOUNT_SID`` with ``AUTH_TOKEN``, both of this module. Another ``account_sid`` and
    ``auth_token`` replace them; where both are None, any account is let in.
    """
    return {}


@pytest.fixture(scope="session")
def _conversations_emulators() -> Iterator[Callable[[dict[str, Any]], Emulator]]:
    """Give a running emulator for some options, the same for the same; all end with the session."""
    from .emulator import Emulator  # noqa: PLC0415  # see above

    running: list[tuple[dict[str, Any], Emulator]] = []
    with ExitStack() as stack:

        def give(options: dict[str, Any]) -> Emulator:
            for known, emulator in running:
                if known == options:
                    return emulator
            started = stack.enter_context(Emulator(**options))
            # A copy: what a test does to its options is not what this one was started with.
            running.append((dict(options), started))
            return started

        yield give


@pytest.fixture
def conversations_emulator(
    conversations_emulator_options: dict[str, Any],
    _conversations_emulators: Callable[[dict[str, Any]], Emulator],
) -> Iterator[Emulator]:
    """The API on a port of this machine, as if just started: empty, without faults, in the real time."""
    emulator = _conversations_emulators(_with_account(conversations_emulator_options))
    emulator.reset()
    yield emulator
    # Not only before the next test: webhooks that are left would be called meanwhile.
    emulator.reset()


@pytest.fixture
def conversations_client(
    conversations_emulator: Emulator, conversations_emulator_options: dict[str, Any]
) -> Iterator[ConversationsClient]:
    """A client of the emulator, for the loop of the test; it repeats what failed at once, and is closed."""
    from .client import ConversationsClient  # noqa: PLC0415  # see above
    from .retry import RetryPolicy  # noqa: PLC0415  # likewise

    options = _with_account(conversations_emulator_options)
    client = ConversationsClient(
        options["account_sid"] or ACCOUNT_SID,
        options["auth_token"] or AUTH_TOKEN,
        base_url=conversations_emulator.url,
        retry=RetryPolicy(base_delay=0),
    )
    yield client
    client._session.close_idle()  # noqa: SLF001  # what tests alone need is not for all to see


def _with_account(options: Any) -> dict[str, Any]:
    from .emulator import Emulator, documents  # noqa: PLC0415  # see above

    name = "conversations_emulator_options"
    documents.require(name, options, "a dict of Emulator's arguments", fits=isinstance(options, Mapping))
    known = signature(Emulator).parameters
    for option in options:
        if option not in known:
            raise documents.unknown(name, option, known)
    return {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN, **options}

"""How fast are webhooks taken?

``python -m benchmarks.webhooks`` runs everything and prints a table; ``--help`` lists the sizes. There is no
network: what is measured is what a program does with a request that a server has read.
"""

import asyncio
import statistics
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final
from urllib.parse import urlencode

from attrs import frozen
from multidict import CIMultiDict, CIMultiDictProxy
from twilio.request_validator import (  # type: ignore[import-untyped]  # it has no types
    RequestValidator,
)

from conversations_async.webhooks import (
    Incoming,
    MessageAdded,
    Router,
    SignatureValidator,
    parse_event,
    sign,
)

from .loopback import ACCOUNT_SID, AUTH_TOKEN
from .pages import expect
from .report import Benchmark, Result, command, machine, run
from .stopwatch import Stopwatch, Unit, side_by_side

LIBRARIES: Final = ("aiohttp", "attrs", "cattrs", "msgspec", "multidict", "twilio")
ORIGIN: Final = "https://bots.example.com"
TARGET: Final = "/webhooks"
#: Over how many conversations the events are spread.
CONVERSATIONS: Final = 100


@frozen
class Event:
    """A request that tells of a message, as every implementation takes it."""

    form: dict[str, str]
    body: bytes
    headers: CIMultiDictProxy[str]
    signature: str

    def incoming(self) -> Incoming:
        """Tell of it as an adapter does."""
        return Incoming(
            method="POST",
            scheme="https",
            target=TARGET,
            headers=self.headers,
            peer="127.0.0.1",
            chunks=_whole(self.body),
        )


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    yield body


def make(number: int) -> Event:
    """Make a request with the parameters of a captured one, and of their lengths."""
    form = {
        "EventType": "onMessageAdded",
        "AccountSid": ACCOUNT_SID,
        "ChatServiceSid": "IS" + "e" * 32,
        "MessagingServiceSid": "MG" + "f" * 32,
        "ConversationSid": f"CH{number % CONVERSATIONS:032x}",
        "MessageSid": f"IM{number:032x}",
        "ParticipantSid": "MB" + "a" * 32,
        "Author": "+15558675310",
        "Body": "Hi",
        "Attributes": "{}",
        "Index": f"{number // CONVERSATIONS}",
        "DateCreated": "2021-08-10T18:00:58.111Z",
        "RetryCount": "0",
        "Source": "SMS",
    }
    signature = sign(ORIGIN + TARGET, AUTH_TOKEN, params=form)
    body = urlencode(form).encode()
    headers = {
        "Host": ORIGIN.rpartition("/")[2],
        "User-Agent": "TwilioProxy/1.1",
        "Accept": "*/*",
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "Content-Length": f"{len(body)}",
        "X-Twilio-Signature": signature,
        "I-Twilio-Idempotency-Token": f"00000000-0000-4000-8000-{number:012x}",
    }
    return Event(form, body, CIMultiDictProxy(CIMultiDict(headers)), signature)


def official(events: Sequence[Event]) -> int:
    """Verify with the official library."""
    validator = RequestValidator(AUTH_TOKEN)
    return sum(bool(validator.validate(ORIGIN + TARGET, one.form, one.signature)) for one in events)


def verify(events: Sequence[Event]) -> int:
    """Verify with ours."""
    validator = SignatureValidator(AUTH_TOKEN)
    return sum(validator.is_valid(ORIGIN + TARGET, one.signature, params=one.form) for one in events)


def decode(events: Sequence[Event]) -> int:
    """Verify and decode."""
    validator = SignatureValidator(AUTH_TOKEN)
    return sum(
        validator.is_valid(ORIGIN + TARGET, one.signature, params=one.form)
        and isinstance(parse_event(one.form), MessageAdded)
        for one in events
    )


def receive(events: Sequence[Event]) -> int:
    """Read bodies, verify, decode, look whether they are new, and handle in the background."""
    router, handled = Router(AUTH_TOKEN), 0

    @router.on(MessageAdded)
    async def handle(event: MessageAdded) -> None:
        nonlocal handled
        handled += isinstance(event, MessageAdded)

    async def take() -> None:
        async with router:
            for one in events:
                reply = await router.receive(one.incoming())
                expect(reply.status, 200)
                # a server does so, too: it lets the background work between two requests
                await asyncio.sleep(0)

    asyncio.run(take())
    return handled


#: What is done with the requests, each time more; each gives for how many it went well.
WORK: Final[dict[str, Callable[[Sequence[Event]], int]]] = {
    "official: verify": official,
    "ours: verify": verify,
    "ours: verify, decode": decode,
    "ours: the whole router": receive,
}


def small(*, rounds: int, events: int) -> Result:
    """Take small forms, on one core."""
    made, watch = [make(number) for number in range(events)], Stopwatch()
    counts = dict.fromkeys(WORK, 0)
    for name in watch.turns(tuple(WORK), rounds):
        taken = WORK[name](made)
        expect(taken, events)
        counts[name] += taken
    rates = {name: f"{events / statistics.median(times):,.0f}" for name, times in watch.cpu.items()}
    columns = Unit(1e6 / events, "µs").columns(watch.cpu, "CPU an event", "official: verify")
    table = side_by_side(
        [["one core", "events a second"], *([name, rate] for name, rate in rates.items())], columns
    )
    title = f"small: {events:,} messages of {len(made[0].form)} parameters, {rounds} rounds"
    return Result(title, table, counts)


BENCHMARKS: Final = {"small": Benchmark(small, ("rounds", "events"))}
SIZES: Final = {"rounds": 15, "events": 5000}


def main(arguments: Sequence[str]) -> dict[str, Result]:
    """Run the benchmarks that the arguments name, or all."""
    parser = command("webhooks", str(__doc__), BENCHMARKS, SIZES)
    return run(parser, parser.parse_args(arguments), BENCHMARKS, machine(*LIBRARIES))


if __name__ == "__main__":
    main(sys.argv[1:])

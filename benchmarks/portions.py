"""The work whose instructions are counted: each portion does one thing as often as it is told.

``python -m benchmarks.portions TABLE NAME COUNT ORIGIN`` does one in a process of its own; ``instructions``
runs that under valgrind.
"""

import asyncio
import gc
import math
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Final

import aiohttp
import msgspec
from attrs import frozen
from yarl import URL

from conversations_async import Message
from conversations_async.connections import Pool
from conversations_async.converter import decode, decode_page, encode_fields
from conversations_async.hosts import Hosts
from conversations_async.response import Response
from conversations_async.session import SessionManager
from conversations_async.transport import Attempt, Call

from .client import fetch_each, read
from .implementations import (
    AUTHOR,
    BODY,
    Bare,
    Dicts,
    Implementation,
    MessageStruct,
    Official,
    Ours,
    PageStruct,
    Structs,
)
from .pages import ONE, Server, conversation, encoded, expect, message

#: It is given the page server's origin, and how often.
Portion = Callable[[str, int], Coroutine[None, None, None]]

#: Seconds that an attempt may take; nothing comes near.
_SECONDS: Final = 30.0


def fetches(kind: type[Implementation]) -> Portion:
    """Read messages one after the other, each at an address of its own."""

    async def work(origin: str, count: int) -> None:
        async with kind(origin) as client:
            await fetch_each(client, calls=count)

    return work


def lists(page_size: int, make: Callable[[str], Implementation]) -> Portion:
    """Read a list to its end; what is counted is its pages."""

    async def work(origin: str, count: int) -> None:
        async with make(origin) as client:
            await read(client, pages=count, page_size=page_size)

    return work


# ------------------------------------------------------------------------------------ our own call, by layers


@frozen
class Inside:
    """What a call of ours goes through, all at one address: to make that is the last layer's work."""

    session: SessionManager
    pool: Pool
    call: Call


def layer(send: Callable[[Inside], Awaitable[bytes]]) -> Portion:
    """Make calls at one layer, one after the other, and compare the bodies."""

    async def work(origin: str, count: int) -> None:
        async with Ours(origin) as ours:
            session = ours.client._session  # noqa: SLF001  # what is measured is inside
            url = URL(f"{origin}/v1/Conversations/{conversation()}/Messages/IM{0:032x}", encoded=True)
            call = Call(method="GET", url=url, path=url.raw_path, headers=session._headers)  # noqa: SLF001  # likewise
            inside = Inside(session, await session._connections.pool(), call)  # noqa: SLF001  # likewise
            for _ in range(count):
                expect(await send(inside), ONE)

    return work


_LIMITS: Final = aiohttp.ClientTimeout(total=None, connect=_SECONDS * 0.95, ceil_threshold=math.inf)


async def by_aiohttp(inside: Inside) -> bytes:
    """Send what an attempt sends, and read the body."""
    answer = await inside.pool.session.request(
        inside.call.method,
        inside.call.url,
        data=None,
        headers=inside.call.headers,
        allow_redirects=False,
        auto_decompress=True,
        raise_for_status=False,
        timeout=_LIMITS,
    )
    return await answer.read()


async def by_attempt(inside: Inside) -> bytes:
    """Make one attempt: a deadline, failures in our own words, the answer as a value."""
    attempt = Attempt(inside.pool, inside.call, inside.session.options, 1, _SECONDS)
    return (await attempt.send(read=True)).body


async def by_request(inside: Inside) -> bytes:
    """Make one call: credentials and headers, and attempts until the policy has enough."""
    return (await inside.session.request("GET", inside.call.url)).body


# --------------------------------------------------------------------------------- parts that need no network


def part(prepare: Callable[[], Callable[[], object]]) -> Portion:
    """Call a function again and again."""

    async def work(_origin: str, count: int) -> None:
        do = prepare()
        for _ in range(count):
            do()

    return work


_SERVER: Final = Server()
_SERVER.origin = "http://127.0.0.1:8080"


def page_of_50() -> tuple[bytes, str]:
    """Give the first page of a list as the page server sends it, and the link to the next one."""
    target = f"/v1/Conversations/{conversation(2)}/Messages?PageSize=50"
    (_, *parts), _ = _SERVER.answer(b"GET", target.encode())
    body = b"".join(parts)
    return body, msgspec.json.decode(body)["meta"]["next_page_url"]


def answered(body: bytes) -> Response:
    """Make the answer that has this body."""
    return Response(method="GET", path="/v1/Conversations", status=200, headers={}, body=body)


def page_into_structs() -> Callable[[], object]:
    """Decode a page into structs."""
    body, _ = page_of_50()
    read_page = msgspec.json.Decoder(PageStruct).decode
    return lambda: read_page(body)


def whole_page(response: Response) -> object:
    """Decode a page that needs no turns."""
    try:
        decode_page(response, Message, "messages").send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("the page is not read at once")


def page_into_classes() -> Callable[[], object]:
    """Decode a page into our classes."""
    body, _ = page_of_50()
    response = answered(body)
    return lambda: whole_page(response)


def page_of_all_fields() -> Callable[[], object]:
    """Decode a page whose messages also have the one field that answers leave out."""
    body, link = page_of_50()
    messages = [{**message(index), "chat_service_sid": None} for index in range(50)]
    meta = {**msgspec.json.decode(body)["meta"], "next_page_url": link}
    response = answered(encoded({"messages": messages, "meta": meta}))
    return lambda: whole_page(response)


def one_into_a_struct() -> Callable[[], object]:
    """Decode a message into a struct."""
    read_one = msgspec.json.Decoder(MessageStruct).decode
    return lambda: read_one(ONE)


def one_into_a_class() -> Callable[[], object]:
    """Decode a message into our class."""
    response = answered(ONE)
    return lambda: decode(response, Message)


def own_link() -> Callable[[], object]:
    """Find that a link leads to the client's own origin."""
    _, link = page_of_50()
    hosts = Hosts(base_url=_SERVER.origin)
    return lambda: hosts.own_link("conversations", link)


def a_call() -> Callable[[], object]:
    """Make the value of a call."""
    url, headers = URL(_SERVER.origin) / "v1", {"Accept": "application/json"}
    return lambda: Call(method="GET", url=url, path=url.raw_path, headers=headers, data=None)


def a_response() -> Callable[[], object]:
    """Make the value of an answer."""
    return lambda: answered(ONE)


def a_form() -> Callable[[], object]:
    """Encode the form of a create, most of whose fields are not given."""
    given = {"Author": AUTHOR, "Body": BODY, "Attributes": '{"importance": "high"}'}
    left_out = ("DateCreated", "DateUpdated", "MediaSid", "ContentSid", "ContentVariables", "Subject")
    form = {**given, **dict.fromkeys(left_out)}
    return lambda: encode_fields(form).encode()


async def turns(_origin: str, count: int) -> None:
    """Let the event loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


async def deadlines(_origin: str, count: int) -> None:
    """Let the event loop go round under a deadline, which it drops some time later."""
    for _ in range(count):
        async with asyncio.timeout(_SECONDS):
            await asyncio.sleep(0)


#: What is counted, by the table that it stands in.
TABLES: Final[dict[str, dict[str, Portion]]] = {
    "fetch": {kind.name: fetches(kind) for kind in (Bare, Dicts, Structs, Ours, Official)},
    **{
        f"stream {page_size}": {
            Dicts.name: lists(page_size, Dicts),
            Structs.name: lists(page_size, Structs),
            "ours, read_ahead=0": lists(page_size, lambda origin: Ours(origin, 0)),
            "ours, read_ahead=1": lists(page_size, lambda origin: Ours(origin, 1)),
            Official.name: lists(page_size, Official),
        }
        for page_size in (50, 1000)
    },
    "layers": {
        "`session.request` of aiohttp": layer(by_aiohttp),
        "`transport.Attempt`": layer(by_attempt),
        "`SessionManager.request`": layer(by_request),
        "`repository.fetch`": fetches(Ours),
    },
    "parts": {
        "a page of 50 into structs": part(page_into_structs),
        "a page of 50 into our classes": part(page_into_classes),
        "the same, no field left out": part(page_of_all_fields),
        "one message into a struct": part(one_into_a_struct),
        "one message into our class": part(one_into_a_class),
        "`hosts.own_link`": part(own_link),
        "`asyncio.sleep(0)`": turns,
        "the same, in `asyncio.timeout`": deadlines,
        "`Call`": part(a_call),
        "`Response`": part(a_response),
        "`encode_fields` of a create": part(a_form),
        "a function that does nothing": part(lambda: lambda: None),
    },
}


def main(arguments: Sequence[str]) -> None:
    """Do one portion."""
    table, name, count, origin = arguments
    # what was imported is not looked at again, whenever garbage is collected
    gc.collect()
    gc.freeze()
    try:
        asyncio.run(TABLES[table][name](origin, int(count)))
    finally:
        gc.unfreeze()


if __name__ == "__main__":
    main(sys.argv[1:])

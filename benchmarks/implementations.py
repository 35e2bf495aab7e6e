"""The clients that are compared, each written as those who use it would write it.

All have the same methods, the same limit of 100 connections, and the same consumer, which counts the messages
and adds up their indexes.
"""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Annotated, Any, ClassVar, Final, Self

import aiohttp
import msgspec
import orjson
from attrs import define
from twilio.http.async_http_client import AsyncTwilioHttpClient  # type: ignore[import-untyped]  # it has no types
from twilio.rest import Client  # type: ignore[import-untyped]  # it has no types

from conversations_async import ConversationsClient

from . import pages
from .loopback import ACCOUNT_SID, AUTH_TOKEN

#: What a create sends.
AUTHOR: Final = "smee"
BODY: Final = "Ahoy there! The boat leaves at six, from the second bridge."
ATTRIBUTES: Final = {"importance": "high"}
#: How the warnings begin that are the official client's: it uses what aiohttp 3.14 deprecates.
DEPRECATED: Final = ("BasicAuth is deprecated", "The 'auth' parameter is deprecated")


@define
class Tally:
    """What a consumer keeps of the messages that it was given."""

    count: int = 0
    #: The sum of their indexes.
    total: int = 0


class Implementation:
    """A client of the page server at an origin; open between ``async with`` and its end."""

    name: ClassVar[str]
    #: What ``fetch`` gives of the message.
    fetched: ClassVar[int] = pages.INDEX

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close what the client has opened."""
        await self._stack.aclose()

    async def open(self) -> None:
        """Make the client."""
        raise NotImplementedError

    async def stream(self, conversation: str, page_size: int, *, pause: float = 0.0) -> Tally:
        """Read a list to its end, and pause so many seconds after the last message of each page."""
        raise NotImplementedError

    async def fetch(self, sid: str) -> int:
        """Read one message, and give its index."""
        raise NotImplementedError

    async def create(self) -> int:
        """Create a message, and give its index."""
        raise NotImplementedError

    async def crowd(self, sids: list[str]) -> list[int]:
        """Read many messages at once, and give their indexes."""
        return await asyncio.gather(*map(self.fetch, sids))


class Official(Implementation):
    """The vendor's client, over its own asynchronous transport."""

    name = "official"

    async def open(self) -> None:
        transport = await self._stack.enter_async_context(AsyncTwilioHttpClient())
        self._client: Any = Client(ACCOUNT_SID, AUTH_TOKEN, http_client=transport)
        self._client.conversations.base_url = self._origin
        self._messages = self._client.conversations.v1.conversations(pages.conversation()).messages

    async def stream(self, conversation: str, page_size: int, *, pause: float = 0.0) -> Tally:
        tally = Tally()
        messages = self._client.conversations.v1.conversations(conversation).messages
        async for message in await messages.stream_async(page_size=page_size):
            tally.count += 1
            tally.total += message.index
            if pause and not tally.count % page_size:
                await asyncio.sleep(pause)
        return tally

    async def fetch(self, sid: str) -> int:
        message = await self._messages(sid).fetch_async()
        index: int = message.index
        return index

    async def create(self) -> int:
        message = await self._messages.create_async(
            author=AUTHOR, body=BODY, attributes=orjson.dumps(ATTRIBUTES).decode()
        )
        index: int = message.index
        return index


class Aiohttp(Implementation):
    """What is written by hand over aiohttp: one session, which holds the headers."""

    async def open(self) -> None:
        headers = {
            "Authorization": aiohttp.encode_basic_auth(ACCOUNT_SID, AUTH_TOKEN),
            "Accept": "application/json",
        }
        session = aiohttp.ClientSession(headers=headers, raise_for_status=True)
        self._session = await self._stack.enter_async_context(session)
        self._messages = self.place(pages.conversation())

    def place(self, conversation: str) -> str:
        """Give the address of a conversation's messages."""
        return f"{self._origin}/v1/Conversations/{conversation}/Messages"

    def form(self) -> dict[str, str]:
        """Give what a create sends."""
        return {"Author": AUTHOR, "Body": BODY, "Attributes": orjson.dumps(ATTRIBUTES).decode()}


class Bare(Aiohttp):
    """A GET of aiohttp; the body is read, and nothing decoded."""

    name = "bare aiohttp"
    fetched = len(pages.ONE)

    async def fetch(self, sid: str) -> int:
        """Read one message, and give its length in bytes."""
        async with self._session.get(f"{self._messages}/{sid}") as response:
            return len(await response.read())


class Dicts(Aiohttp):
    """Aiohttp, and the dicts that orjson makes."""

    name = "dicts"

    async def stream(self, conversation: str, page_size: int, *, pause: float = 0.0) -> Tally:
        tally = Tally()
        url = f"{self.place(conversation)}?PageSize={page_size}"
        while url:
            async with self._session.get(url) as response:
                page = orjson.loads(await response.read())
            for message in page["messages"]:
                tally.count += 1
                tally.total += message["index"]
                if pause and not tally.count % page_size:
                    await asyncio.sleep(pause)
            url = page["meta"]["next_page_url"]
        return tally

    async def fetch(self, sid: str) -> int:
        async with self._session.get(f"{self._messages}/{sid}") as response:
            message = orjson.loads(await response.read())
        index: int = message["index"]
        return index

    async def create(self) -> int:
        async with self._session.post(self._messages, data=self.form()) as response:
            message = orjson.loads(await response.read())
        index: int = message["index"]
        return index


Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class DeliveryStruct(msgspec.Struct):
    """How far a message got."""

    total: int
    sent: str
    delivered: str
    read: str
    failed: str
    undelivered: str


class MediaStruct(msgspec.Struct):
    """A file of a message."""

    sid: str
    size: int
    content_type: str
    filename: str | None


class MessageStruct(msgspec.Struct):
    """A message."""

    sid: str
    account_sid: str
    conversation_sid: str
    body: str | None
    media: list[MediaStruct] | None
    author: str
    participant_sid: str | None
    attributes: str
    date_created: Moment
    date_updated: Moment | None
    index: int
    delivery: DeliveryStruct | None
    content_sid: str | None
    url: str
    links: dict[str, str]


class MetaStruct(msgspec.Struct):
    """Where a page is in its list."""

    next_page_url: str | None


class PageStruct(msgspec.Struct):
    """A page of messages."""

    messages: list[MessageStruct]
    meta: MetaStruct


class Structs(Aiohttp):
    """Aiohttp, and structs that msgspec decodes into straight away."""

    name = "structs"

    async def open(self) -> None:
        await super().open()
        self._one = msgspec.json.Decoder(MessageStruct)
        self._page = msgspec.json.Decoder(PageStruct)

    async def stream(self, conversation: str, page_size: int, *, pause: float = 0.0) -> Tally:
        tally = Tally()
        url: str | None = f"{self.place(conversation)}?PageSize={page_size}"
        while url:
            async with self._session.get(url) as response:
                page = self._page.decode(await response.read())
            for message in page.messages:
                tally.count += 1
                tally.total += message.index
                if pause and not tally.count % page_size:
                    await asyncio.sleep(pause)
            url = page.meta.next_page_url
        return tally

    async def fetch(self, sid: str) -> int:
        async with self._session.get(f"{self._messages}/{sid}") as response:
            return self._one.decode(await response.read()).index

    async def create(self) -> int:
        async with self._session.post(self._messages, data=self.form()) as response:
            return self._one.decode(await response.read()).index


class Ours(Implementation):
    """The client of this library; pages are read ahead, unless it is told otherwise."""

    name = "ours"

    def __init__(self, origin: str, read_ahead: int | None = None) -> None:
        super().__init__(origin)
        #: None is what the library does by itself.
        self._options: dict[str, Any] = {} if read_ahead is None else {"read_ahead": read_ahead}

    async def open(self) -> None:
        self.client = ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=self._origin)
        await self._stack.enter_async_context(self.client)
        self._messages = self.client.messages(pages.conversation())

    async def stream(self, conversation: str, page_size: int, *, pause: float = 0.0) -> Tally:
        tally = Tally()
        messages = self.client.messages(conversation)
        async for message in messages.stream(page_size=page_size, **self._options):
            tally.count += 1
            tally.total += message.index or 0
            if pause and not tally.count % page_size:
                await asyncio.sleep(pause)
        return tally

    async def fetch(self, sid: str) -> int:
        return (await self._messages.fetch(sid)).index or 0

    async def create(self) -> int:
        created = await self._messages.create(author=AUTHOR, body=BODY, attributes=ATTRIBUTES)
        return created.index or 0


#: Those that can do everything; the last one is this library.
KINDS: Final = (Official, Dicts, Structs, Ours)
NAMES: Final = tuple(kind.name for kind in KINDS)

"""Page and Stream: what is read, when, how far, and what is left behind."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from conversations_async import (
    ConversationsClient,
    DecodeError,
    Message,
    NotFoundError,
    Order,
    PaginationError,
    RetryPolicy,
)

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION
from .servers import DROP, HANG, Scripted, answer, page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from conversations_async import Stream
    from conversations_async.resources.messages import MessageRepository

PATH = f"/v1/Conversations/{CONVERSATION}/Messages"


def numbered(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Render messages with ascending indexes."""
    return [{"sid": f"IM{index:032x}", "index": index} for index in range(start, start + count)]


class Server(Scripted):
    """A scripted server whose script is made of pages that link to each other."""

    def link(self, token: str) -> str:
        """Give the absolute address of a page."""
        return f"{self.url}{PATH}?{token}"

    def tokens(self) -> list[str]:
        """Give the queries that were asked for."""
        return [urlsplit(request.target).query for request in self.requests]

    def messages(self, **options: Any) -> MessageRepository:
        """Give the repository of a client of this server."""
        options = {"retry": RetryPolicy(max_attempts=1), **options}
        client = ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=self.url, **options)
        self.clients.append(client)
        return client.messages(CONVERSATION)

    clients: list[ConversationsClient]

    def say(self, *pages: tuple[list[dict[str, Any]], str | None]) -> None:
        """Make the script: items and the link to the next page, or None."""
        self.script.clear()
        self.script.extend(
            answer(200, page("messages", items, link, index=index))
            for index, (items, link) in enumerate(pages)
        )


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Run a server with three pages of two messages and one page of one, the second of them empty."""
    async with Server.of([DROP]) as running:
        running.clients = []
        running.say(
            (numbered(2), running.link("PageToken=a")),
            ([], running.link("PageToken=b")),
            (numbered(2, 2), running.link("PageToken=c")),
            (numbered(1, 4), None),
        )
        yield running
        for client in running.clients:
            await client.close()


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(50):
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)


async def test_a_stream_yields_everything_in_order(server: Server) -> None:
    """All pages are read to the end; an empty one in the middle is no end."""
    messages = [message async for message in server.messages().stream()]
    assert [message.index for message in messages] == [0, 1, 2, 3, 4]
    assert all(type(message) is Message for message in messages)
    assert server.tokens() == ["PageSize=50", "PageToken=a", "PageToken=b", "PageToken=c"]


async def test_list_reads_everything(server: Server) -> None:
    """``list`` gives what the stream would."""
    assert [message.index for message in await server.messages().stream().list()] == [0, 1, 2, 3, 4]


async def test_pages_tell_where_they_are(server: Server) -> None:
    """A page has its items, its place, the page size of the API and the cursor of the next one."""
    pages = [page async for page in server.messages().stream().pages()]
    assert [[message.index for message in page.items] for page in pages] == [[0, 1], [], [2, 3], [4]]
    assert [page.index for page in pages] == [0, 1, 2, 3]
    assert [page.page_size for page in pages] == [50] * 4
    assert [page.cursor for page in pages] == [f"{PATH}?PageToken={token}" for token in "abc"] + [None]


async def test_a_stream_can_be_read_again(server: Server) -> None:
    """Each iteration of a stream begins at the first page."""
    stream = server.messages().stream(limit=1)
    assert [message.index async for message in stream] == [0]
    server.say((numbered(1, 7), None))
    assert [message.index async for message in stream] == [7]


async def test_a_stream_says_what_it_is_of(server: Server) -> None:
    """Who is told of a stream that failed can see which one it was."""
    assert repr(server.messages().stream(page_size=7)) == f"<Stream of {PATH}>"


async def test_nothing_is_requested_before_it_is_asked_for(server: Server) -> None:
    """To make a stream, or its iterator, sends nothing."""
    stream = server.messages().stream()
    aiter(stream)
    stream.pages()
    await settle()
    assert server.requests == []


@pytest.mark.parametrize("read_ahead", [0, 1, 2, 3, 10])
async def test_read_ahead_is_the_number_of_pages_fetched_early(server: Server, read_ahead: int) -> None:
    """Beyond the page that was asked for, so many are requested, and never more."""
    pages = server.messages().stream(read_ahead=read_ahead).pages()
    for asked in range(1, 5):
        await anext(pages)
        await settle()
        assert len(server.requests) == min(4, asked + read_ahead)
    await pages.aclose()


@pytest.mark.parametrize("read_ahead", [0, 1, 3])
@pytest.mark.parametrize(("limit", "requests"), [(1, 1), (2, 1), (3, 3), (4, 3), (5, 4), (99, 4)])
async def test_no_page_beyond_the_limit_is_requested(
    server: Server, limit: int, requests: int, read_ahead: int
) -> None:
    """A limit bounds the items, and the requests with them, however far the stream reads ahead."""
    messages = await server.messages().stream(limit=limit, read_ahead=read_ahead).list()
    await settle()
    assert [message.index for message in messages] == list(range(min(limit, 5)))
    assert len(server.requests) == requests


async def test_links_are_followed_byte_for_byte(server: Server) -> None:
    """A token with colons, dots and escapes arrives as the API gave it."""
    token = "State=active&PageSize=2&Page=1&PageToken=PTclosed_2024-01-18T03:17:17.005Z_CH~%2b%7E'()*;,@!$"
    server.say((numbered(1), server.link(token)), (numbered(1, 1), None))
    await server.messages().stream().list()
    assert server.requests[1].target == f"{PATH}?{token}"


def another_origin(server: Server) -> list[str]:
    """Give links that lead, or seem to lead, away from the server."""
    port = server.url.rpartition(":")[2]
    return [
        f"http://localhost:{port}{PATH}?Page=1",
        f"https://127.0.0.1:{port}{PATH}?Page=1",
        f"http://127.0.0.1:1{PATH}?Page=1",
        f"http://127.0.0.1{PATH}?Page=1",
        f"http://user@127.0.0.1:{port}{PATH}?Page=1",
        f"http://127.0.0.1:{port}@evil.example{PATH}?Page=1",
        f"http://evil.example#@127.0.0.1:{port}{PATH}",
        f"http://127.0.0.1:{port}.evil.example{PATH}",
        f"http://127.0.0.1:{port}\\@evil.example{PATH}",
        f"//127.0.0.1:{port}{PATH}?Page=1",
        f"//evil.example{PATH}?Page=1",
        f"{PATH}?Page=1",
        "http://evil.example/",
        "HTTP://EVIL.EXAMPLE/",
        "javascript:alert(1)",
        f"http://127.0.0.1:{port}{PATH}?a b",
        f"http://127.0.0.1:{port}{PATH}?a\r\nX-Header: 1",
        f"http://\uff11\uff12\uff17.0.0.1:{port}{PATH}?Page=1",
        f"http://127.0.0.1:{port}0{PATH}?Page=1",
        "http://[::1",
        "not a link",
    ]


@pytest.mark.parametrize("number", range(21))
@pytest.mark.parametrize("read_ahead", [0, 1])
async def test_links_to_another_origin_are_not_followed(server: Server, number: int, read_ahead: int) -> None:
    """The items that were read come first, then a PaginationError; nothing is sent anywhere."""
    server.say((numbered(2), another_origin(server)[number]))
    seen = []
    with pytest.raises(PaginationError) as caught:
        async for message in server.messages().stream(read_ahead=read_ahead):
            seen.append(message.index)
    assert seen == [0, 1]
    assert len(server.requests) == 1
    assert (caught.value.method, caught.value.path) == ("GET", PATH)
    assert "evil" not in str(caught.value)


async def test_a_limit_that_is_reached_needs_no_link(server: Server) -> None:
    """Where the limit ends the stream, a link that would be refused does no harm."""
    server.say((numbered(2), "http://evil.example/"))
    assert len(await server.messages().stream(limit=2).list()) == 2


async def test_a_page_with_a_refused_link_has_no_cursor(server: Server) -> None:
    """What must not be followed cannot be taken for a cursor."""
    server.say((numbered(2), "http://evil.example/"))
    page = await anext(server.messages().stream(read_ahead=0).pages())
    assert (page.cursor, page.next_page_url) == (None, "http://evil.example/")


@pytest.mark.parametrize("upper", [False, True])
async def test_the_vendors_links_are_followed_through_the_base_url(server: Server, *, upper: bool) -> None:
    """Behind a proxy, links name the vendor's host; they are followed, to the proxy."""
    host = "HTTPS://CONVERSATIONS.TWILIO.COM:443" if upper else "https://conversations.twilio.com"
    server.say((numbered(2), f"{host}{PATH}?PageToken=x:y"), (numbered(1, 2), None))
    assert len(await server.messages().stream().list()) == 3
    assert server.requests[1].target == f"{PATH}?PageToken=x:y"


@pytest.mark.parametrize("read_ahead", [0, 1])
async def test_a_link_to_a_page_already_read_ends_the_stream(server: Server, read_ahead: int) -> None:
    """A list that goes in a circle raises, after each page was read once."""
    server.say(
        (numbered(1), server.link("PageToken=a")),
        (numbered(1, 1), server.link("PageToken=b")),
        (numbered(1, 2), server.link("PageToken=a")),
    )
    seen = []
    with pytest.raises(PaginationError, match="already"):
        async for message in server.messages().stream(read_ahead=read_ahead):
            seen.append(message.index)
    assert seen == [0, 1, 2]
    assert len(server.requests) == 3


async def test_a_link_to_the_first_page_ends_the_stream(server: Server) -> None:
    """The first page counts as read under the name that was asked for."""
    server.say((numbered(1), server.link("PageSize=50")))
    with pytest.raises(PaginationError):
        await server.messages().stream().list()
    assert len(server.requests) == 1


async def test_a_cursor_goes_on_after_its_page(server: Server) -> None:
    """A cursor resumes with the next page, in another client too."""
    pages = server.messages().stream().pages()
    await anext(pages)
    cursor = (await anext(pages)).cursor
    await pages.aclose()
    server.say((numbered(2, 2), None))
    resumed = await server.messages().stream(cursor=cursor).list()
    assert [message.index for message in resumed] == [2, 3]
    assert server.tokens()[-1] == "PageToken=b"


async def test_the_cursor_of_a_cut_page_loses_nothing(server: Server) -> None:
    """Where the limit cuts a page, its cursor resumes within it, as often as one likes."""
    server.say((numbered(5), None))
    seen, cursor = [], None
    for _ in range(5):
        (page,) = [page async for page in server.messages().stream(limit=1, cursor=cursor).pages()]
        seen += [message.index for message in page.items]
        cursor = page.cursor
    assert (seen, cursor) == ([0, 1, 2, 3, 4], None)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "http://evil.example/v1/x/Messages?Page=1",
        f"//evil.example{PATH}?Page=1",
        f"@evil.example{PATH}?Page=1",
        f"{PATH}?a b",
        f"{PATH}?a\n",
        f"{PATH}?a#x",
        f"{PATH}?a#\u0663",
        f"/v2{PATH[3:]}?Page=1",
        f"/v1/Conversations/{CONVERSATION}/Participants?Page=1",
        f"/v1/Conversations/{'CH' + 'f' * 32}/Messages?Page=1",
        f"/v1/Services/{'IS' + 'f' * 32}/Conversations/{CONVERSATION}/Messages?Page=1",
    ],
)
async def test_a_cursor_of_something_else_is_refused(server: Server, cursor: str) -> None:
    """What is no cursor of such a list is a ValueError before anything is sent."""
    with pytest.raises(ValueError, match=r"^cursor must"):
        server.messages().stream(cursor=cursor)


@pytest.mark.parametrize("place", [CONVERSATION, "my%20parrots", "m%79%20parrots"])
async def test_a_cursor_of_a_list_with_a_unique_name(server: Server, place: str) -> None:
    """The API may write the SID, or the name, of a conversation that the client knows by its name."""
    server.say((numbered(1), None))
    cursor = f"/v1/Conversations/{place}/Messages?PageToken=x"
    server.messages()
    messages = server.clients[0].messages("my parrots")
    assert len(await messages.stream(cursor=cursor).list()) == 1
    assert server.requests[0].target == cursor


async def test_a_cursor_with_a_unique_name_of_a_list_with_a_sid(server: Server) -> None:
    """What was begun by name can be gone on with by SID."""
    server.say((numbered(1), None))
    cursor = "/v1/Conversations/my%20parrots/Messages?PageToken=x"
    assert len(await server.messages().stream(cursor=cursor).list()) == 1


async def test_a_cut_page_whose_last_item_is_gone(server: Server) -> None:
    """Where the item that the cursor names is no longer on its page, the count of items must do."""
    server.say((numbered(5), None))
    (page,) = [page async for page in server.messages().stream(limit=2).pages()]
    server.say((numbered(1) + numbered(3, 2), None))
    resumed = await server.messages().stream(cursor=page.cursor).list()
    assert [message.index for message in resumed] == [3, 4]


async def test_stopping_early_leaves_nothing(server: Server) -> None:
    """After ``break``, neither a task nor a warning is left, and the connection is free or closed."""
    server.script[1] = HANG
    before = asyncio.all_tasks()
    async for _ in server.messages().stream():
        await server.arrived.wait()
        await settle()
        assert len(server.requests) == 2  # the page ahead is on its way
        break
    gc.collect()
    await settle()
    assert asyncio.all_tasks() <= before
    assert server.connections == 0


async def test_aclose_ends_every_iteration(server: Server) -> None:
    """``aclose`` closes what is still open; an iterator that was closed yields no more."""
    server.script[1] = HANG
    before = asyncio.all_tasks()
    stream = server.messages().stream()
    items, pages = aiter(stream), stream.pages()
    await anext(items)
    await stream.aclose()
    await settle()
    assert asyncio.all_tasks() <= before
    assert server.connections == 0
    with pytest.raises(StopAsyncIteration):
        await anext(items)
    with pytest.raises(StopAsyncIteration):
        await anext(pages)


async def test_aclose_cannot_close_what_another_task_waits_for(server: Server) -> None:
    """It says so, and closes what it can."""
    server.script[1] = HANG
    stream = server.messages().stream(read_ahead=0)
    idle = stream.pages()
    await anext(idle)
    waiting = asyncio.create_task(stream.list())
    await settle()
    with pytest.raises(RuntimeError, match="already running"):
        await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(idle)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_an_empty_link_is_the_end(server: Server) -> None:
    """A next page without an address is none."""
    server.say((numbered(2), ""))
    assert len(await server.messages().stream().list()) == 2


@pytest.mark.parametrize("read_ahead", [0, 1, 2])
@pytest.mark.parametrize("hanging", [0, 1])
async def test_cancelling_the_consumer_leaves_nothing(server: Server, hanging: int, read_ahead: int) -> None:
    """A consumer that is cancelled while it waits for a page takes everything with it."""
    server.script[hanging] = HANG
    before = asyncio.all_tasks()
    consumer = asyncio.create_task(server.messages().stream(read_ahead=read_ahead).list())
    while len(server.requests) <= hanging:
        await settle()
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer
    await settle()
    assert asyncio.all_tasks() <= before
    assert server.connections == 0


async def test_a_time_limit_around_a_stream(server: Server) -> None:
    """``asyncio.timeout`` around a loop works, and leaves nothing behind."""
    server.script[1] = HANG
    before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await server.messages().stream().list()
    await settle()
    assert asyncio.all_tasks() <= before


@pytest.mark.parametrize("read_ahead", [0, 1, 2])
@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (answer(404, {"code": 20404}), NotFoundError),
        (answer(200, b"{"), DecodeError),
        (answer(200, {"messages": []}), DecodeError),
        (answer(200, {"meta": {"key": "messages"}}), DecodeError),
        (answer(200, {"meta": {"key": "messages"}, "messages": {}}), DecodeError),
        (answer(200, {"meta": {}, "messages": [], "others": []}), DecodeError),
        (answer(200, {"meta": {"key": "messages", "next_page_url": 1}, "messages": []}), DecodeError),
        (answer(200, {"meta": {"key": "messages"}, "messages": [{"sid": 1}]}), DecodeError),
    ],
)
async def test_a_bad_page_comes_after_the_good_ones(
    server: Server, bad: bytes, error: type[Exception], read_ahead: int
) -> None:
    """What went before is not lost: the error comes when its page is asked for."""
    server.script[2] = bad
    seen = []
    with pytest.raises(error):
        async for message in server.messages().stream(read_ahead=read_ahead):
            await settle()
            seen.append(message.index)
    assert seen == [0, 1]


async def test_an_error_that_nobody_comes_to_see_is_not_reported(server: Server) -> None:
    """A page ahead that fails is no matter for whoever stopped before it."""
    server.script[1] = answer(404, {})
    pages = server.messages().stream(read_ahead=1).pages()
    await anext(pages)
    await settle()
    await pages.aclose()
    gc.collect()


@pytest.mark.parametrize("size", [1, 1000])
async def test_order_and_page_size_are_sent(server: Server, size: int) -> None:
    """Filters come first, then the page size, as in the API's own links."""
    await anext(server.messages().stream(order=Order.DESC, page_size=size, read_ahead=0).pages())
    assert parse_qsl(server.tokens()[0]) == [("Order", "desc"), ("PageSize", str(size))]


@pytest.mark.parametrize(
    ("key", "stream"),
    [
        ("sid", lambda client, **options: client.conversations.stream(**options)),
        ("conversation_sid", lambda client, **options: client.user_conversations("x").stream(**options)),
        ("participant_sid", lambda client, **options: client.participant_conversations.stream(**options)),
        (
            "channel_sid",
            lambda client, **options: client.chat.service("x").user_channels("y").stream(**options),
        ),
    ],
)
async def test_a_cut_cursor_knows_the_last_item(key: str, stream: Callable[..., Stream[Any]]) -> None:
    """Where `limit` cut a page, its cursor goes on after the last item, though others have left since."""
    items = [{"conversation_sid": "CH1", key: f"CH{number}"} for number in range(5)]
    script = [answer(200, page("x", items)), answer(200, page("x", items[1:]))]
    async with (
        Scripted.of(script) as server,
        ConversationsClient(ACCOUNT_SID, AUTH_TOKEN, base_url=server.url) as client,
    ):
        (first,) = [one async for one in stream(client, limit=3).pages()]
        rest = await stream(client, cursor=first.cursor).list()
    assert [getattr(item, key) for item in rest] == ["CH3", "CH4"]

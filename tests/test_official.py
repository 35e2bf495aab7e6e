"""The official client as the reference: it sends the same, and where it does not, a test says how.

Both clients speak to one server of this machine; no request goes anywhere else.
"""

from __future__ import annotations

import inspect
import json
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from attrs import frozen
from twilio.http.async_http_client import AsyncTwilioHttpClient  # type: ignore[import-untyped]  # it has no types
from twilio.rest import Client  # type: ignore[import-untyped]  # it has no types

from conversations_async import ConversationsClient, PaginationError, RetryPolicy, Stream
from conversations_async.converter import encode_model

from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .operations import MOMENT, OPERATIONS, STREAMED, Keyword, Operation, given, python_name, sent
from .servers import Request, Scripted, answer, page
from .test_converter import sample

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

#: The official client still uses what aiohttp 3.14 deprecates; that is no concern of this project.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{beginning}:DeprecationWarning")
    for beginning in ("BasicAuth is deprecated", "The 'auth' parameter is deprecated")
]

every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=str)

HOSTS = {"conversations.twilio.com", "chat.twilio.com"}

#: Where the official client's names are not those of the path.
RENAMED = {
    "/Configuration/Addresses": "/AddressConfigurations",
    "/Receipts": "/DeliveryReceipts",
    "/{UserSid}/Conversations": "/{UserSid}/UserConversations",
    "/{UserSid}/Channels": "/{UserSid}/UserChannels",
    "/{UserSid}/Bindings": "/{UserSid}/UserBindings",
}

#: What the official client does not send although it is given it, by verb; a test below shows it.
LOST = {"delete": {"X-Twilio-Webhook-Enabled"}}

#: What must be in an item, whatever it is, and an answer that every method of both clients can read.
ITEM = {"sid": "XX1", "conversation_sid": "CH1", "channel_sid": "CH1"}
ANYTHING = page("items", [ITEM]) | ITEM
STATUSES = {"GET": 200, "POST": 201, "DELETE": 204}

PLUS_FIVE = datetime(2015, 12, 16, 22, 18, 37, tzinfo=timezone(timedelta(hours=5)))
NAIVE = datetime(2015, 12, 16, 22, 18, 37)  # noqa: DTZ001  # naive is the point


@frozen
class Rerouted:
    """The official transport, with the vendor's hosts led to a server of this machine."""

    transport: Any
    origin: str
    is_async: bool = True

    async def request(self, method: str, url: str, **options: Any) -> Any:
        """Send a request, and change nothing but its scheme and host."""
        vendor, _, place = url.removeprefix("https://").partition("/")
        if url.startswith("https://") and vendor in HOSTS:
            url = f"{self.origin}/{place}"
        assert urlsplit(url).hostname == "127.0.0.1"
        return await self.transport.request(method, url, **options)


@frozen
class Pair:
    """Both clients, and the server that both speak to."""

    ours: ConversationsClient
    official: Any
    server: Scripted

    def arrived(self) -> Request:
        """Give the one request that arrived, and forget it."""
        (request,) = self.server.requests
        self.server.requests.clear()
        return request

    async def asked(self, call: Any) -> str:
        """Make a call; give the method and the target of its request, and the form, if there is one."""
        await (call.list() if isinstance(call, Stream) else call)
        request = self.arrived()
        return f"{request.method} {request.target} {request.body.decode()}".strip()

    @property
    def theirs(self) -> Any:
        """The official client's Conversations API."""
        return self.official.conversations.v1


def official_client(transport: Any, origin: str) -> Any:
    """Make an official client whose requests go to a server of this machine."""
    rerouted: Any = Rerouted(transport, origin)
    return Client(ACCOUNT_SID, AUTH_TOKEN, http_client=rerouted)


@asynccontextmanager
async def both(*script: bytes) -> AsyncIterator[Pair]:
    """Run both clients against a server that follows a script."""
    async with (
        Scripted.of(script) as server,
        AsyncTwilioHttpClient() as transport,
        ConversationsClient(
            ACCOUNT_SID, AUTH_TOKEN, base_url=server.url, retry=RetryPolicy(max_attempts=1)
        ) as ours,
    ):
        yield Pair(ours, official_client(transport, server.url), server)


# ------------------------------------------------------------------------------------------- what is the same


def official_method(client: Any, operation: Operation, identifiers: Sequence[str]) -> Any:
    """Find the method of the official client for an operation, by the operation's path."""
    path = operation.path
    for name, theirs in RENAMED.items():
        path = path.replace(name, theirs)
    found = client.chat.v2 if operation.api == "chat-v2" else client.conversations.v1
    left = iter(identifiers)
    for name in path.split("/")[2:]:
        found = found(next(left)) if name.startswith("{") else getattr(found, python_name(name))
    verb = operation.verb.partition("_")[0]
    if verb in ("fetch", "update") and not operation.takes_sid:
        found = found()
    return getattr(found, f"{'list' if verb == 'stream' else verb}_async")


def official_name(keyword: Keyword) -> str:
    """Give the official client's name of a keyword."""
    return f"x_twilio_{keyword.name}" if keyword.where == "header" else keyword.name


def official_value(keyword: Keyword, turn: int) -> Any:
    """Give the value that makes the official client send what ours does: it takes no flags, JSON or zones."""
    value, texts = keyword.value(turn)
    if keyword.kind == "string:date-time":
        return MOMENT
    if keyword.where != "header" and isinstance(value, bool | int):
        return value
    return texts if isinstance(value, list) else texts[0]


def plain_identifiers(operation: Operation) -> list[str]:
    """Give an identifier for each place of a path, which needs no encoding."""
    return [f"{'IS' if 'Service' in place else 'XX'}{place}~1" for place in operation.places]


@every_operation
async def test_both_clients_send_the_same(operation: Operation) -> None:
    """Both send the same method, path, query, form and headers for the same arguments."""
    sids = plain_identifiers(operation)
    names = {"Authorization", "X-Twilio-Webhook-Enabled"} - LOST.get(operation.verb, set())
    if operation.method == "POST":
        names.add("Content-Type")
    async with both(answer(STATUSES[operation.method], ANYTHING)) as pair:
        method = official_method(pair.official, operation, sids)
        for turn, keywords in [*operation.turns(), (0, operation.required())]:
            size = {"page_size": 50 - turn} if operation.verb == "stream" else {}
            await operation.call(pair.ours, sids, given(keywords, turn) | size)
            ours = sent(pair.arrived(), *names)
            theirs = {official_name(keyword): official_value(keyword, turn) for keyword in keywords}
            await method(**theirs, **size)
            assert ours == sent(pair.arrived(), *names)


@every_operation
def test_both_clients_take_the_same_keywords(operation: Operation) -> None:
    """The official method has the same keywords, apart from those of streams, and requires the same ones."""
    method = official_method(official_client(None, ""), operation, plain_identifiers(operation))
    parameters = inspect.signature(method).parameters.values()
    assert {one.name: one.default is one.empty for one in parameters if one.name not in STREAMED} == {
        official_name(keyword): keyword.required for keyword in operation.keywords
    }


#: What the official client leaves as the API's text, and is a boolean here.
AS_TEXT = {"sandbox"}


def read_by_both(theirs: Any, ours: Any) -> Iterator[str]:
    """Compare what both made of one answer, by the names of the official client; say what is not the same."""
    written = json.loads(encode_model(ours))
    for name, value in vars(theirs).items():
        if name.startswith("_"):
            continue
        if not hasattr(ours, name):
            yield f"{name} is not read"
        elif isinstance(value, datetime):
            if getattr(ours, name) != value:
                yield f"{name} is {getattr(ours, name)} instead of {value}"
        elif name in AS_TEXT:
            if str(getattr(ours, name)) != value:
                yield f"{name} is {getattr(ours, name)} instead of {value}"
        elif written[name.rstrip("_")] != value:
            yield f"{name} is {written[name.rstrip('_')]} instead of {value}"


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.verb != "delete"], ids=str)
async def test_both_clients_read_the_same(operation: Operation) -> None:
    """Of an answer with every field, both read the same names and values."""
    sids = plain_identifiers(operation)
    nowhere = ConversationsClient(ACCOUNT_SID, AUTH_TOKEN)
    body = sample(operation.repository(nowhere, sids).model)
    listed = operation.verb == "stream"
    script = answer(STATUSES[operation.method], page("items", [body]) if listed else body)
    async with both(script) as pair:
        keywords = operation.required()
        ours = await operation.call(pair.ours, sids, given(keywords, 1))
        theirs = await official_method(pair.official, operation, sids)(
            **{official_name(keyword): official_value(keyword, 1) for keyword in keywords}
        )
    assert list(read_by_both(theirs[0] if listed else theirs, ours[0] if listed else ours)) == []


# -------------------------------------------------------------------------------------- what is not the same


@pytest.mark.parametrize(
    ("identifier", "theirs", "ours"),
    [
        ("../Conversations/CH1", "/v1/Services/IS1/Conversations/CH1", "..%2FConversations%2FCH1"),
        ("../../IS2", "/v1/Services/IS2", "..%2F..%2FIS2"),
        ("a/b", "/v1/Services/IS1/Users/a/b", "a%2Fb"),
        ("a?b=c", "/v1/Services/IS1/Users/a?b=c", "a%3Fb%3Dc"),
        ("a#b", "/v1/Services/IS1/Users/a", "a%23b"),
        ("a%2fb", "/v1/Services/IS1/Users/a%2Fb", "a%252fb"),
    ],
)
async def test_the_official_client_does_not_escape_path_values(
    identifier: str, theirs: str, ours: str
) -> None:
    """An identity such as ``../Conversations/CH1`` makes the official client delete something else."""
    async with both(answer(204)) as pair:
        assert (
            await pair.asked(pair.theirs.services("IS1").users(identifier).delete_async())
            == f"DELETE {theirs}"
        )
        asked = await pair.asked(pair.ours.service("IS1").users.delete(identifier))
        assert asked == f"DELETE /v1/Services/IS1/Users/{ours}"


@pytest.mark.parametrize(
    ("identifier", "theirs"), [("", "/v1/Conversations"), ("..", "/v1/"), (".", "/v1/Conversations/")]
)
async def test_the_official_client_takes_identifiers_that_are_none(identifier: str, theirs: str) -> None:
    """The official client sends a deletion to the collection or above; here such an identifier is refused."""
    async with both(answer(204)) as pair:
        assert await pair.asked(pair.theirs.conversations(identifier).delete_async()) == f"DELETE {theirs}"
        with pytest.raises(ValueError, match="sid must not be empty"):
            await pair.ours.conversations.delete(identifier)
        assert not pair.server.requests


async def test_the_official_client_loses_the_webhook_flag_of_a_deletion() -> None:
    """The official client takes the flag with a deletion, and does not send it; here it is a header."""
    async with both(answer(204)) as pair:
        await pair.theirs.conversations("CH1").delete_async(x_twilio_webhook_enabled="true")
        assert "X-Twilio-Webhook-Enabled" not in pair.arrived().headers
        await pair.ours.conversations.delete("CH1", webhook_enabled=True)
        assert pair.arrived().headers["X-Twilio-Webhook-Enabled"] == "true"


async def test_the_official_client_sends_aware_datetimes_as_if_they_were_utc() -> None:
    """22:18 at +05:00 leaves the official client as 22:18 UTC; here it is 17:18 UTC."""
    async with both(answer(201, ANYTHING)) as pair:
        theirs = await pair.asked(pair.theirs.conversations.create_async(date_created=PLUS_FIVE))
        assert theirs == "POST /v1/Conversations DateCreated=2015-12-16T22%3A18%3A37Z"
        ours = await pair.asked(pair.ours.conversations.create(date_created=PLUS_FIVE))
        assert ours == "POST /v1/Conversations DateCreated=2015-12-16T17%3A18%3A37Z"


async def test_the_official_client_takes_naive_datetimes_for_utc() -> None:
    """A datetime without a zone leaves the official client as UTC, whatever was meant; here it is refused."""
    async with both(answer(201, ANYTHING)) as pair:
        theirs = await pair.asked(pair.theirs.conversations.create_async(date_created=NAIVE))
        assert theirs == "POST /v1/Conversations DateCreated=2015-12-16T22%3A18%3A37Z"
        with pytest.raises(ValueError, match="date_created must be an aware datetime"):
            await pair.ours.conversations.create(date_created=NAIVE)


async def test_the_official_client_drops_a_date_that_is_none() -> None:
    """A number in place of a date is left out by the official client without a word; here it is refused."""
    async with both(answer(201, ANYTHING)) as pair:
        anything: Any = 1450304317.5
        theirs = await pair.asked(pair.theirs.conversations.create_async(date_created=anything))
        assert theirs == "POST /v1/Conversations"
        with pytest.raises(ValueError, match="date_created cannot be a float"):
            await pair.ours.conversations.create(date_created=anything)


async def test_the_official_client_sends_the_keys_of_a_mapping() -> None:
    """Of a mapping as attributes, the official client sends the keys; here it is sent as JSON."""
    attributes = {"importance": "high", "topic": "birds"}
    async with both(answer(201, ANYTHING)) as pair:
        await pair.theirs.conversations.create_async(attributes=attributes)
        assert sent(pair.arrived()).form == [("Attributes", "importance"), ("Attributes", "topic")]
        await pair.ours.conversations.create(attributes=attributes)
        assert sent(pair.arrived()).form == [("Attributes", json.dumps(attributes))]


async def test_the_official_client_sends_nothing_for_an_empty_list() -> None:
    """An empty list of permissions is no parameter for the official client; here it is refused by name."""
    async with both(answer(200, ANYTHING)) as pair:
        assert await pair.asked(pair.theirs.roles("RL1").update_async(permission=[])) == "POST /v1/Roles/RL1"
        with pytest.raises(ValueError, match="permission must not be an empty list"):
            await pair.ours.roles.update("RL1", permission=[])
        assert not pair.server.requests


async def test_the_official_client_refuses_none_in_places() -> None:
    """None is a TypeError for the official client in a header or a query; here it is never sent."""
    async with both(answer(200, ANYTHING)) as pair:
        assert (
            await pair.asked(pair.theirs.conversations.create_async(state=None)) == "POST /v1/Conversations"
        )
        with pytest.raises(TypeError):
            await pair.theirs.conversations.create_async(x_twilio_webhook_enabled=None)
        with pytest.raises(TypeError):
            await pair.theirs.conversations.list_async(state=None)
        assert not pair.server.requests
        ours = await pair.asked(pair.ours.conversations.create(state=None, webhook_enabled=None))
        assert ours == "POST /v1/Conversations"
        assert (
            await pair.asked(pair.ours.conversations.stream(state=None))
            == "GET /v1/Conversations?PageSize=50"
        )


async def test_the_official_client_takes_no_boolean_as_the_webhook_flag() -> None:
    """The official client takes the webhook flag as any string; here it is a boolean, or one of two."""
    async with both(answer(201, ANYTHING)) as pair:
        with pytest.raises(TypeError):
            await pair.theirs.conversations.create_async(x_twilio_webhook_enabled=True)
        await pair.theirs.conversations.create_async(x_twilio_webhook_enabled="maybe")
        assert pair.arrived().headers["X-Twilio-Webhook-Enabled"] == "maybe"
        await pair.ours.conversations.create(webhook_enabled=True)
        assert pair.arrived().headers["X-Twilio-Webhook-Enabled"] == "true"


async def test_the_official_client_makes_the_limit_the_page_size() -> None:
    """A limit of 2,000 makes the official client ask for pages of 2,000, which no list has."""
    async with both(answer(200, ANYTHING)) as pair:
        theirs = await pair.asked(pair.theirs.conversations.list_async(limit=2000))
        assert theirs == "GET /v1/Conversations?PageSize=2000"
        assert (
            await pair.asked(pair.ours.conversations.stream(limit=2000))
            == "GET /v1/Conversations?PageSize=50"
        )


async def test_the_official_client_says_that_a_list_is_asked_for_with_a_form() -> None:
    """The official client gives a list's GET, which has no body, the content type of a form."""
    async with both(answer(200, ANYTHING)) as pair:
        await pair.theirs.conversations.list_async()
        assert pair.arrived().headers["Content-Type"] == "application/x-www-form-urlencoded"
        await pair.ours.conversations.stream().list()
        assert "Content-Type" not in pair.arrived().headers


async def test_the_official_client_sends_its_credentials_to_any_origin() -> None:
    """A page that links elsewhere makes the official client send the credentials there."""
    async with Scripted.of([answer(200, page("items", []))]) as elsewhere:
        linked = page("items", [{"sid": "CH1"}], f"{elsewhere.url}/v1/Conversations?PageToken=PT1")
        async with both(answer(200, linked)) as pair:
            await pair.theirs.conversations.list_async()
            (request,) = elsewhere.requests
            assert request.headers["Authorization"] == pair.arrived().headers["Authorization"]
            with pytest.raises(PaginationError, match="another origin"):
                await pair.ours.conversations.stream().list()
            assert elsewhere.requests == [request]


@pytest.mark.parametrize("text", ["2021-08-10T18:00:58.111Z", "2021-08-10T18:00:58+00:00"])
async def test_the_official_client_leaves_some_dates_as_text(text: str) -> None:
    """Dates with a fraction or an offset stay strings in the official client; here they are datetimes."""
    async with both(answer(200, {"sid": "CH1", "date_created": text})) as pair:
        theirs = await pair.theirs.conversations("CH1").fetch_async()
        assert theirs.date_created == text
        ours = await pair.ours.conversations.fetch("CH1")
        assert ours.date_created == datetime.fromisoformat(text)

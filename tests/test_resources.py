"""What every operation sends to the vendor's hosts, gives back and refuses.

That it sends what the official client sends, and reads the same, is for `test_official` to show.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from conversations_async import ConversationsClient, ConversationState, Order, __version__
from conversations_async.repository import segment

from .operations import OPERATIONS, STREAMED, Keyword, Operation, sent
from .operations import given as values
from .servers import Request, page
from .support import deterministic
from .test_specification import HEADERS, expected

if TYPE_CHECKING:
    from .conftest import Mocked

ANYWHERE = re.compile("")
ORIGINS = {"conversations-v1": "https://conversations.twilio.com", "chat-v2": "https://chat.twilio.com"}
STATUSES = {"GET": 200, "POST": 201, "DELETE": 204}

NAIVE = datetime(2015, 12, 16, 22, 18, 37)  # noqa: DTZ001  # naive is the point
AWARE = datetime(2015, 12, 16, 23, 18, 37, 999999, tzinfo=timezone(timedelta(hours=1)))

#: Identifiers that mean something else in a path unless they are encoded, and how they are.
AWKWARD = {
    "a b": "a%20b",
    "a/b": "a%2Fb",
    "../../v1/Services": "..%2F..%2Fv1%2FServices",
    "100%": "100%25",
    "%2e%2E": "%252e%252E",
    "a?b=c&d": "a%3Fb%3Dc%26d",
    "a#b": "a%23b",
    "a+b": "a%2Bb",
    "whatsapp:+1": "whatsapp%3A%2B1",
    "größe": "gr%C3%B6%C3%9Fe",
    "\U0001f600": "%F0%9F%98%80",
    "...": "...",
    "\n": "%0A",
    "\x00": "%00",
    "a\\b": "a%5Cb",
    "https://elsewhere.test": "https%3A%2F%2Felsewhere.test",
    "me@elsewhere.test": "me%40elsewhere.test",
    "a;b": "a%3Bb",
    "~-_.": "~-_.",
}

BAD_IDENTIFIERS: list[Any] = ["", ".", "..", None, 5, b"CH1", "\ud800", "a\udfffb"]

#: What no keyword takes …
BAD_ANYWHERE: list[object] = [object(), b"bytes", 1.5, {"a"}, "\ud800", "a\udfffb"]
_NOT_JSON = ["{", "text", "{'a': 1}", {"a": object()}, {"a": float("nan")}, {"a": "\ud800"}, [1], 5]
_NO_DURATION = [timedelta(seconds=-1), timedelta(seconds=0.5), 60.0]
#: … and what those of a name or a type do not take either.
BAD_VALUES: dict[str, list[object]] = {
    "attributes": _NOT_JSON,
    "content_variables": _NOT_JSON,
    "timers_inactive": _NO_DURATION,
    "timers_closed": _NO_DURATION,
    "start_date": [NAIVE],
    "end_date": [NAIVE],
    "last_read_timestamp": [NAIVE, date(2015, 12, 16)],
    "string:date-time": [NAIVE, date(2015, 12, 16), AWARE.replace(year=1, month=1, day=1, hour=0)],
    "body": [{"a": 1}],
    "participant": ["alice", [{"identity": "alice"}] * 11, ["not JSON"], [{"a": object()}], [5]],
    "list": [[], (), [None], [object()], ["a", "\ud800"]],
    "webhook_enabled": ["maybe", "", 1, "1", 5],
}

WITH_IDENTIFIERS = [operation for operation in OPERATIONS if operation.places]

every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=str)
every_stream = pytest.mark.parametrize(
    "operation", [operation for operation in OPERATIONS if operation.verb == "stream"], ids=str
)


def every_one_with(*names: str) -> pytest.MarkDecorator:
    """Parametrize a test over the operations with one of these keywords, or with any."""
    found = [one for one in OPERATIONS if any(not names or each.name in names for each in one.keywords)]
    return pytest.mark.parametrize("operation", found, ids=str)


def item(model: type[Any], text: str) -> dict[str, str]:
    """Give the JSON of an item that has no more than it must have."""
    return {one.name: text for one in attrs.fields(model) if one.default is attrs.NOTHING}


Ask = Callable[..., Awaitable[tuple[Any, Request]]]


@pytest.fixture
def ask(vendor: ConversationsClient, mocked: Mocked) -> Ask:
    """Make calls that are answered wherever they go; give the result of each, and its one request."""

    async def ask(operation: Operation, keywords: Any, identifiers: Any = None) -> tuple[Any, Request]:
        identifiers = identifiers or operation.places
        model = operation.repository(vendor, identifiers).model
        first, second = item(model, "1"), item(model, "2")
        answer = page("items", [first, second]) | first
        mocked.add(ANYWHERE, method=operation.method, status=STATUSES[operation.method], payload=answer)
        result = await operation.call(vendor, identifiers, keywords)
        (((method, url), (call,)),) = mocked.requests.items()
        mocked.requests.clear()
        return result, Request(method, str(url), dict(call.kwargs["headers"]), call.kwargs["data"] or b"")

    return ask


async def refusal(
    client: ConversationsClient, operation: Operation, keywords: Any, identifiers: Any = None
) -> str:
    """Give what a call is refused with: a stream where it is made, anything else when it is awaited."""
    try:
        called = operation.called(client, identifiers or operation.places, keywords)
        if operation.verb != "stream":
            await called
    except ValueError as error:
        return str(error) if type(error) is ValueError else repr(error)
    return f"nothing: {identifiers} and {keywords} are taken"


# ----------------------------------------------------------------------------------------------- what is sent


@every_operation
def test_a_call_takes_the_keywords_of_the_table(vendor: ConversationsClient, operation: Operation) -> None:
    """A method takes the API's parameters as keywords and nothing else; what is required has no default."""
    method = getattr(operation.repository(vendor, operation.places), operation.verb)
    parameters = inspect.signature(method).parameters.values()
    streamed = dict.fromkeys(STREAMED) | {"page_size": 50, "read_ahead": 1}
    assert {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY} == {
        one.name: inspect.Parameter.empty if one.required else None for one in operation.keywords
    } | (streamed if operation.verb == "stream" else {})
    positional = [(one.name, one.kind) for one in parameters if one.kind is not one.KEYWORD_ONLY]
    assert positional == [("sid", inspect.Parameter.POSITIONAL_OR_KEYWORD)] * operation.takes_sid


@every_operation
async def test_a_call_is_one_request(vendor: ConversationsClient, operation: Operation, ask: Ask) -> None:
    """A call is one request to its API's host, with its headers and nothing that is None; it gives models."""
    model = operation.repository(vendor, operation.places).model
    first, second = model(**item(model, "1")), model(**item(model, "2"))
    results = {"stream": [first, second], "delete": None}
    required = operation.required()
    for optional in {}, {one.name: None for one in operation.keywords if not one.required}:
        result, request = await ask(operation, values(required, 1) | optional)
        place = urlsplit(request.target)
        wanted = expected(operation, operation.places, required, 1)
        assert sent(request, *HEADERS) == wanted
        assert (f"{place.scheme}://{place.netloc}", place.fragment) == (ORIGINS[operation.api], "")
        assert request.headers.keys() == wanted.headers.keys() | {"User-Agent"}
        assert request.headers["User-Agent"].startswith(f"conversations-async/{__version__} ")
        assert result == results.get(operation.verb, first)


@every_one_with()
async def test_a_keyword_is_sent_alone(operation: Operation, ask: Ask) -> None:
    """Each keyword is sent under the API's own name, in the API's form, and without the others."""
    for keyword in operation.keywords:
        keywords = {*operation.required(), keyword}
        _, request = await ask(operation, values(keywords, 1))
        wanted = expected(operation, operation.places, keywords, 1)
        assert sent(request, *HEADERS) == wanted._replace(query=sorted(wanted.query))  # as the mock has it


@every_one_with()
async def test_an_empty_text_is_sent(operation: Operation, ask: Ask) -> None:
    """An empty text is sent as one: that is how a text is cleared."""
    for keywords in [keywords for turn, keywords in operation.turns() if turn]:
        texts = [
            one
            for one in keywords
            if one.kind.startswith(("string", "enum")) and isinstance(one.value(0)[0], str)
        ]
        empty = {one.name: "" for one in texts}
        _, request = await ask(operation, values(operation.required(), 1) | empty)
        _, _, query, form, _ = sent(request)
        assert [name for name, text in form or query if not text] == sorted(one.api for one in texts)


@every_one_with("webhook_enabled")
async def test_the_webhook_flag_is_a_header(operation: Operation, ask: Ask) -> None:
    """Whether webhooks are called is said in the header of that name, and nowhere else."""
    wanted = expected(operation, operation.places, operation.required(), 0)
    for flag, header in (True, "true"), (False, "false"), ("true", "true"), ("false", "false"):
        _, request = await ask(operation, values(operation.required(), 0) | {"webhook_enabled": flag})
        headers = wanted.headers | {"X-Twilio-Webhook-Enabled": header}
        assert sent(request, *HEADERS) == wanted._replace(headers=headers)


@every_one_with("attributes")
async def test_attributes_are_json(operation: Operation, ask: Ask) -> None:
    """Attributes are a mapping, which goes out as JSON, or JSON text, which goes out as it is."""
    for attributes, wire in (
        ({}, "{}"),
        ({"a": [1, 2.5, None, True, {"b": "é"}]}, '{"a": [1, 2.5, null, true, {"b": "é"}]}'),
        ('{ "importance":\t"high" }', '{ "importance":\t"high" }'),
    ):
        _, request = await ask(operation, values(operation.required(), 0) | {"attributes": attributes})
        assert [text for name, text in sent(request).form or [] if name == "Attributes"] == [wire]


@pytest.mark.parametrize("count", [0, 1, 10, 11])
@every_one_with("participant")
async def test_participants_repeat_their_key(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation, ask: Ask, count: int
) -> None:
    """One to ten participants are sent, each as JSON under one key, in order; none, or more, are refused."""
    participants = [{"identity": f"user {number}"} for number in range(count)]
    texts = [json.dumps(one) for one in participants]
    mixed = [text if number % 2 else participants[number] for number, text in enumerate(texts)]
    if 0 < count <= 10:
        _, request = await ask(operation, {"participant": mixed})
        assert sent(request).form == [("Participant", text) for text in texts]
    else:
        reason = "be a list of at most 10 participants" if count else "not be an empty list"
        complaint = await refusal(vendor, operation, {"participant": mixed})
        assert complaint.startswith(f"participant must {reason}")
        assert not mocked.requests


# ---------------------------------------------------------------------------------------------------- streams


@every_stream
def test_a_stream_sends_nothing_until_it_is_read(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation
) -> None:
    """To make a stream is no request."""
    assert operation.called(vendor, operation.places, {})
    assert not mocked.requests


@every_stream
async def test_the_page_size_is_asked_for(operation: Operation, ask: Ask) -> None:
    """A stream asks for pages of any size from 1 to 1000."""
    for page_size in 1, 2, 100, 1000:
        _, request = await ask(operation, {"page_size": page_size})
        assert sent(request).query == [("PageSize", str(page_size))]


@every_one_with("order")
async def test_the_order_is_asked_for(operation: Operation, ask: Ask) -> None:
    """Messages are asked for in either order, by the enum or the plain string."""
    for order, wire in (Order.ASC, "asc"), (Order.DESC, "desc"), ("desc", "desc"), (Order("DESC"), "desc"):
        _, request = await ask(operation, {"order": order})
        assert sent(request).query == [("Order", wire), ("PageSize", "50")]


@every_one_with("start_date")
async def test_conversations_are_filtered(operation: Operation, ask: Ask) -> None:
    """A bare date is its first second as a start and its last as an end; a datetime is its second in UTC."""
    filters: list[tuple[str, object, str]] = [
        ("start_date", date(2023, 5, 4), "2023-05-04T00:00:00Z"),
        ("end_date", date(2023, 5, 4), "2023-05-04T23:59:59Z"),
        ("start_date", AWARE, "2015-12-16T22:18:37Z"),
        ("end_date", AWARE, "2015-12-16T22:18:37Z"),
        ("start_date", "2023-05-04", "2023-05-04"),
        ("end_date", "2023-05-04T09:42:00Z", "2023-05-04T09:42:00Z"),
        ("start_date", date.min, "0001-01-01T00:00:00Z"),
        ("end_date", date.max, "9999-12-31T23:59:59Z"),
        ("state", ConversationState.CLOSED, "closed"),
        ("state", "active", "active"),
    ]
    for keyword, value, wire in filters:
        _, request = await ask(operation, {keyword: value})
        name = keyword.title().replace("_", "")
        assert dict(sent(request).query) == {name: wire, "PageSize": "50"}


@every_stream
async def test_a_figure_out_of_range_is_refused(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation
) -> None:
    """A page size, limit or read-ahead out of range is refused by name where the stream is made."""
    figures: dict[str, list[object]] = {
        "page_size": [0, -1, 1001, True, "5", 50.0, None],
        "limit": [0, -1, True, False, "5", 1.5],
        "read_ahead": [-1, True, "1", 0.5, None],
    }
    for name, figure in [(name, figure) for name, those in figures.items() for figure in those]:
        complaint = await refusal(vendor, operation, {name: figure})
        assert complaint.startswith(f"{name} must be a whole number")
    assert not mocked.requests


@every_stream
async def test_a_stream_goes_on_from_a_cursor_of_its_own(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation, ask: Ask
) -> None:
    """A cursor of the same list is followed as it is; anything else is refused where the stream is made."""
    path = operation.at(operation.places)
    parent = path.rpartition("/")[0]
    _, request = await ask(operation, {"cursor": f"{path}?PageSize=7&PageToken=x"})
    assert request.target == f"{ORIGINS[operation.api]}{path}?PageSize=7&PageToken=x"
    beginnings = [ORIGINS[operation.api] + path, f"//elsewhere.test{path}", f"/v9{path[3:]}"]
    cursors: list[object] = [
        *("", "x", "2", 5, b"/v1/Conversations?PageSize=50", ["x"], True),
        *(f"{beginning}?PageSize=50" for beginning in [*beginnings, f"{parent}/Elsewhere", f"{path}/CH1"]),
        *(f"{path}?{query}" for query in ("PageSize=50 ", "a\n", "Näme=1", "a#x", "a#12345")),
    ]
    for cursor in cursors:
        complaint = await refusal(vendor, operation, {"cursor": cursor})
        assert complaint.startswith("cursor must be the cursor of a page")
    assert not mocked.requests


# ------------------------------------------------------------------------------------------------ identifiers


@pytest.mark.parametrize(("number", "identifier"), [*enumerate(AWKWARD)], ids=ascii)
async def test_awkward_identifiers_are_encoded(ask: Ask, number: int, identifier: str) -> None:
    """Every identifier of a path is one segment of it on the wire, whatever it holds."""
    for operation in WITH_IDENTIFIERS[number % 4 :: 4]:  # each is tried with four or five of them
        identifiers = [identifier] * len(operation.places)
        _, request = await ask(operation, values(operation.required(), 0), identifiers)
        path = operation.at([AWKWARD[identifier]] * len(identifiers))
        assert request.target.partition("?")[0] == ORIGINS[operation.api] + path


@given(identifier=st.text().filter(lambda text: text not in ("", ".", "..")))
@example(identifier="/../")
@example(identifier="%2F")
@deterministic
def test_any_identifier_is_one_segment(identifier: str) -> None:
    """Whatever text an identifier is, the path has one segment for it, which decodes to that text."""
    url = URL(
        f"https://conversations.twilio.com/v1/Conversations/{segment('sid', identifier)}/Messages",
        encoded=True,
    )
    before, conversations, encoded, after = url.raw_path.split("/")[1:]
    assert (before, conversations, after) == ("v1", "Conversations", "Messages")
    assert unquote(encoded, errors="strict") == identifier
    assert str(url).isascii()
    assert (url.raw_query_string, url.raw_fragment) == ("", "")


@pytest.mark.parametrize("operation", WITH_IDENTIFIERS, ids=str)
async def test_an_identifier_that_is_none_is_refused(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation
) -> None:
    """An identifier that is empty, dotted, or no text is a ValueError that names it, before any request."""
    for place, name in enumerate(operation.places):
        named = re.sub("^Chat|Sid$", "", name).lower()
        for identifier in BAD_IDENTIFIERS:
            identifiers = operation.places
            identifiers[place] = identifier
            if operation.takes_sid and place == len(identifiers) - 1:
                complaint = await refusal(vendor, operation, values(operation.required(), 0), identifiers)
                assert re.match("sid (must|holds) ", complaint)
            else:
                with pytest.raises(ValueError, match=f"^{named} (must|holds) "):
                    operation.repository(vendor, identifiers)
    assert not mocked.requests


# ----------------------------------------------------------------------------------------- what is never sent


def bad_values(keyword: Keyword) -> list[object]:
    """Give values that a keyword does not take."""
    kinds = keyword.name, keyword.kind.partition("[")[0]
    return [*BAD_ANYWHERE, *(value for kind in kinds for value in BAD_VALUES.get(kind, []))]


@every_one_with()
async def test_a_value_that_cannot_be_sent_is_refused(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation
) -> None:
    """What has no form on the wire, or would be taken for None, is a ValueError that names the keyword."""
    for keyword in operation.keywords:
        for value in bad_values(keyword):
            bad = values(operation.required(), 0) | {keyword.name: value}
            assert (await refusal(vendor, operation, bad)).startswith(f"{keyword.name} ")
    assert not mocked.requests

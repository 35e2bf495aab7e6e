"""What the repositories send: method, path, form, query and headers of each call, and what is never sent."""

from __future__ import annotations

import base64
import inspect
import re
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from conversations_async import (
    Conversation,
    ConversationsClient,
    ConversationState,
    Message,
    Order,
    Participant,
    Receipt,
    __version__,
)
from conversations_async.chat import ChatMessage
from conversations_async.repository import Deletable, segment

from .conftest import ACCOUNT_SID, AUTH_TOKEN, CONVERSATION, MESSAGE, SERVICE
from .support import deterministic

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Mocked

SID = "XX" + "9" * 32

ANYWHERE = re.compile("")

EMPTY_PAGE = {"meta": {"key": "items"}, "items": []}

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


class Operation(NamedTuple):
    """A method of a repository, the request that it makes, and the keywords that it takes."""

    accessor: str
    verb: str
    method: str
    path: str
    model: type[Any] | None
    keywords: str = ""
    #: Whether it stands under ``client.chat``.
    chat: bool = False

    def __str__(self) -> str:
        return f"{'chat-' * self.chat}{self.accessor}-{self.verb}"

    @property
    def takes_sid(self) -> bool:
        """Whether the call names one item."""
        return self.path.endswith("/{sid}")

    def repository(self, client: ConversationsClient, service: str | None) -> Any:
        """Find the repository, under a service or at the default path."""
        if self.chat:
            return client.chat.service(SERVICE).messages(CONVERSATION)
        scope = client if service is None else client.service(service)
        found = getattr(scope, self.accessor)
        identifiers = {"conversations": (), "receipts": (CONVERSATION, MESSAGE)}
        arguments = identifiers.get(self.accessor, (CONVERSATION,))
        return found(*arguments) if arguments else found

    async def call(self, client: ConversationsClient, service: str | None = None, **keywords: Any) -> Any:
        """Make the call; a stream is read to its end."""
        method = getattr(self.repository(client, service), self.verb)
        called = method(SID, **keywords) if self.takes_sid else method(**keywords)
        return await (called.list() if self.verb == "stream" else called)

    def place(self, service: str | None) -> str:
        """Give the path of its request."""
        root = f"/v2/Services/{SERVICE}" if self.chat else f"/v1/Services/{service}" if service else "/v1"
        return root + self.path.format(conversation=CONVERSATION, message=MESSAGE, sid=SID)


CONVERSATION_FORM = (
    "friendly_name unique_name date_created date_updated messaging_service_sid attributes state"
    " timers_inactive timers_closed bindings_email_address bindings_email_name webhook_enabled"
)
MESSAGE_FORM = "author body date_created date_updated attributes subject webhook_enabled"
CHAT_FORM = "from_ body attributes date_created date_updated last_updated_by webhook_enabled"
PARTICIPANT_FORM = (
    "identity messaging_binding_proxy_address messaging_binding_projected_address date_created date_updated"
    " attributes role_sid webhook_enabled"
)
STREAMED = "page_size limit read_ahead cursor"

_CONVERSATION = "/Conversations/{conversation}"
_CHANNEL = "/Channels/{conversation}"
_RECEIPTS = f"{_CONVERSATION}/Messages/{{message}}/Receipts"

OPERATIONS = [
    Operation("conversations", "create", "POST", "/Conversations", Conversation, CONVERSATION_FORM),
    Operation(
        "conversations",
        "create_with_participants",
        "POST",
        "/ConversationWithParticipants",
        Conversation,
        f"{CONVERSATION_FORM} participant",
    ),
    Operation("conversations", "fetch", "GET", "/Conversations/{sid}", Conversation),
    Operation("conversations", "update", "POST", "/Conversations/{sid}", Conversation, CONVERSATION_FORM),
    Operation("conversations", "delete", "DELETE", "/Conversations/{sid}", None, "webhook_enabled"),
    Operation(
        "conversations",
        "stream",
        "GET",
        "/Conversations",
        Conversation,
        f"start_date end_date state {STREAMED}",
    ),
    Operation(
        "messages",
        "create",
        "POST",
        f"{_CONVERSATION}/Messages",
        Message,
        f"{MESSAGE_FORM} media_sid content_sid content_variables",
    ),
    Operation("messages", "fetch", "GET", f"{_CONVERSATION}/Messages/{{sid}}", Message),
    Operation("messages", "update", "POST", f"{_CONVERSATION}/Messages/{{sid}}", Message, MESSAGE_FORM),
    Operation("messages", "delete", "DELETE", f"{_CONVERSATION}/Messages/{{sid}}", None, "webhook_enabled"),
    Operation("messages", "stream", "GET", f"{_CONVERSATION}/Messages", Message, f"order {STREAMED}"),
    Operation(
        "participants",
        "create",
        "POST",
        f"{_CONVERSATION}/Participants",
        Participant,
        f"{PARTICIPANT_FORM} messaging_binding_address",
    ),
    Operation("participants", "fetch", "GET", f"{_CONVERSATION}/Participants/{{sid}}", Participant),
    Operation(
        "participants",
        "update",
        "POST",
        f"{_CONVERSATION}/Participants/{{sid}}",
        Participant,
        f"{PARTICIPANT_FORM} last_read_message_index last_read_timestamp",
    ),
    Operation(
        "participants", "delete", "DELETE", f"{_CONVERSATION}/Participants/{{sid}}", None, "webhook_enabled"
    ),
    Operation("participants", "stream", "GET", f"{_CONVERSATION}/Participants", Participant, STREAMED),
    Operation("receipts", "fetch", "GET", f"{_RECEIPTS}/{{sid}}", Receipt),
    Operation("receipts", "stream", "GET", _RECEIPTS, Receipt, STREAMED),
    Operation(
        "messages", "create", "POST", f"{_CHANNEL}/Messages", ChatMessage, f"{CHAT_FORM} media_sid", chat=True
    ),
    Operation("messages", "fetch", "GET", f"{_CHANNEL}/Messages/{{sid}}", ChatMessage, chat=True),
    Operation(
        "messages", "update", "POST", f"{_CHANNEL}/Messages/{{sid}}", ChatMessage, CHAT_FORM, chat=True
    ),
    Operation(
        "messages", "delete", "DELETE", f"{_CHANNEL}/Messages/{{sid}}", None, "webhook_enabled", chat=True
    ),
    Operation(
        "messages", "stream", "GET", f"{_CHANNEL}/Messages", ChatMessage, f"order {STREAMED}", chat=True
    ),
]

POSTS = [operation for operation in OPERATIONS if operation.method == "POST"]
STREAMS = [operation for operation in OPERATIONS if operation.verb == "stream"]
IN_BOTH_PLACES = [
    pytest.param(operation, service, id=f"{operation}{'-in-service' * bool(service)}")
    for operation in OPERATIONS
    for service in ([None] if operation.chat else [None, SERVICE])
]

#: What each keyword of a form becomes: a value that the caller gives, the name and the text on the wire.
FORM: dict[str, tuple[object, str, str]] = {
    "attributes": ({"a": "é"}, "Attributes", '{"a": "é"}'),
    "author": ("smee", "Author", "smee"),
    "bindings_email_address": ("a@b.test", "Bindings.Email.Address", "a@b.test"),
    "bindings_email_name": ("Support & Co", "Bindings.Email.Name", "Support & Co"),
    "body": ("Ahoy there!\n+1 = 100%", "Body", "Ahoy there!\n+1 = 100%"),
    "content_sid": ("HX1", "ContentSid", "HX1"),
    "content_variables": ({"1": "Smee"}, "ContentVariables", '{"1": "Smee"}'),
    "date_created": (AWARE, "DateCreated", "2015-12-16T22:18:37Z"),
    "date_updated": (AWARE, "DateUpdated", "2015-12-16T22:18:37Z"),
    "friendly_name": ("Support #7", "FriendlyName", "Support #7"),
    "from_": ("smee", "From", "smee"),
    "identity": ("alice", "Identity", "alice"),
    "last_read_message_index": (7, "LastReadMessageIndex", "7"),
    "last_read_timestamp": (AWARE, "LastReadTimestamp", "2015-12-16T22:18:37Z"),
    "last_updated_by": ("hook", "LastUpdatedBy", "hook"),
    "media_sid": ("ME1", "MediaSid", "ME1"),
    "messaging_binding_address": ("whatsapp:+1555", "MessagingBinding.Address", "whatsapp:+1555"),
    "messaging_binding_projected_address": ("+1556", "MessagingBinding.ProjectedAddress", "+1556"),
    "messaging_binding_proxy_address": ("+1557", "MessagingBinding.ProxyAddress", "+1557"),
    "messaging_service_sid": ("MG1", "MessagingServiceSid", "MG1"),
    "participant": ([{"identity": "alice"}], "Participant", '{"identity": "alice"}'),
    "role_sid": ("RL1", "RoleSid", "RL1"),
    "state": (ConversationState.INACTIVE, "State", "inactive"),
    "subject": ("About it", "Subject", "About it"),
    "timers_closed": ("PT10M", "Timers.Closed", "PT10M"),
    "timers_inactive": (timedelta(minutes=1), "Timers.Inactive", "PT60S"),
    "unique_name": ("support/7", "UniqueName", "support/7"),
}

#: Keywords that are no field of a form.
ELSEWHERE = {"webhook_enabled", *STREAMED.split(), "start_date", "end_date", "order"}

TEXTS = {"attributes", "content_variables", "date_created", "date_updated", "last_read_message_index"} | {
    "last_read_timestamp",
    "participant",
    "webhook_enabled",
}


@attrs.frozen
class Sent:
    """One request, as it left the library."""

    method: str
    url: URL
    form: list[tuple[str, str]] | None
    headers: dict[str, str]


def sent(mocked: Mocked) -> Sent:
    """Give the one request that was made."""
    (((method, url), (call,)),) = mocked.requests.items()
    data = call.kwargs["data"]
    form = (
        None
        if data is None
        else parse_qsl(data.decode("ascii"), keep_blank_values=True, strict_parsing=bool(data))
    )
    return Sent(method, url, form, dict(call.kwargs["headers"]))


def listen(mocked: Mocked, operation: Operation) -> None:
    """Answer the operation, wherever it is sent."""
    answers: dict[str, dict[str, Any]] = {
        "DELETE": {"status": 204},
        "GET": {"payload": EMPTY_PAGE if operation.verb == "stream" else {"sid": SID}},
        "POST": {"status": 201, "payload": {"sid": SID}},
    }
    mocked.add(ANYWHERE, method=operation.method, **answers[operation.method])


def taken(operation: Operation) -> list[str]:
    """Name the keywords of an operation that are fields of its form or query."""
    return [keyword for keyword in operation.keywords.split() if keyword in FORM]


# ----------------------------------------------------------------------------------------------- what is sent


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_a_call_takes_the_keywords_of_the_api(vendor: ConversationsClient, operation: Operation) -> None:
    """A method takes the API's parameters as keywords, none of them required, and nothing else."""
    method = getattr(operation.repository(vendor, None), operation.verb)
    parameters = inspect.signature(method).parameters.values()
    keywords = {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}
    assert keywords.keys() == set(operation.keywords.split())
    assert {default for name, default in keywords.items() if name not in STREAMED} <= {None}
    assert [one.name for one in parameters if one.kind is not one.KEYWORD_ONLY] == [
        "sid"
    ] * operation.takes_sid
    assert keywords.keys() <= FORM.keys() | ELSEWHERE


@pytest.mark.parametrize(("operation", "service"), IN_BOTH_PLACES)
async def test_a_call_is_one_request(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation, service: str | None
) -> None:
    """A call sends its method to its path, once, and nothing that was not asked for; it gives its model."""
    listen(mocked, operation)
    result = await operation.call(vendor, service)
    request = sent(mocked)
    assert (request.method, request.url.raw_path) == (operation.method, operation.place(service))
    assert str(request.url.origin()) == f"https://{'chat' if operation.chat else 'conversations'}.twilio.com"
    assert request.form == ([] if operation.method == "POST" else None)
    assert dict(request.url.query) == ({"PageSize": "50"} if operation.verb == "stream" else {})
    assert not request.url.fragment
    if operation.verb == "stream":
        assert result == []
    else:
        assert result == (operation.model(sid=SID) if operation.model else None)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_a_request_has_its_headers(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation
) -> None:
    """Every request has its credentials, says who sends it and asks for JSON; a form says that it is one."""
    listen(mocked, operation)
    await operation.call(vendor)
    headers = sent(mocked).headers
    scheme, _, credentials = headers.pop("Authorization").partition(" ")
    assert (scheme, base64.b64decode(credentials).decode()) == ("Basic", f"{ACCOUNT_SID}:{AUTH_TOKEN}")
    assert headers.pop("User-Agent").startswith(f"conversations-async/{__version__} ")
    form = {"Content-Type": "application/x-www-form-urlencoded"} if operation.method == "POST" else {}
    assert headers == {"Accept": "application/json"} | form


@pytest.mark.parametrize(
    ("operation", "keyword"),
    [
        pytest.param(operation, keyword, id=f"{operation}-{keyword}")
        for operation in OPERATIONS
        for keyword in taken(operation)
    ],
)
async def test_a_keyword_reaches_its_wire_name(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation, keyword: str
) -> None:
    """Each keyword is sent under the API's own name, alone, in the API's form; in a stream as a filter."""
    value, name, wire = FORM[keyword]
    listen(mocked, operation)
    await operation.call(vendor, None, **{keyword: value})
    request = sent(mocked)
    if operation.verb == "stream":
        assert dict(request.url.query) == {name: wire, "PageSize": "50"}
    else:
        assert request.form == [(name, wire)]


@pytest.mark.parametrize("operation", POSTS, ids=str)
async def test_all_keywords_go_together(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation
) -> None:
    """All keywords of a call can be given at once, and each is sent once."""
    listen(mocked, operation)
    await operation.call(vendor, SERVICE, **{keyword: FORM[keyword][0] for keyword in taken(operation)})
    form = sent(mocked).form
    assert sorted(form or []) == sorted(FORM[keyword][1:] for keyword in taken(operation))


@pytest.mark.parametrize("operation", POSTS, ids=str)
async def test_none_is_not_sent(vendor: ConversationsClient, mocked: Mocked, operation: Operation) -> None:
    """None leaves a field out, like not naming it."""
    listen(mocked, operation)
    await operation.call(vendor, **dict.fromkeys(operation.keywords.split()))
    request = sent(mocked)
    assert request.form == []
    assert "X-Twilio-Webhook-Enabled" not in request.headers


@pytest.mark.parametrize("operation", POSTS, ids=str)
async def test_an_empty_text_is_sent(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation
) -> None:
    """An empty text is sent as one: that is how a text is cleared."""
    texts = [keyword for keyword in taken(operation) if keyword not in TEXTS]
    listen(mocked, operation)
    await operation.call(vendor, **dict.fromkeys(texts, ""))
    assert sorted(sent(mocked).form or []) == sorted((FORM[keyword][1], "") for keyword in texts)


@pytest.mark.parametrize(
    ("flag", "header"), [(True, "true"), (False, "false"), ("true", "true"), ("false", "false")]
)
@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if "webhook_enabled" in one.keywords], ids=str
)
async def test_the_webhook_flag_is_a_header(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation, flag: bool | str, header: str
) -> None:
    """Whether webhooks are called is said in the header of that name, and not in the form."""
    listen(mocked, operation)
    await operation.call(vendor, webhook_enabled=flag)
    request = sent(mocked)
    assert request.headers["X-Twilio-Webhook-Enabled"] == header
    assert not request.form


@pytest.mark.parametrize(
    ("attributes", "wire"),
    [
        ({}, "{}"),
        ({"a": [1, 2.5, None, True, {"b": ""}]}, '{"a": [1, 2.5, null, true, {"b": ""}]}'),
        ('{ "importance":\t"high" }', '{ "importance":\t"high" }'),
    ],
)
@pytest.mark.parametrize("operation", POSTS, ids=str)
async def test_attributes_are_json(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation, attributes: object, wire: str
) -> None:
    """Attributes are a mapping, which goes out as JSON, or JSON text, which goes out as it is."""
    listen(mocked, operation)
    await operation.call(vendor, attributes=attributes)
    assert sent(mocked).form == [("Attributes", wire)]


@pytest.mark.parametrize("count", [0, 1, 10])
async def test_participants_repeat_their_key(vendor: ConversationsClient, mocked: Mocked, count: int) -> None:
    """Up to ten participants are sent, each as JSON under the same key, in their order."""
    given_ones = [
        {"identity": f"user {number}"} if number % 2 else f'{{"identity":"user {number}"}}'
        for number in range(count)
    ]
    mocked.add(ANYWHERE, method="POST", status=202, payload={"sid": SID})
    await vendor.conversations.create_with_participants(participant=given_ones)
    assert sent(mocked).form == [
        ("Participant", one if isinstance(one, str) else f'{{"identity": "{one["identity"]}"}}')
        for one in given_ones
    ]


# ------------------------------------------------------------------------------------------------------ lists


@pytest.mark.parametrize("page_size", [1, 2, 100, 1000])
@pytest.mark.parametrize("operation", STREAMS, ids=str)
async def test_the_page_size_is_asked_for(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation, page_size: int
) -> None:
    """A stream asks for pages of any size from 1 to 1000."""
    listen(mocked, operation)
    await operation.call(vendor, page_size=page_size)
    assert dict(sent(mocked).url.query) == {"PageSize": str(page_size)}


@pytest.mark.parametrize(
    ("order", "wire"), [(Order.ASC, "asc"), (Order.DESC, "desc"), ("desc", "desc"), (Order("DESC"), "desc")]
)
@pytest.mark.parametrize("operation", [one for one in STREAMS if "order" in one.keywords], ids=str)
async def test_the_order_is_asked_for(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation, order: Order | str, wire: str
) -> None:
    """Messages are asked for in either order, by the enum or the plain string."""
    listen(mocked, operation)
    await operation.call(vendor, order=order)
    assert dict(sent(mocked).url.query) == {"Order": wire, "PageSize": "50"}


@pytest.mark.parametrize(
    ("keyword", "value", "wire"),
    [
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
    ],
)
async def test_conversations_are_filtered(
    vendor: ConversationsClient, mocked: Mocked, keyword: str, value: Any, wire: str
) -> None:
    """A bare date is its first second as a start and its last as an end; a datetime is its second in UTC."""
    mocked.add(ANYWHERE, payload=EMPTY_PAGE)
    filters: dict[str, Any] = {keyword: value}
    await vendor.conversations.stream(**filters).list()
    name = keyword.title().replace("_", "")
    assert dict(sent(mocked).url.query) == {name: wire, "PageSize": "50"}


@pytest.mark.parametrize("operation", STREAMS, ids=str)
async def test_items_become_models(vendor: ConversationsClient, mocked: Mocked, operation: Operation) -> None:
    """A stream gives the models of its list, in the order of the page."""
    assert operation.model is not None
    mocked.add(ANYWHERE, payload={"meta": {"key": "x"}, "x": [{"sid": "1"}, {"sid": "2"}]})
    assert await operation.call(vendor) == [operation.model(sid="1"), operation.model(sid="2")]


@pytest.mark.parametrize("operation", STREAMS, ids=str)
def test_a_stream_sends_nothing_until_it_is_read(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation
) -> None:
    """To make a stream is no request."""
    operation.repository(vendor, None).stream()
    assert not mocked.requests


# ------------------------------------------------------------------------------------------------ identifiers


@pytest.mark.parametrize(("identifier", "encoded"), AWKWARD.items(), ids=map(ascii, AWKWARD))
async def test_awkward_identifiers_are_encoded(
    vendor: ConversationsClient, mocked: Mocked, identifier: str, encoded: str
) -> None:
    """Every identifier of a path is one segment of it on the wire, whatever it holds."""
    for call, path in (
        (vendor.conversations.fetch, "/v1/Conversations/{}"),
        (vendor.messages(identifier).fetch, "/v1/Conversations/{}/Messages/{}"),
        (vendor.participants(identifier).fetch, "/v1/Conversations/{}/Participants/{}"),
        (vendor.receipts(identifier, identifier).fetch, "/v1/Conversations/{}/Messages/{}/Receipts/{}"),
        (vendor.service(identifier).conversations.fetch, "/v1/Services/{}/Conversations/{}"),
        (
            vendor.service(identifier).messages(identifier).update,
            "/v1/Services/{}/Conversations/{}/Messages/{}",
        ),
        (
            vendor.service(identifier).participants("MB").delete,
            "/v1/Services/{}/Conversations/MB/Participants/{}",
        ),
        (
            vendor.chat.service(identifier).messages(identifier).fetch,
            "/v2/Services/{}/Channels/{}/Messages/{}",
        ),
    ):
        mocked.requests.clear()
        for method in "GET", "POST", "DELETE":
            mocked.add(ANYWHERE, method=method, payload={"sid": "X"})
        await call(identifier)
        assert sent(mocked).url.raw_path == path.replace("{}", encoded)


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


@pytest.mark.parametrize("identifier", BAD_IDENTIFIERS, ids=ascii)
async def test_an_identifier_that_is_none_is_refused(
    vendor: ConversationsClient, mocked: Mocked, identifier: Any
) -> None:
    """An identifier that is empty, dotted, or no text raises a ValueError that names it before a request."""
    accessors: list[tuple[str, Callable[[], object]]] = [
        ("service", lambda: vendor.service(identifier)),
        ("conversation", lambda: vendor.messages(identifier)),
        ("conversation", lambda: vendor.participants(identifier)),
        ("conversation", lambda: vendor.receipts(identifier, MESSAGE)),
        ("message", lambda: vendor.receipts(CONVERSATION, identifier)),
        ("conversation", lambda: vendor.service(SERVICE).messages(identifier)),
        ("service", lambda: vendor.chat.service(identifier)),
        ("channel", lambda: vendor.chat.service(SERVICE).messages(identifier)),
    ]
    for name, access in accessors:
        with pytest.raises(ValueError, match=f"^{name} (must|holds)"):
            access()
    for operation in OPERATIONS:
        if operation.takes_sid:
            with pytest.raises(ValueError, match=r"^sid (must|holds)"):
                await getattr(operation.repository(vendor, None), operation.verb)(identifier)
    assert not mocked.requests


# ----------------------------------------------------------------------------------------- what is never sent


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        *(("page_size", value) for value in (0, -1, 1001, True, "5", 50.0, None)),
        *(("limit", value) for value in (0, -1, True, False, "5", 1.5)),
        *(("read_ahead", value) for value in (-1, True, "1", 0.5, None)),
    ],
)
@pytest.mark.parametrize("operation", STREAMS, ids=str)
async def test_a_figure_out_of_range_is_refused(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation, keyword: str, value: Any
) -> None:
    """A page size, limit or read-ahead out of range is refused by name where the stream is made."""
    with pytest.raises(ValueError, match=f"^{keyword} must be a whole number"):
        operation.repository(vendor, None).stream(**{keyword: value})
    assert not mocked.requests


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "2",
        "https://conversations.twilio.com/v1/Conversations?PageSize=50",
        "//elsewhere.test/v1/Conversations?PageSize=50",
        "/v2/Conversations?PageSize=50",
        "/v1/Users?PageSize=50",
        "/v1/Conversations?PageSize=50 ",
        "/v1/Conversations?PageSize=50#x",
        "/v1/Conversations?PageSize=50#12345",
        "/v1/Conversations?Näme=1",
        "/v1/Conversations?a\n",
        "/v1/Conversations/CH1?PageSize=50",
    ],
)
async def test_a_cursor_of_something_else_is_refused(
    vendor: ConversationsClient, mocked: Mocked, cursor: str
) -> None:
    """What is no cursor of such a list is refused where the stream is made."""
    with pytest.raises(ValueError, match="cursor must be the cursor of a page"):
        vendor.conversations.stream(cursor=cursor)
    assert not mocked.requests


@pytest.mark.parametrize("cursor", [5, b"/v1/Conversations?PageSize=50", ["x"], True])
def test_a_cursor_that_is_no_text_is_refused(
    vendor: ConversationsClient, mocked: Mocked, cursor: Any
) -> None:
    """A cursor that is no text at all is refused where the stream is made."""
    with pytest.raises(ValueError, match="cursor must be the cursor of a page"):
        vendor.conversations.stream(cursor=cursor)
    assert not mocked.requests


BAD_VALUES: dict[str, list[object]] = {
    "attributes": ["{", "text", "{'a': 1}", {"a": object()}, {"a": float("nan")}, [1], 5],
    "content_variables": ["{", {"a": {1, 2}}],
    "date_created": [NAIVE],
    "date_updated": [NAIVE],
    "last_read_timestamp": [NAIVE],
    "timers_inactive": [timedelta(seconds=-1), timedelta(seconds=0.5), 60.0],
    "timers_closed": [timedelta(seconds=-1)],
    "body": [b"bytes", 1.5, {"a": 1}],
    "participant": ["alice", [{"identity": "alice"}] * 11, ["not JSON"], [{"a": object()}], [5]],
    "webhook_enabled": ["maybe", "", 1, "1"],
}


@pytest.mark.parametrize(
    ("operation", "keyword"),
    [
        pytest.param(operation, keyword, id=f"{operation}-{keyword}")
        for operation in OPERATIONS
        for keyword in operation.keywords.split()
        if keyword in BAD_VALUES
    ],
)
async def test_a_value_that_cannot_be_sent_is_refused(
    vendor: ConversationsClient, mocked: Mocked, operation: Operation, keyword: str
) -> None:
    """A naive datetime, attributes that are not JSON, and the like raise a ValueError before any request."""
    for value in BAD_VALUES[keyword]:
        with pytest.raises(ValueError, match=f"^{keyword} ") as caught:
            await operation.call(vendor, None, **{keyword: value})
        assert type(caught.value) is ValueError
    assert not mocked.requests


@pytest.mark.parametrize("value", [NAIVE, 5.0, object()], ids=ascii)
@pytest.mark.parametrize("keyword", ["start_date", "end_date"])
def test_a_bad_filter_is_refused(
    vendor: ConversationsClient, mocked: Mocked, keyword: str, value: Any
) -> None:
    """A naive datetime, or no date at all, is refused as a filter too, where the stream is made."""
    with pytest.raises(ValueError, match=f"^{keyword} (must|cannot) be"):
        vendor.conversations.stream(**{keyword: value})
    assert not mocked.requests


async def test_half_a_character_is_refused(vendor: ConversationsClient, mocked: Mocked) -> None:
    """Half of a surrogate pair is no text that can be sent: not in a form, in JSON, or in a filter."""
    for text in "\ud800", "a\udfffb":
        with pytest.raises(ValueError, match="surrogate"):
            await vendor.messages(CONVERSATION).create(body=text)
        with pytest.raises(ValueError, match="surrogate"):
            await vendor.messages(CONVERSATION).create(attributes={"a": text})
        with pytest.raises(ValueError, match="surrogate"):
            vendor.conversations.stream(state=text)
    assert not mocked.requests


async def test_more_than_ten_participants_are_refused(vendor: ConversationsClient, mocked: Mocked) -> None:
    """The API takes ten participants at a time; more are refused by name before any request."""
    with pytest.raises(ValueError, match="participant must be a list of at most 10 participants"):
        await vendor.conversations.create_with_participants(participant=[{"identity": "a"}] * 11)
    assert not mocked.requests


# ------------------------------------------------------------------------------------ what all have in common


async def test_a_deletion_may_have_no_webhooks(vendor: ConversationsClient, mocked: Mocked) -> None:
    """A resource that the API tells no webhooks about is deleted without a word on them."""
    mocked.add(ANYWHERE, method="DELETE", status=204)
    repository = Deletable[Message](vendor._session, "conversations", "/v1/Things")
    assert await repository.delete("a/b") is None  # type: ignore[func-returns-value]  # that it is None is the point
    request = sent(mocked)
    assert (request.method, request.url.raw_path, request.form) == ("DELETE", "/v1/Things/a%2Fb", None)

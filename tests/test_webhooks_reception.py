"""What a request says: which are refused and how, and over which URL the signature is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from conversations_async.webhooks._params import multi_values
from conversations_async.webhooks.events import Event, UnknownEvent
from conversations_async.webhooks.reception import Chunks, Incoming, Reception, Refused, Reply, _parse
from conversations_async.webhooks.signature import SignatureValidator, sign

from .conftest import AUTH_TOKEN, CONVERSATION
from .support import deterministic, is_one_line

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FORM = "application/x-www-form-urlencoded"
URL = "https://bots.example/hooks"
FIELDS = [
    ("EventType", "onTomorrow"),
    ("ConversationSid", CONVERSATION),
    ("Body", "a b+c ä 👋"),
    ("Empty", ""),
]
BODY = urlencode(FIELDS).encode()

PEER = "10.1.2.3"


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    """Give a body in so many pieces."""
    for piece in given:
        yield piece


def reception(
    public_url: str | None = URL, trusted_proxies: Any = (), *, max_body_size: int = 1000
) -> Reception:
    """Make a reception that knows the token of the tests."""
    return Reception(
        SignatureValidator(AUTH_TOKEN),
        public_url=public_url,
        trusted_proxies=trusted_proxies,
        max_body_size=max_body_size,
    )


def post(
    *body: bytes, signed: str = URL, more: Any = (), without: str = "", params: Any = None, **told: Any
) -> Incoming:
    """Make a signed POST, with ``more`` headers than the usual ones, and ``without`` one of them."""
    form = parse_qsl(b"".join(body).decode("latin-1"), keep_blank_values=True) if params is None else params
    headers = CIMultiDict(
        [
            ("Host", "inner:8080"),
            ("Content-Type", FORM),
            ("X-Twilio-Signature", sign(signed, AUTH_TOKEN, params=form)),
        ]
    )
    headers.pop(without, None)
    headers.extend(more)
    usual = {"method": "POST", "scheme": "http", "target": "/hooks", "peer": PEER, "chunks": pieces(*body)}
    return Incoming(**{"headers": headers, **usual, **told})


def get(target: str, *, signed: str, **told: Any) -> Incoming:
    """Make a signed GET."""
    return post(signed=signed, without="Content-Type", method="GET", target=target, **told)


async def refusal(incoming: Incoming, **options: Any) -> Refused:
    """Give the refusal of a request."""
    with pytest.raises(Refused) as caught:
        await reception(**options).read(incoming)
    assert is_one_line(caught.value.reason)
    return caught.value


async def event_of(incoming: Incoming, *args: Any, **options: Any) -> Event:
    """Give the event that a request tells of."""
    return (await reception(*args, **options).read(incoming))[0]


async def test_a_form() -> None:
    """A form that comes in pieces is one event, whose texts are decoded, and blank ones kept."""
    event = await event_of(post(*(BODY[at : at + 7] for at in range(0, len(BODY), 7))))
    assert isinstance(event, UnknownEvent)
    assert event.extra["Body"] == "a b+c ä 👋"
    assert event.extra["Empty"] == ""


async def test_the_query_of_a_get() -> None:
    """Of a GET the parameters are in the query, the signature is over the URL alone, and no body is read."""
    target = "/hooks?" + BODY.decode()
    body = pieces(b"unread")
    event = await event_of(get(target, signed="https://bots.example" + target, chunks=body))
    assert event == await event_of(post(BODY))
    assert [piece async for piece in body] == [b"unread"]


async def test_the_query_of_a_post() -> None:
    """Of a POST the query is signed, and says nothing about the event."""
    told = post(BODY, signed=URL + "?Body=other&Mine=1", target="/hooks?Body=other&Mine=1")
    assert await event_of(told) == await event_of(post(BODY))


@pytest.mark.parametrize("token", ["5d0bbd9c-1ea8-4f24-a8b5-b3f8cdd9c8c3", None])
async def test_the_idempotency_token(token: str | None) -> None:
    """The token of an event is given with it, where there is one."""
    more = [] if token is None else [("i-twilio-idempotency-token", token)]
    assert (await reception().read(post(BODY, more=more)))[1] == token


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "get", "", "\udcff"])
async def test_other_methods(method: str) -> None:
    """What is neither GET nor POST is 405, and the answer says what would do."""
    refused = await refusal(post(BODY, method=method))
    assert refused.status == 405
    assert refused.reply() == Reply(
        status=405,
        body=refused.reason.encode(),
        content_type="text/plain; charset=utf-8",
        headers={"Allow": "GET, POST"},
    )


@pytest.mark.parametrize(
    "kinds",
    [
        [],
        [""],
        ["application/json"],
        ["multipart/form-data; boundary=x"],
        [FORM + "-not"],
        [FORM + "; charset=iso-8859-1"],
        [FORM + "; charset=utf-8; charset=utf-16"],
        [FORM + "; charset="],
        [FORM, FORM],
        [";" + FORM],
    ],
)
async def test_other_types(kinds: list[str]) -> None:
    """A body that is no form, or one in another charset, is 415; so are two types."""
    told = post(BODY, without="Content-Type", more=[("Content-Type", kind) for kind in kinds])
    assert (await refusal(told)).status == 415


@pytest.mark.parametrize(
    "kind",
    [
        "Application/X-WWW-Form-Urlencoded ; Charset=UTF-8",
        FORM + ';charset="utf-8"',
        FORM + "; charset=utf8; other=iso-8859-1",
        FORM + ";",
    ],
)
async def test_types_of_a_form(kind: str) -> None:
    """A form may have parameters in its type, and UTF-8 any spelling."""
    assert await event_of(post(BODY, without="Content-Type", more=[("content-type", kind)]))


class Endless:
    """A body that has no end, and knows how much of it was read."""

    def __init__(self) -> None:
        self.read = 0

    async def more(self) -> bytes:
        """Give one more piece."""
        self.read += 100
        return b"a" * 100


async def test_a_body_that_is_too_large() -> None:
    """A body is read no further than where it is known to be too large: 413."""
    endless = Endless()
    refused = await refusal(post(chunks=Chunks(endless.more)))
    assert (refused.status, endless.read) == (413, 1100)


@pytest.mark.parametrize("length", ["1001", "10000000", "0" * 5000 + "1001"])
async def test_a_length_that_is_too_large(length: str) -> None:
    """A body that says that it is too large is not read at all, unless it says so in thousands of digits."""
    endless = Endless()
    refused = await refusal(post(chunks=Chunks(endless.more), more=[("Content-Length", length)]))
    assert (refused.status, endless.read) == (413, 0 if len(length) < 4000 else 1100)


@pytest.mark.parametrize("length", ["1000", "0", "-5", "", "many", "\udcff"])
async def test_any_other_length(length: str) -> None:
    """What else is said of the length does not matter, and a body of exactly the greatest size will do."""
    body = BODY + b"&Long=" + b"a" * (1000 - len(BODY) - 6)
    assert len(body) == 1000
    assert await event_of(post(body, more=[("Content-Length", length)]))
    assert (await refusal(post(body + b"a"))).status == 413


@pytest.mark.parametrize(
    ("signatures", "status"), [([], 400), ([""], 400), (["x", "x"], 403), (["x"], 403), (["\udcff"], 403)]
)
async def test_signatures(signatures: list[str], status: int) -> None:
    """No signature is 400, and the body is not read; more than one, or a wrong one, is 403."""
    more = [("X-Twilio-Signature", signature) for signature in signatures]
    assert (await refusal(post(BODY, without="X-Twilio-Signature", more=more))).status == status


async def test_the_right_signature_twice() -> None:
    """A signature that is repeated is 403 even if it is right: nobody says which one counts."""
    more = [("X-Twilio-Signature", sign(URL, AUTH_TOKEN, params=FIELDS))]
    assert (await refusal(post(BODY, more=more))).status == 403


@pytest.mark.parametrize(
    "params", [FIELDS[1:], [*FIELDS, ("Author", "smee")], [], [*FIELDS[:-1], ("Empty", "1")]]
)
async def test_what_was_changed(params: list[tuple[str, str]]) -> None:
    """A form that is not the one that was signed is 403."""
    refused = await refusal(post(BODY, params=params))
    assert (refused.status, refused.reason) == (403, "wrong signature")


@pytest.mark.parametrize("body", [b"Body=\xff", b"Body=%FF", b"B%C3=1", b"&".join([b"a=1"] * 1001)])
async def test_a_form_that_cannot_be_read(body: bytes) -> None:
    """A form that is not UTF-8, or has more than 1,000 fields, is 400."""
    assert (await refusal(post(body, params=[]), max_body_size=10_000)).status == 400


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"Body=100%", "100%"),
        (b"Body=%zz%4", "%zz%4"),
        ("Body=ä".encode(), "ä"),
        (b"Body=a=b;c=d", "a=b;c=d"),
        (b"&&Body=%00%0A&", "\0\n"),
        (b"Body", ""),
    ],
)
async def test_an_odd_form(body: bytes, text: str) -> None:
    """An escape that is none stays as it is, and so does what needs none."""
    fields = [("EventType", "onTomorrow"), ("Body", text)]
    event = await event_of(post(b"EventType=onTomorrow&" + body, params=fields))
    assert isinstance(event, UnknownEvent)
    assert event.extra["Body"] == text


@pytest.mark.parametrize("body", [b"", b"Body=private", b"EventType=onMessageAdded&Index=private"])
async def test_no_event(body: bytes) -> None:
    """What is signed and yet tells of no event is 400, and the reason holds no value."""
    refused = await refusal(post(body))
    assert refused.status == 400
    assert "private" not in refused.reason


@pytest.mark.parametrize(
    ("public_url", "target", "signed"),
    [
        (URL, "/inner/path", URL),
        (URL, "/inner?a=%27&b=+&c", URL + "?a=%27&b=+&c"),
        (URL, "/inner?", URL + "?"),
        (URL, "/inner?a?b", URL + "?a?b"),
        (URL + "#rc=2&rp=all?", "/", URL),
        (URL + "/", "/", URL + "/"),
        ("https://bots.example", "/hooks%2F?a", "https://bots.example/hooks%2F?a"),
        ("https://bots.example/", "/hooks", URL),
        ("https://bots.example#rc=2", "/hooks", URL),
        ("HTTP://Bots.Example:8080", "/", "HTTP://Bots.Example:8080/"),
        ("https://me:p%40ss@bots.example/a", "/", "https://me:p%40ss@bots.example/a"),
        ("https://[::1]:8443/a%2Fb", "/", "https://[::1]:8443/a%2Fb"),
        (None, "/a%2Fb?x=%7E", "http://inner:8080/a%2Fb?x=%7E"),
        (None, "//double", "http://inner:8080//double"),
        (None, "/ä?ö", "http://inner:8080/ä?ö"),
        (None, "http://other.example/hooks?a", "http://inner:8080/hooks?a"),
        (None, "HTTPS://other.example", "http://inner:8080/"),
        (None, "http://other.example?a", "http://inner:8080/?a"),
        (None, "*", "http://inner:8080/*"),
        (None, "", "http://inner:8080/"),
    ],
)
async def test_the_signed_url(public_url: str | None, target: str, signed: str) -> None:
    """The public URL takes the query of the request, an origin its path, too; byte for byte, as all else."""
    assert await event_of(post(BODY, signed=signed, target=target), public_url)
    assert (
        await refusal(post(BODY, signed=signed + "x", target=target), public_url=public_url)
    ).status == 403


@pytest.mark.parametrize("public_url", [URL, None])
@pytest.mark.parametrize("hosts", [[], [""], ["inner:8080", "inner:8080"]])
async def test_hosts(public_url: str | None, hosts: list[str]) -> None:
    """Without a public URL a request that names no host, or two, is 400; with it none is needed."""
    told = post(BODY, without="Host", more=[("Host", host) for host in hosts])
    if public_url is None:
        assert (await refusal(told, public_url=None)).status == 400
    else:
        assert await event_of(told, public_url)


PROXIED = [
    ([], "http://inner:8080"),
    ([("X-Forwarded-Proto", "https")], "https://inner:8080"),
    ([("X-Forwarded-Proto", "HTTPS")], "https://inner:8080"),
    ([("X-Forwarded-Proto", "http, https")], "https://inner:8080"),
    ([("X-Forwarded-Proto", "http"), ("X-Forwarded-Proto", "https")], "https://inner:8080"),
    ([("X-Forwarded-Proto", "gopher")], "http://inner:8080"),
    ([("X-Forwarded-Proto", "")], "http://inner:8080"),
    ([("X-Forwarded-Host", "bots.example")], "http://bots.example"),
    ([("X-Forwarded-Host", "evil.example, bots.example")], "http://bots.example"),
    ([("X-Forwarded-Host", "bots.example"), ("X-Forwarded-Port", "8443")], "http://bots.example:8443"),
    ([("X-Forwarded-Host", "bots.example:1"), ("X-Forwarded-Port", "8443")], "http://bots.example:1"),
    ([("X-Forwarded-Host", "[::1]"), ("X-Forwarded-Port", "8443")], "http://[::1]:8443"),
    ([("X-Forwarded-Host", "[::1]:1"), ("X-Forwarded-Port", "8443")], "http://[::1]:1"),
    ([("X-Forwarded-Host", "bots.example"), ("X-Forwarded-Port", "x")], "http://bots.example"),
    ([("Forwarded", "proto=https;host=evil.example")], "http://inner:8080"),
]


@pytest.mark.parametrize(("headers", "origin"), PROXIED)
async def test_a_trusted_proxy(headers: list[tuple[str, str]], origin: str) -> None:
    """A trusted proxy says scheme and host; the last value counts, and what cannot be read does not."""
    told: dict[str, Any] = {"more": headers, "target": "/hooks?a=1"}
    assert await event_of(post(BODY, signed=origin + "/hooks?a=1", **told), None, ["10.0.0.0/8"])
    elsewhere = (
        origin.replace("example", "invalid").replace("inner", "outer").replace("::1", "::2") + "/hooks?a=1"
    )
    refused = await refusal(
        post(BODY, signed=elsewhere, **told), public_url=None, trusted_proxies=["10.1.2.3"]
    )
    assert refused.status == 403


@pytest.mark.parametrize(("headers", "origin"), PROXIED)
@pytest.mark.parametrize(("trusted", "peer"), [([], PEER), (["10.2.0.0/16"], PEER), (["::/0"], None)])
async def test_nobody_else(
    headers: list[tuple[str, str]], origin: str, trusted: list[str], peer: str | None
) -> None:
    """What any other peer says of scheme and host is ignored, so that a signature made to fit it is 403."""
    options = {"public_url": None, "trusted_proxies": trusted}
    assert await event_of(post(BODY, signed="http://inner:8080/hooks", more=headers, peer=peer), **options)
    if origin != "http://inner:8080":
        forged = post(
            BODY, signed=origin.replace("https:", "http:").replace("inner", "x") + "/hooks", more=headers
        )
        assert (await refusal(forged, **options)).status == 403


@pytest.mark.parametrize(
    ("network", "peer", "trusted"),
    [
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.4", False),
        ("10.0.0.0/8", "::ffff:10.1.2.3", True),
        ("0.0.0.0/0", "::1", False),
        ("::1", "::1", True),
        (" FE80::/10 ", "fe80::1%eth0", True),
        ("::/0", "10.1.2.3", False),
        ("0.0.0.0/0", "", False),
        ("0.0.0.0/0", "/run/socket", False),
        ("0.0.0.0/0", "localhost", False),
        ("0.0.0.0/0", "testclient\udcff", False),
    ],
)
async def test_who_is_trusted(network: str, peer: str, *, trusted: bool) -> None:
    """Peers are compared as addresses, and one that came in as IPv6 and is IPv4 counts as IPv4."""
    signed = f"{'https' if trusted else 'http'}://inner:8080/hooks"
    told = post(BODY, signed=signed, peer=peer, more=[("X-Forwarded-Proto", "https")])
    assert await event_of(told, None, [network])


@pytest.mark.parametrize(
    "public_url",
    [
        "",
        "bots.example",
        "ftp://bots.example",
        "https://",
        "https:///hooks",
        "https://secret@",
        "https://bots.example?a=secret",
        "https://bots.example/hooks?",
        "https://bots.example/a b",
        "https://bots.example/ä",
        "https://bots.example:secret/",
        "https://bots.example:0/",
        "https://[::1/",
        " https://bots.example",
        "https://bots.example\n",
        5,
        b"https://bots.example",
    ],
)
def test_no_public_url(public_url: str) -> None:
    """What is no http or https URL, or has a query, is refused, and not shown."""
    with pytest.raises(ValueError, match=r"^public_url must be") as caught:
        reception(public_url)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize(
    "trusted", ["10.0.0.0/8", ["proxy"], ["10.0.0.1/8"], [""], [5], [None], [b"::1"], 5, None]
)
def test_no_proxies(trusted: Any) -> None:
    """What are no addresses and networks is refused."""
    with pytest.raises(ValueError, match=r"^trusted_proxies must be"):
        reception(trusted_proxies=trusted)


@pytest.mark.parametrize("size", [0, -1, True, 1.5, None])
def test_no_size(size: Any) -> None:
    """What is no whole number above zero is refused."""
    with pytest.raises(ValueError, match=r"^max_body_size must be"):
        reception(max_body_size=size)


async def test_chunks_end() -> None:
    """What a function gives is read until it gives nothing."""
    given = iter([b"a", b"b", b""])

    async def read() -> bytes:
        return next(given)

    assert [chunk async for chunk in Chunks(read)] == [b"a", b"b"]


def test_headers_of_a_reply() -> None:
    """The content type is one of the headers, where there is one."""
    assert Reply(status=200, headers={"A": "b"}).all_headers == {"A": "b"}
    assert Reply(status=200, headers={"A": "b"}, content_type="c/d").all_headers == {
        "A": "b",
        "Content-Type": "c/d",
    }


def test_nothing_of_a_request_is_shown() -> None:
    """A request does not show what it holds, nor does an answer its body."""
    assert repr(post(BODY)) == "Incoming()"
    assert "private" not in repr(Reply(status=200, body=b"private"))


class Credulous(SignatureValidator):
    """Takes every signature for right."""

    def is_valid(self, *args: Any, **named: Any) -> bool:
        """Say that it is."""
        return True


#: Surrogates too, which servers make of bytes that are no UTF-8.
texts = st.text(st.characters(exclude_categories=()), max_size=30)
fields = st.sampled_from(
    [
        *("Host", "Content-Type", "Content-Length", "X-Twilio-Signature", "Forwarded"),
        *("X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "I-Twilio-Idempotency-Token"),
    ]
)
values = texts | st.sampled_from(["https", "host=a", 'proto="https', "8080", "-1", "1,2", "[::1]", "x"])


@given(
    method=st.sampled_from(["GET", "POST"]) | texts,
    scheme=st.sampled_from(["http", "https"]) | texts,
    target=st.tuples(st.sampled_from(["", "/", "http://", "/?EventType=", "/?a=%FF"]), texts).map("".join),
    more=st.lists(st.tuples(fields, values), max_size=6),
    without=fields,
    peer=st.sampled_from([PEER, None]) | texts,
    body=st.lists(st.binary(max_size=30) | st.sampled_from([BODY, b"EventType=%00"]), max_size=3),
    validator=st.sampled_from([SignatureValidator(AUTH_TOKEN), Credulous(AUTH_TOKEN)]),
    public_url=st.sampled_from([None, URL]),
)
@deterministic
async def test_whatever_comes(
    *, body: list[bytes], validator: SignatureValidator, public_url: str | None, **told: Any
) -> None:
    """Whatever a request holds, even rightly signed, is an event or is refused, with nothing of it shown."""
    received = Reception(validator, public_url=public_url, trusted_proxies=["10.0.0.0/8"], max_body_size=1000)
    try:
        event, _ = await received.read(post(*body, params=[], **told))
    except Refused as error:
        refused = error
    else:
        assert isinstance(event, Event)
        assert isinstance(validator, Credulous)
        return
    assert refused.status in {400, 403, 405, 413, 415}
    assert is_one_line(refused.reason)
    assert refused.__cause__ is None


@given(path=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=30))
@deterministic
async def test_any_target_that_is_signed(path: str) -> None:
    """Whatever visible characters path and query have, they are signed as they are."""
    target = f"/{path}"
    assert await event_of(
        post(BODY, signed=f"http://inner:8080{target}".partition("#")[0], target=target.partition("#")[0]),
        None,
    )


@pytest.mark.parametrize("where", ["", "?tenant=5"])
async def test_a_form_is_no_query(where: str) -> None:
    """The signature of a form is not taken for that of a URL, into which somebody has written the form."""
    begins = "&" if where else "?"
    body = f"x{begins}EventType=onMessageAdded&Author=admin"
    form = {"AccountSid": "AC1", "Attributes": "{}", "Body": body}
    target = f"/hooks{where}" + "".join(name + value for name, value in form.items())
    signature = sign(f"http://inner:8080/hooks{where}", AUTH_TOKEN, params=form)
    assert sign(f"http://inner:8080{target}", AUTH_TOKEN) == signature
    told = get(target, signed=f"http://inner:8080{target}")
    refused = await refusal(told, public_url=None)
    assert (refused.status, refused.reason) == (403, "the target is no URL")


@pytest.mark.parametrize("char", [*'"<>\\^`{|}', "\x7f", "\xe4", "\udce4"])
async def test_what_no_url_holds(char: str) -> None:
    """A GET whose target has a character that is in no URL is refused, whatever its signature."""
    told = get(f"/hooks?EventType=a&a={char}", signed="http://inner:8080/hooks")
    assert (await refusal(told, public_url=None)).reason == "the target is no URL"


@given(text=st.text(st.sampled_from("a=&%+;2bCf\u00e4\x00 "), max_size=40))
@example(text="a=%e4")
@example(text="a=1&&=2&b&c=%C3%A4+%2B")
@deterministic
def test_a_form_is_read_as_the_standard_library_does(text: str) -> None:
    """Names and values are those of ``parse_qsl``, blank ones included; what it refuses is refused."""
    try:
        expected = multi_values(parse_qsl(text, keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        with pytest.raises(Refused, match="400"):
            _parse(text)
    else:
        assert _parse(text) == expected

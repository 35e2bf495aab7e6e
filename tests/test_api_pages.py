"""The JSON examples of the API's own pages: none of their fields is lost on the way into a model.

The pages and payloads lie beside the repository where it is developed, and are not part of it; without them
these tests are skipped.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from enum import Enum
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from .conftest import CONVERSATION, MESSAGE, SERVICE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conversations_async import ConversationsClient

    from .conftest import Mocked

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"
PAGES = sorted(REFERENCE.glob("api-pages/*.txt"))

#: How many examples there are at least, by the first digits of a page's name …
IN_PAGES = {"000": 2, "001": 2, "002": 5, "003": 2, "004": 1}
#: … and by the name of a file of payloads.
IN_PAYLOADS = {
    "conversation": 23,
    "conversation_with_participants": 8,
    "participant": 24,
    "message": 38,
    "delivery_receipt": 4,
    "chat_v2_message": 8,
}

pytestmark = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason=f"the API pages are not here: there is no folder {REFERENCE}"
)

#: What a page shows: a request (``GET /v1/…``, ``POST https://…/v1/…``), or an example.
SHOWN = re.compile(
    r"^(?P<method>GET|POST|DELETE) (?:https://[\w.]+)?(?P<path>/v\d/\S+)$|^1?(?P<json>\{)", re.MULTILINE
)

TOKEN = re.compile(r'(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|[^"\d-]+')

#: What the placeholders of a path stand for in the tests.
PLACES = {
    "ChatServiceSid": SERVICE,
    "ServiceSid": SERVICE,
    "ConversationSid": CONVERSATION,
    "ChannelSid": CONVERSATION,
    "MessageSid": MESSAGE,
    "Sid": "XX" + "9" * 32,
}


@attrs.frozen(kw_only=True)
class Example:
    """An answer of the API, and the request that it answers."""

    source: str
    method: str
    path: str
    body: dict[str, Any]
    status: int

    def __str__(self) -> str:
        return f"{self.source}-{self.method}-{self.path}"


def unnumbered(text: str) -> Iterator[str]:
    """Give the JSON text that a page shows with its line numbers run in: ``1{2"sid": "IM…",3"index": 0,4…``.

    Lines are counted, and only the number that is due is dropped: a number after a colon is a value, which
    has the next line's number at its end where the object closes.
    """
    line, before = 1, ""
    for token in TOKEN.finditer(text):
        piece = token[0]
        if token["number"] and (before != ":" or text[token.end()] in "}]"):
            rest = piece.removesuffix(str(line))
            due = rest != piece and (rest != "") == (before == ":")
            assert due, f"line {line} is expected, not {piece}"
            piece, line = rest, line + 1
        yield piece
        before = (before + piece).rstrip()[-1:]


def page_examples(page: Path) -> Iterator[Example]:
    """Give every JSON example of a page, with the request under which it stands."""
    text = page.read_text(encoding="utf-8")
    method = path = ""
    for found in SHOWN.finditer(text):
        if not found["json"]:
            method, path = found["method"], found["path"]
            continue
        shown = text[found.start() :]
        plain = "".join(unnumbered(shown.partition("\n")[0])) if shown.startswith("1") else shown
        body, _ = json.JSONDecoder().raw_decode(plain)
        yield Example(source=page.name[:3], method=method, path=path, body=body, status=200)


def payload_examples(name: str) -> Iterator[Example]:
    """Give every answer of a file of payloads that has a body."""
    file = REFERENCE / "payloads" / f"{name}.json"
    for one in json.loads(file.read_text(encoding="utf-8"))["examples"] if file.is_file() else ():
        for body in (one.get("response"), one.get("holodeck_response_2022")):
            if body is not None:
                yield Example(
                    source=f"{name}-{one['example']}",
                    method=one["method"],
                    path=one["path"],
                    body=body,
                    status=one["status"],
                )


FROM_PAGES = [example for page in PAGES for example in page_examples(page)]
FROM_PAYLOADS = [example for name in IN_PAYLOADS for example in payload_examples(name)]


def differences(wire: Any, value: Any, path: str) -> Iterator[str]:
    """Compare a value of a model with its JSON, field by field; say what is missing or not the same."""
    if isinstance(wire, dict) and attrs.has(type(value)):
        for key, inner in wire.items():
            name = f"{key}_" if iskeyword(key) else key
            if name in attrs.fields_dict(type(value)):
                yield from differences(inner, getattr(value, name), f"{path}.{name}")
            else:
                yield f"{path}.{name} is dropped"
    elif isinstance(wire, list) and isinstance(value, tuple) and len(value) == len(wire):
        for index, inner in enumerate(wire):
            yield from differences(inner, value[index], f"{path}[{index}]")
    elif not same(wire, value):
        yield f"{path} is {value!r} instead of {wire!r}"


def same(wire: Any, value: Any) -> bool:
    """Compare a value that has no fields with its JSON."""
    if isinstance(value, datetime):
        form = "%Y-%m-%dT%H:%M:%S.%f%z" if "." in wire else "%Y-%m-%dT%H:%M:%S%z"
        return value == datetime.strptime(wire, form).astimezone(UTC)
    if isinstance(value, Enum):
        return bool(value == value.value == wire)
    return type(value) is type(wire) and bool(value == wire)


def repository(client: ConversationsClient, path: str) -> Any:
    """Find the repository that a path belongs to."""
    if path.startswith("/v2/"):
        return client.chat.service(SERVICE).messages(CONVERSATION)
    scope = client.service(SERVICE) if path.startswith("/v1/Services/") else client
    match path.removesuffix("/{Sid}").rpartition("/")[2]:
        case "Messages":
            return scope.messages(CONVERSATION)
        case "Participants":
            return scope.participants(CONVERSATION)
        case "Receipts":
            return scope.receipts(CONVERSATION, MESSAGE)
        case "Conversations" | "ConversationWithParticipants":
            return scope.conversations
    raise LookupError(path)


async def answered(client: ConversationsClient, mocked: Mocked, example: Example) -> tuple[Any, Any]:
    """Make the call that an example answers; give the JSON, and what the library makes of it."""
    target = repository(client, example.path)
    body, place = example.body, example.path.format_map(PLACES)
    items = next((key for key in body if key != "meta"), "") if "meta" in body else ""
    if items:
        # some pages show placeholders in the envelope: "key": "string", "next_page_url": "https://example.com"
        body = body | {"meta": body["meta"] | {"key": items, "next_page_url": None}}
        place += "?PageSize=50"
    host = "chat" if place.startswith("/v2/") else "conversations"
    mocked.add(
        f"https://{host}.twilio.com{place}", method=example.method, payload=body, status=example.status
    )
    if items:
        return body[items], tuple(await target.stream().list())
    if example.method == "GET":
        return body, await target.fetch(PLACES["Sid"])
    if example.path.endswith("/{Sid}"):
        return body, await target.update(PLACES["Sid"])
    if example.path.endswith("WithParticipants"):
        return body, await target.create_with_participants()
    return body, await target.create()


@pytest.mark.parametrize("example", [*FROM_PAGES, *FROM_PAYLOADS], ids=str)
async def test_every_field_of_an_example_arrives(
    vendor: ConversationsClient, mocked: Mocked, example: Example
) -> None:
    """Every key of an example is a field of the model, with a value that is equal to the JSON's."""
    wire, value = await answered(vendor, mocked, example)
    assert list(differences(wire, value, "")) == []


def test_the_examples_were_found() -> None:
    """No fewer examples are compared than the pages and the payload files are known to have."""
    found = Counter(example.source.partition("-")[0] for example in [*FROM_PAGES, *FROM_PAYLOADS])
    assert found >= Counter(IN_PAGES | IN_PAYLOADS)
    assert len(PAGES) == len(IN_PAGES)


@pytest.mark.parametrize(
    ("shown", "plain"),
    [
        ('1{2"a": 0,3"b": "4{5}\\"6",4"c": 15}', '{"a": 0,"b": "4{5}\\"6","c": 1}'),
        ('1{2"a": {3"b": 04},5"c": [6{7"d": -18}9],10"e": 011}', '{"a": {"b": 0},"c": [{"d": -1}],"e": 0}'),
        ('1{2"a": 12,3"b": true4}', '{"a": 12,"b": true}'),
        ('1{2"a": 2e53}', '{"a": 2e5}'),
        ('1{2"a": ""3}4', '{"a": ""}'),
    ],
)  # fmt: skip
def test_line_numbers_are_told_from_values(shown: str, plain: str) -> None:
    """The line numbers that a page has run into its JSON are removed, and no digit of a value is."""
    assert "".join(unnumbered(shown)) == plain


@pytest.mark.parametrize("shown", ['1{3"a": ""4}', '1{2"a": 5}', '1{2"a": ""7}'])
def test_a_line_number_that_is_not_due_is_noticed(shown: str) -> None:
    """Where the lines do not count up, nothing is guessed."""
    with pytest.raises(AssertionError, match="is expected, not"):
        list(unnumbered(shown))

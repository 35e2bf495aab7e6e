"""The JSON examples of the API's own pages: none of their fields is lost on the way into a model.

The pages lie beside the repository where it is developed, and are not part of it; without them these tests
are skipped. The examples of the specification are for `test_specification` to read.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from .operations import OPERATIONS
from .test_specification import differences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conversations_async import ConversationsClient

    from .conftest import Mocked

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"
PAGES = sorted(REFERENCE.glob("api-pages/*.txt"))

#: How many examples there are at least, by the first digits of a page's name.
IN_PAGES = {"000": 2, "001": 2, "002": 5, "003": 2, "004": 1}

pytestmark = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason=f"the API pages are not here: there is no folder {REFERENCE}"
)

#: What a page shows: a request (``GET /v1/…``, ``POST https://…/v1/…``), or an example.
SHOWN = re.compile(
    r"^(?P<method>GET|POST|DELETE) (?:https://[\w.]+)?(?P<path>/v\d/\S+)$|^1?(?P<json>\{)", re.MULTILINE
)

TOKEN = re.compile(r'(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|[^"\d-]+')


@attrs.frozen
class Example:
    """An answer of the API, and the request that it answers."""

    source: str
    method: str
    path: str
    body: dict[str, Any]

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
        yield Example(page.name[:3], method, path, body)


EXAMPLES = [example for page in PAGES for example in page_examples(page)]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
async def test_every_field_of_an_example_arrives(
    vendor: ConversationsClient, mocked: Mocked, example: Example
) -> None:
    """Every key of an example is a field of the model, with a value that is equal to the JSON's."""
    (operation,) = [
        one
        for one in OPERATIONS
        if one.method == example.method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", one.path), example.path)
    ]
    body: Any = example.body
    key = next((key for key in body if key != "meta"), "") if operation.verb == "stream" else ""
    if key:
        # some pages show placeholders in the envelope: "key": "string", "next_page_url": "https://example.com"
        body |= {"meta": body["meta"] | {"key": key, "next_page_url": None}}
    mocked.add(re.compile(""), method=example.method, payload=body)
    value = await operation.call(vendor, operation.places, {})
    assert list(differences(body[key] if key else body, value, "")) == []


def test_the_examples_were_found() -> None:
    """No fewer examples are compared than the pages are known to have."""
    assert Counter(example.source for example in EXAMPLES) >= Counter(IN_PAGES)
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

"""JSON, and halves of surrogate pairs in it."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conversations_async import _json
from conversations_async._json import loads, mend, pieces

from .support import deterministic

#: What a text may be cut into: halves of pairs, and what looks like them.
PIECES = (r"\ud83d", r"\uDE42", r"\\", "ud83d", "ude42", r"\"", r"\u00e9", "u", "é", "🙂")


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=9))
@example(pieces=[r"\\", "ud83d", r"\uDE42"])
@example(pieces=[r"\\", r"\ud83d", r"\uDE42"])
@example(pieces=[r"\\", "ud83d"])
@deterministic
def test_halves_are_replaced_and_nothing_else(pieces: list[str]) -> None:
    """Each half of a pair that lacks the other one becomes a replacement character, and all else stays."""
    text = rf'["{"".join(pieces)}", "\ud83d"]'  # so that there is a half in any case
    found, _ = json.loads(text)
    expected = found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert loads(text) == loads(text.encode()) == [expected, "\ufffd"]


@pytest.mark.parametrize("text", [r'["\ud83d"', r'["\ud83d", NaN]', r'["\ud83d", 1e999]'])
def test_what_else_is_wrong_stays_wrong(text: str) -> None:
    """A text with half a pair that is no JSON for another reason is refused, and not shown."""
    with pytest.raises(ValueError, match=r"^no JSON: [^\\]*$"):
        loads(text)


@given(pieces_=st.lists(st.sampled_from((*PIECES, ",", " ", "[")), max_size=30))
@deterministic
def test_a_text_may_be_mended_in_pieces(pieces_: list[str]) -> None:
    """Pieces that are mended one by one make what the whole makes, wherever they are cut."""
    text = "".join(pieces_).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_json, "_PIECE", 3)
        cut = list(pieces(text))
    assert b"".join(cut) == text
    assert b"".join(map(mend, cut)) == mend(text)


def test_what_is_too_long_is_not_mended() -> None:
    """Half a pair in a text of more than 128 KiB, or in one that cannot be cut, is refused, not mended."""
    text = b'["%b"]' % (rb"\ud83d" * 30_000)
    assert [*map(mend, pieces(text))] == [text]
    with pytest.raises(ValueError, match=r"^no JSON: "):
        loads(text)

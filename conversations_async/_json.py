"""JSON as others write it: strict, but for texts that somebody cut within a surrogate pair."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What msgspec raises for what is no JSON.
NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

# These begin with what re finds fastest: a page may be long, and nothing else runs meanwhile.
_FIRST, _SECOND = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_FIRST_ALONE: Final = re.compile(rb"%b(?!%b)" % (_FIRST, _SECOND))
#: What stands before it may be no first half after all, if there is a backslash before that.
_SECOND_ALONE: Final = re.compile(rb"%b(?:(?<!%b)|(?<=\\%b))" % (_SECOND, *[_FIRST + _SECOND] * 2))
_FIRST_HALF: Final = re.compile(_FIRST)
#: No more bytes than these are mended at once: if all of them are halves, that takes some milliseconds.
_MENDED_MOST: Final = 128 * 1024
#: A text that is mended in pieces has pieces of so many bytes, or a few more.
_PIECE: Final = 16 * 1024
#: What is neither part of an escape nor comes right after a backslash.
_BREAK: Final = re.compile(rb'[^\\/"0-9A-Za-z]')


def loads(text: bytes | str) -> Any:
    """Read JSON. Half a surrogate pair, as of an emoji that was cut, becomes a replacement character.

    In a text of more than 128 KiB it does not: that is refused.

    Raises:
        ValueError: It is no JSON; the message shows nothing of it.
    """
    try:
        return msgspec.json.decode(text)
    except NOT_JSON as error:
        reason = no_json(error)
    plain = text.encode() if isinstance(text, str) else text
    if (mended := mend(plain)) != plain:
        with suppress(*NOT_JSON):  # what else is wrong is as wrong as before
            return msgspec.json.decode(mended)
    raise ValueError(reason)


def no_json(error: Exception) -> str:
    """Say in a few words why a text is no JSON, and nothing of the text."""
    return f"no JSON: {error if isinstance(error, msgspec.DecodeError) else type(error).__name__}"


def mend(text: bytes) -> bytes:
    """Put a replacement character for each half of a surrogate pair that lacks the other half.

    A text of more than 128 KiB is left as it is.
    """
    if len(text) > _MENDED_MOST or rb"\u" not in text:
        return text
    return _SECOND_ALONE.sub(_second, _FIRST_ALONE.sub(_first, text))


def pieces(text: bytes) -> Iterator[bytes]:
    """Cut a text where no escape is, so that its pieces can be mended one by one.

    One without such a place for 128 KiB is not cut any more, and its rest is too long to be mended.
    """
    start = 0
    while found := _BREAK.search(text, start + _PIECE, start + _MENDED_MOST):
        yield text[start : found.start()]
        start = found.start()
    yield text[start:]


def _first(half: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if _is_escape(half.string, half.start()) else half[0]


def _second(half: re.Match[bytes]) -> bytes:
    text, start = half.string, half.start()
    before = start - 6
    paired = before >= 0 and _FIRST_HALF.match(text, before) and _is_escape(text, before)
    return rb"\ufffd" if _is_escape(text, start) and not paired else half[0]


def _is_escape(text: bytes, start: int) -> bool:
    """Say whether the backslash here begins an escape, and is not itself the end of one."""
    end = start
    while start and text[start - 1] == ord("\\"):
        start -= 1
    return (end - start) % 2 == 0

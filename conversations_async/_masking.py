"""What may be shown of a path or a text of the API: all but telephone numbers."""

from __future__ import annotations

import re
from typing import Final

#: What looks like a number, with a plus or without; and before it, what does and is none: a SID, the code of
#: another character.
_IN_PATH: Final = re.compile(
    r"""
    ( (?<![^/]) [A-Z]{2}[0-9a-fA-F]{32} (?![^/?]) )
    | (?:\+|%2[Bb]) (?:%20|%2[89]|[().-])* [0-9] (?:%20|%2[89]|[().-]|[0-9])*
    | ( %[0-9A-Fa-f]{2} )
    | [0-9] (?: (?:%20|%2[89]|[().-]){0,3} [0-9] ){9,}
    | [0-9]{7,}
    """,
    re.VERBOSE,
)
_IN_TEXT: Final = re.compile(r"(?:\+|%2[Bb])[ (.]{0,2}[0-9](?:[ ().-]{0,3}[0-9]){6,14}")


def mask_path(path: str) -> str:
    """Put ``…`` where a path holds a telephone number: a plus, or seven digits, or ten and separators."""
    return _IN_PATH.sub(lambda found: found[1] or found[2] or "…", path)


def mask_text(text: str) -> str:
    """Put ``…`` where a text holds a telephone number with its plus."""
    return _IN_TEXT.sub("…", text)

"""JSON as others write it: strict, but for texts that somebody cut within a surrogate pair."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

_HALF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


def loads(text: bytes | str) -> Any:
    """Read JSON. Half a surrogate pair, as of an emoji that was cut, becomes a replacement character.

    Raises:
        ValueError: It is no JSON; the message shows nothing of it.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = f"no JSON: {error if isinstance(error, msgspec.DecodeError) else type(error).__name__}"
    try:
        plain = text if isinstance(text, str) else text.decode()
        if _HALF_A_PAIR.search(plain):
            # the standard library lets halves pass; whatever else is wrong, msgspec refuses again
            whole = json.dumps(json.loads(plain), ensure_ascii=False)
            return msgspec.json.decode(whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except (ValueError, RecursionError, msgspec.DecodeError):
        pass
    raise ValueError(reason)

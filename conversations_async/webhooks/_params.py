"""Which values does each parameter of a request have, whatever read them?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A mapping of texts or of sequences of them, a multi-dict of a web framework, or pairs of name and value.
Params: TypeAlias = Mapping[str, str | Sequence[str]] | Iterable[tuple[str, str]]

_BYTES = (bytes, bytearray, memoryview)


class Values(dict[str, list[str]]):
    """What ``multi_values`` gives."""

    __slots__ = ()


def multi_values(params: Params) -> Values:
    """List the values of each parameter, in the order in which they came; one that has none is left out.

    Of a multi-dict it takes all values: by ``getall``, as aiohttp names it, or by ``getlist``, as Starlette,
    Werkzeug and Django do.

    Raises:
        TypeError: These are no parameters, or a name or a value is no text; the message shows neither.
    """
    if isinstance(params, Values):
        return params
    values = Values()
    for name, value in _items(params):
        if not isinstance(name, str):
            raise TypeError(f"the name of a parameter must be a str, got a {type(name).__name__}")
        if isinstance(value, str):
            values.setdefault(name, []).append(value)
            continue
        texts = value if isinstance(value, Sequence) and not isinstance(value, _BYTES) else (value,)
        for text in texts:
            if not isinstance(text, str):
                raise TypeError(f"the value of a parameter must be a str, got a {type(text).__name__}")
            values.setdefault(name, []).append(text)
    return values


def _items(params: Any) -> Iterator[tuple[Any, Any]]:
    if hasattr(params, "keys"):
        find = getattr(params, "getall", None) or getattr(params, "getlist", None) or params.__getitem__
        # some multi-dicts name a parameter as often as it comes
        yield from ((name, find(name)) for name in dict.fromkeys(params.keys()))
        return
    if isinstance(params, (str, *_BYTES)) or not isinstance(params, Iterable):
        raise TypeError(f"params must be a mapping or pairs of texts, got a {type(params).__name__}")
    for pair in params:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError("params must be a mapping or pairs of texts")
        yield pair[0], pair[1]

"""Which rows are on a page, and how does a page name its neighbours?

A token is a key and a direction: ``PT`` and the key of the first row of the page, or ``PB`` and the key of
the row that the page ends before. It points between rows, so that it keeps its place whatever is added or
removed.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from attrs import frozen

from .errors import RequestError, malformed
from .store import Row
from .wire import parse_timestamp, timestamp

_LARGEST_SIZE: Final = 1000
_NUMBER: Final = r"\d{1,18}"
#: How each column of a key is spelled in a token, without underscores. What is not listed is a number.
_SPELLING: Final = {"state": r"[a-z]+", "created": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"}

Key = tuple[Any, ...]
#: Names and values of a query, in their order.
Pairs = Sequence[tuple[str, str]]


@frozen(kw_only=True)
class PageRequest:
    """The page that was asked for."""

    size: int
    number: int
    token: str | None
    #: Where the page begins, or, backward, what it ends before. None: at the beginning.
    key: Key | None
    backward: bool

    def start(self, *, descending: bool) -> tuple[str, Key] | None:
        """The comparison that the page's rows pass, and the key they are compared with."""
        if self.key is None:
            return None
        if self.backward:
            return (">" if descending else "<"), self.key
        return ("<=" if descending else ">="), self.key


@frozen(kw_only=True)
class Page:
    """The rows of a page and the tokens of its neighbours."""

    rows: list[Row]
    previous: str | None
    next: str | None


def read_page(query: Mapping[str, Sequence[str]], *, order: Sequence[str], size: int) -> PageRequest:
    """Read the three parameters that every list takes; ``size`` is that of a page if nothing is said."""
    size = _integer("PageSize", query.get("PageSize", [str(size)])[-1])
    if size < 1:
        raise malformed("PageSize")
    if size > _LARGEST_SIZE:
        raise RequestError(20007)
    token = query.get("PageToken", [None])[-1]
    backward, key = (False, None) if token is None else _read_token(token, order)
    # The number is only repeated and counted on; it leads nowhere without a token.
    number = _integer("Page", query.get("Page", ["0"])[-1])
    return PageRequest(size=size, number=number, token=token, key=key, backward=backward)


def cut(found: list[Row], asked: PageRequest, *, order: Sequence[str]) -> Page:
    """Make a page of what was found from its start on: up to one row more than it holds."""
    rows, beyond = found[: asked.size], found[asked.size :]
    if asked.backward:
        rows.reverse()
    first = _key(rows[0], order) if rows else asked.key
    if asked.backward:
        return Page(
            rows=rows,
            previous=_token("PB", first, order) if beyond else None,
            next=_token("PT", asked.key, order),
        )
    return Page(
        rows=rows,
        previous=None if asked.key is None else _token("PB", first, order),
        next=_token("PT", _key(beyond[0], order), order) if beyond else None,
    )


def meta(page: Page, asked: PageRequest, *, key: str, url: str, filters: Pairs) -> dict[str, Any]:
    """Write the part of a list's answer that is not its rows."""

    def link(number: int, token: str | None) -> str:
        query = [*filters, ("PageSize", str(asked.size)), ("Page", str(number))]
        if token is not None:
            query.append(("PageToken", token))
        return f"{url}?" + "&".join(f"{name}={quote(value, safe=':')}" for name, value in query)

    return {
        "page": asked.number,
        "page_size": asked.size,
        "first_page_url": link(0, None),
        "previous_page_url": page.previous and link(max(asked.number - 1, 0), page.previous),
        "url": link(asked.number, asked.token),
        "next_page_url": page.next and link(asked.number + 1, page.next),
        "key": key,
    }


def _integer(name: str, value: str) -> int:
    if not re.fullmatch(_NUMBER, value, re.ASCII):
        raise malformed(name)
    return int(value)


def _key(row: Row, order: Sequence[str]) -> Key:
    return tuple(row[column] for column in order)


def _token(direction: str, key: Key | None, order: Sequence[str]) -> str:
    parts = (
        timestamp(v, timespec="milliseconds") if c == "created" else v
        for c, v in zip(order, key or (), strict=True)
    )
    return direction + "_".join(map(str, parts))


def _read_token(token: str, order: Sequence[str]) -> tuple[bool, Key]:
    pattern = "_".join(f"({_SPELLING.get(column, _NUMBER)})" for column in order)
    match = re.fullmatch(f"(P[TB]){pattern}", token, re.ASCII)
    if match is None:
        raise RequestError(21481)
    direction, *parts = match.groups()
    try:
        key = tuple(_read_part(column, part) for column, part in zip(order, parts, strict=True))
    except ValueError as error:
        raise RequestError(21481) from error
    return direction == "PB", key


def _read_part(column: str, part: str) -> Any:
    if column == "created":
        return parse_timestamp(part)
    return part if column in _SPELLING else int(part)

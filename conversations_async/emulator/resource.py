"""In which words is the table of resources written?

A ``Resource`` says what the API does with one kind of thing. It is a value: the handlers walk it, and nothing
in it knows of HTTP. To add a resource is to write one, with its rules, to list it in
``resources/__init__.py``, and to give it a table in ``schema.py``.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final

from attrs import Factory, define, field, frozen

from .acts import Act
from .errors import RequestError, malformed, missing
from .store import Row, Store
from .wire import parse_timestamp, timestamp


class Verb(Enum):
    """What can be done with a resource."""

    LIST = auto()
    CREATE = auto()
    FETCH = auto()
    UPDATE = auto()
    DELETE = auto()


ALL_VERBS: Final = frozenset(Verb)
READ_ONLY: Final = frozenset({Verb.LIST, Verb.FETCH})


@frozen
class Param:
    """A parameter: its name on the wire, its column, how it is read, and the code of a bad value."""

    wire: str
    column: str
    parse: Callable[[str], Any]
    #: None: 20001.
    code: int | None = None
    required: bool = False
    #: Whether all values count, as a list, and not the last one alone.
    repeated: bool = False

    def value(self, text: str) -> Any:
        """Read the parameter's text."""
        try:
            return self.parse(text)
        except ValueError as error:
            raise (malformed(self.wire) if self.code is None else RequestError(self.code)) from error


@frozen
class Filter(Param):
    """A query parameter that narrows a list by comparing a column.

    One that is repeated lets through what equals any of its values.
    """

    comparison: str = "="
    #: What the column is compared with where the query says nothing; None: nothing.
    absent: Any = None


#: For whom the writes to a table are counted.
_COUNTED: Final = {
    "participants": "conversations",
    "members": "conversations",
    "messages": "conversations",
    "users": "services",
    "chat_users": "services",
    "roles": "services",
}

#: Most resources let the caller say when they were made, so that a history can be imported.
DATES: Final = (
    Param("DateCreated", "created", parse_timestamp, 50308),
    Param("DateUpdated", "updated", parse_timestamp, 50309),
)


def read(parameters: tuple[Param, ...], form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Read the parameters of a request into columns. Unknown ones are ignored; of several the last counts."""
    values = {}
    for parameter in parameters:
        if parameter.wire in form:
            texts = form[parameter.wire]
            values[parameter.column] = (
                [parameter.value(text) for text in texts]
                if parameter.repeated
                else parameter.value(texts[-1])
            )
        elif parameter.required:
            raise missing(parameter.wire)
    return values


def spell(parameters: tuple[Param, ...], columns: Mapping[str, str]) -> dict[str, list[str]]:
    """Write columns as the parameters that they are read from; the others have none here."""
    return {each.wire: [columns[each.column]] for each in parameters if each.column in columns}


@define(kw_only=True)
class Change:
    """A create, update or delete under way, as its rules see it."""

    act: Act
    #: The rows above, by table.
    above: Mapping[str, Row]
    #: The row as it is: None before a create, the written one for what follows a write.
    row: Row | None
    #: The columns to write. Rules may add to them.
    values: dict[str, Any]
    #: For what follows an update: the row as it was.
    was: Row | None = None
    #: What is to be done after the row is written, and is not in the answer.
    deferred: list[Any] = field(factory=list)
    #: What was sent, where that is no form.
    file: bytes | bytearray = b""

    @property
    def store(self) -> Store:
        """Where the rows are."""
        return self.act.store

    @property
    def now(self) -> int:
        """When it happens."""
        return self.act.now

    @property
    def written(self) -> Row:
        """The row as it was written, for what follows."""
        assert self.row is not None  # noqa: S101 - nothing follows what was not written
        return self.row

    def get(self, column: str) -> Any:
        """What a column will hold."""
        if column in self.values or self.row is None:
            return self.values.get(column)
        return self.row[column]


Rule = Callable[[Change], None]


def is_free(table: str, column: str, *, below: str, code: int) -> Rule:
    """Make the rule that a value is once in a column, below one row of another table."""

    def rule(change: Change) -> None:
        wanted = change.values.get(column)
        if wanted is None:
            return
        holder = change.store.find(table, parent=change.above[below]["id"], **{column: wanted})
        if holder is not None and (change.row is None or holder["id"] != change.row["id"]):
            raise RequestError(code)

    return rule


def as_json(*columns: str) -> Rule:
    """Make the rule that lists are kept as JSON: each value once, in the order in which they were given."""

    def rule(change: Change) -> None:
        for column in columns:
            if column in change.values:
                change.values[column] = json.dumps(list(dict.fromkeys(change.values[column])))

    return rule


@frozen(kw_only=True)
class Place:
    """Where a collection is, seen by the one who asked: what a row needs for being shown."""

    account_sid: str
    now: int
    #: Scheme and host that the client used.
    origin: str
    #: The absolute URL of what holds this and its siblings: of the service, or, where the path names none, of
    #: the version.
    scope: str
    #: The absolute URL of the collection, or of the one thing that is there, spelled with SIDs.
    url: str
    above: Mapping[str, Row]
    #: Whether the path names the service.
    in_service: bool

    def frame(self, row: Row, **links: str) -> dict[str, Any]:
        """What every row shows: SID, account, dates, URL, and links to what is below it, if there are any."""
        url = f"{self.url}/{row['sid']}"
        shown = {
            "sid": row["sid"],
            "account_sid": self.account_sid,
            "date_created": timestamp(row["created"]),
            "date_updated": timestamp(row["updated"]),
            "url": url,
        }
        return shown | ({"links": {name: f"{url}/{path}" for name, path in links.items()}} if links else {})

    def service(self) -> dict[str, Any]:
        """What a row below a conversation shows of its service: its SID, where the path names it."""
        return {"chat_service_sid": self.above["services"]["sid"]} if self.in_service else {}


_as_table: Final[Any] = Factory(lambda self: self.table, takes_self=True)


def _let_pass(_: Mapping[str, Any]) -> None:
    """Refuse no filters."""


@frozen(kw_only=True)
class Resource:
    """One kind of thing in the API.

    Attributes:
        path: The name of the collection in URLs, below the resource's parent.
        table: Where its rows are: a table or a view.
        key: The name of the list in a page.
        prefix: The two letters of its SIDs.
        name: What it is called in the names of operations, where that is not the table's name.
        alias: The column that may stand for the SID in a path.
        stored: The table that a write changes, where ``table`` is a view.
        only: The columns, and their values, of those rows of the table that are seen here.
        is_single: Whether there is one of it below its parent, and it is a part of the parent's row; or,
            without a parent, the only row of its table.
        has_shortcut: Whether a path that names no service leads to the default service's.
        order: The columns of the key by which pages are cut.
        both_ways: Whether the list takes ``Order``.
        page_size: How many rows a page has if nothing is said.
        narrow: What is checked of the filters of a list, by column.
        rules: What is checked, and completed, before a write.
        effects: What else a write brings about.
        noun: What it is called in the names of events; None: no event tells of it.
        tell: All that an event could tell of a row, given the rows above.
        fetched: How a fetch shows it, where that is more than what others show.
        is_file: Whether a create sends the thing itself, with its parameters in the query and the headers.
    """

    path: str
    table: str
    show: Callable[[Row, Place], dict[str, Any]]
    key: str = ""
    prefix: str = ""
    name: str = field(default=_as_table)
    parent: "Resource | None" = None
    alias: str | None = None
    stored: str = field(default=_as_table)
    only: Mapping[str, Any] = {}
    is_single: bool = False
    has_shortcut: bool = True
    verbs: frozenset[Verb] = ALL_VERBS
    create: tuple[Param, ...] = ()
    update: tuple[Param, ...] = ()
    filters: tuple[Filter, ...] = ()
    narrow: Callable[[Mapping[str, Any]], None] = _let_pass
    order: tuple[str, ...] = ("id",)
    both_ways: bool = False
    page_size: int = 50
    rules: Mapping[Verb, tuple[Rule, ...]] = {}
    effects: Mapping[Verb, tuple[Rule, ...]] = {}
    noun: str | None = None
    tell: "Callable[[Row, Mapping[str, Row]], dict[str, str | None]]" = field(default=None)
    fetched: Callable[[Row, Place], dict[str, Any]] | None = None
    is_file: bool = False

    @property
    def line(self) -> "tuple[Resource, ...]":
        """The resources from the topmost one down to this."""
        return (*(self.parent.line if self.parent else ()), self)

    def limited(self, verb: Verb) -> str | None:
        """For whom a write is counted where writes are limited: one conversation, one service, or nobody."""
        if self.stored == "conversations":
            return "conversations" if verb is Verb.UPDATE else "services"
        return _COUNTED.get(self.table)

    def operation(self, verb: Verb) -> str:
        """What doing it is called, such as ``messages.create``."""
        return f"{self.name}.{verb.name.lower()}"


@frozen(kw_only=True)
class Endpoint:
    """A path of the API and the resource behind it."""

    version: str
    resource: Resource
    #: Whether the path names no service and means the default one.
    shortcut: bool
    item: bool

    @property
    def pattern(self) -> str:
        """The path, with the table's name in place of each SID, which may be any text but a slash."""
        line = self.resource.line[1:] if self.shortcut else self.resource.line
        path = self.version + "".join(rf"/{step.path}/{{{step.table}:[^\x2f]+}}" for step in line)
        return path.rpartition("/")[0] if self.resource.is_single or not self.item else path

    def verb(self, method: str) -> Verb | None:
        """What an HTTP method does here; None where it does nothing."""
        verb = (_ITEM_METHODS if self.item else _COLLECTION_METHODS).get(method)
        return verb if verb in self.resource.verbs else None


_ITEM_METHODS: Final = {"GET": Verb.FETCH, "POST": Verb.UPDATE, "DELETE": Verb.DELETE}
_COLLECTION_METHODS: Final = {"GET": Verb.LIST, "POST": Verb.CREATE}


@frozen(kw_only=True)
class Version:
    """A version of the API: its prefix, its resources, and whether the default service needs no naming."""

    prefix: str
    resources: tuple[Resource, ...]
    has_shortcuts: bool

    def endpoints(self) -> Iterator[Endpoint]:
        """Every path of this version."""
        for resource in self.resources:
            has_shortcut = self.has_shortcuts and resource.has_shortcut and resource.parent is not None
            for shortcut in (False, True) if has_shortcut else (False,):
                for item in (False, True):
                    methods = _ITEM_METHODS if item else _COLLECTION_METHODS
                    if resource.verbs.intersection(methods.values()):
                        yield Endpoint(version=self.prefix, resource=resource, shortcut=shortcut, item=item)

"""In which words is the table of resources written?

A ``Resource`` says what the API does with one kind of thing. It is a value: the handlers walk it, and nothing
in it knows of HTTP. To add a resource is to write one, with its rules, to list it in
``resources/__init__.py``, and to give it a table in ``store.py``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final

from attrs import define, field, frozen

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
    """A query parameter that narrows a list by comparing a column."""

    comparison: str = "="


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


@define(kw_only=True)
class Change:
    """A create, update or delete under way, as its rules see it."""

    store: Store
    now: int
    #: The rows above, by table.
    above: Mapping[str, Row]
    #: The row as it is: None before a create, the written one for what follows a write.
    row: Row | None
    #: The columns to write. Rules may add to them.
    values: dict[str, Any]
    #: What is to be done after the row is written, and is not in the answer.
    deferred: list[Any] = field(factory=list)
    #: What was sent, where that is no form.
    file: bytes | bytearray = b""

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


@frozen(kw_only=True)
class Place:
    """Where a collection is, seen by the one who asked: what a row needs for being shown."""

    account_sid: str
    now: int
    #: Scheme and host that the client used.
    origin: str
    #: The absolute URL of the collection, spelled with SIDs.
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


@frozen(kw_only=True)
class Resource:
    """One kind of thing in the API.

    Attributes:
        path: The name of the collection in URLs, below the resource's parent.
        key: The name of the list in a page.
        prefix: The two letters of its SIDs.
        alias: The column that may stand for the SID in a path.
        order: The columns of the key by which pages are cut.
        both_ways: Whether the list takes ``Order``.
        rules: What is checked, and completed, before a write.
        effects: What else a write brings about.
        fetched: How a fetch shows it, where that is more than what others show.
        is_file: Whether a create sends the thing itself, with its parameters in the query and the headers.
    """

    path: str
    table: str
    key: str
    prefix: str
    show: Callable[[Row, Place], dict[str, Any]]
    parent: "Resource | None" = None
    alias: str | None = None
    verbs: frozenset[Verb] = ALL_VERBS
    create: tuple[Param, ...] = ()
    update: tuple[Param, ...] = ()
    filters: tuple[Filter, ...] = ()
    order: tuple[str, ...] = ("id",)
    both_ways: bool = False
    rules: Mapping[Verb, tuple[Rule, ...]] = {}
    effects: Mapping[Verb, tuple[Rule, ...]] = {}
    fetched: Callable[[Row, Place], dict[str, Any]] | None = None
    is_file: bool = False

    @property
    def line(self) -> "tuple[Resource, ...]":
        """The resources from the topmost one down to this."""
        return (*(self.parent.line if self.parent else ()), self)


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
        return path if self.item else path.rpartition("/")[0]

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
            shortcuts = (False, True) if self.has_shortcuts and resource.parent else (False,)
            for shortcut in shortcuts:
                for item in (False, True) if resource.verbs - {Verb.CREATE} else (False,):
                    yield Endpoint(version=self.prefix, resource=resource, shortcut=shortcut, item=item)

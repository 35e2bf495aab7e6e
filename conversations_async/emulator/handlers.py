"""How is a resource listed, made, fetched, changed and deleted? The same way as every other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from .acts import Act
from .errors import RequestError
from .events import EVENTS
from .pages import cut, meta, read_page
from .resource import Change, Endpoint, Place, Resource, Verb, read, spell
from .store import Row, Store
from .wire import choice, webhook_time

_Answer = tuple[int, dict[str, Any] | None]


@frozen(kw_only=True)
class Request:
    """A request whose credentials are good, freed from HTTP."""

    account_sid: str
    #: Scheme and host that the client used.
    origin: str
    #: The path as it came, and decoded.
    raw_path: str
    path: str
    #: What the path names, by table.
    names: Mapping[str, str]
    #: Every value of each name, in its order.
    query: Mapping[str, Sequence[str]]
    form: Mapping[str, Sequence[str]]
    #: What was sent, where that is no form.
    file: bytes | bytearray


@frozen(kw_only=True)
class _Call:
    act: Act
    request: Request
    resource: Resource
    place: Place

    @property
    def store(self) -> Store:
        return self.act.store

    @property
    def parent(self) -> int | None:
        return _parent(self.resource, self.place.above)

    def row(self) -> Row:
        if self.resource.is_single:
            return self.place.above.get(self.resource.table) or self.store.get(self.resource.table)
        return _find(self.store, self.resource, self.parent, self.request)

    def show(self, row_id: int) -> dict[str, Any]:
        return self.resource.show(self.store.get(self.resource.table, id=row_id), self.place)

    def count(self, verb: Verb, row: Row | None = None) -> None:
        limited = self.resource.limited(verb)
        one = None if limited is None else self.place.above.get(limited, row)
        if limited is not None and one is not None:
            self.act.count(limited, one["id"])


def answer(act: Act, endpoint: Endpoint, verb: Verb, request: Request) -> _Answer:
    """Do what a request asks for, within the transaction under way.

    Returns:
        The HTTP status and the body, None for an empty one.

    Raises:
        RequestError: The request is refused.
        AskFirst: A pre-action hook is to be asked. What has been written is not to be kept.
    """
    place = _locate(act, endpoint, request)
    call = _Call(act=act, request=request, resource=endpoint.resource, place=place)
    return _HANDLERS[verb](call)


def make(
    resource: Resource,
    act: Act,
    above: Mapping[str, Row],
    form: Mapping[str, Sequence[str]],
    file: bytes | bytearray = b"",
    *,
    sid: str | None = None,
) -> Change:
    """Create a row by the rules, within the transaction under way; a SID that is given must be free.

    Raises:
        RequestError: The rules refuse it.
        AskFirst: A pre-action hook is to be asked.
    """
    values = read(resource.create, form)
    values.setdefault("created", act.now)
    values.setdefault("updated", values["created"])
    change = Change(act=act, above=above, row=None, values=values, file=file)
    _apply(resource, Verb.CREATE, change)
    row = {**values, "sid": sid or act.new_sid(resource.prefix), "parent": _parent(resource, above)}
    _conclude(resource, Verb.CREATE, change, act.store.insert(resource.stored, row))
    return change


def change(
    resource: Resource, act: Act, above: Mapping[str, Row], row: Row, form: Mapping[str, Sequence[str]]
) -> None:
    """Update a row by the rules, within the transaction under way.

    Raises:
        RequestError: The rules refuse it.
        AskFirst: A pre-action hook is to be asked.
    """
    values = read(resource.update, form)
    is_empty = not values
    values.setdefault("updated", act.now)
    change = Change(act=act, above=above, row=row, values=values)
    _apply(resource, Verb.UPDATE, change)
    if not is_empty:
        act.store.update(resource.stored, row["id"], values)
        _conclude(resource, Verb.UPDATE, change, row["id"])


def _parent(resource: Resource, above: Mapping[str, Row]) -> int | None:
    return None if resource.parent is None else int(above[resource.parent.table]["id"])


def _locate(act: Act, endpoint: Endpoint, request: Request) -> Place:
    above: dict[str, Row] = {}
    parent = None
    scope = url = request.origin + endpoint.version
    *ancestors, resource = endpoint.resource.line
    for step in ancestors:
        if endpoint.shortcut and step.parent is None:
            row = act.store.get(step.table, is_default=1)
        else:
            row = _find(act.store, step, parent, request)
            url += f"/{step.path}/{row['sid']}"
        if step.parent is None:
            scope = url
        above[step.table], parent = row, row["id"]
    return Place(
        account_sid=request.account_sid,
        now=act.now,
        origin=request.origin,
        scope=scope,
        url=f"{url}/{resource.path}",
        above=above,
        in_service=not endpoint.shortcut,
    )


def _find(store: Store, resource: Resource, parent: int | None, request: Request) -> Row:
    name = request.names[resource.table]
    for column in filter(None, ("sid", resource.alias)):
        row = store.find(resource.table, **{"parent": parent, column: name, **resource.only})
        if row is not None:
            return row
    raise RequestError(20404, request.path)


def _list(call: _Call) -> _Answer:
    resource, query = call.resource, call.request.query
    asked = read_page(query, order=resource.order, size=resource.page_size)
    tests = [(column, "=", value) for column, value in resource.only.items()]
    repeated, descending = [], False
    if resource.both_ways and "Order" in query:
        try:
            order = choice("asc", "desc")(query["Order"][-1])
        except ValueError as error:
            raise RequestError(20001, "Order must be asc or desc") from error
        repeated.append(("Order", order))
        descending = order == "desc"
    narrowed: dict[str, Any] = {}
    for narrowing in resource.filters:
        if narrowing.wire in query:
            texts = query[narrowing.wire] if narrowing.repeated else query[narrowing.wire][-1:]
            values = [narrowing.value(text) for text in texts]
            narrowed[narrowing.column] = values
            tests.append(
                (narrowing.column, "IN", values)
                if narrowing.repeated
                else (narrowing.column, narrowing.comparison, values[0])
            )
            repeated += [
                (narrowing.wire, value if isinstance(value, str) else text)
                for value, text in zip(values, texts, strict=True)
            ]
        elif narrowing.absent is not None:
            tests.append((narrowing.column, narrowing.comparison, narrowing.absent))
    resource.narrow(narrowed)
    found = call.store.page(
        resource.table,
        parent=call.parent,
        tests=tests,
        order=resource.order,
        start=asked.start(descending=descending),
        descending=descending != asked.backward,
        limit=asked.size + 1,
    )
    page = cut(found, asked, order=resource.order)
    url = call.request.origin + call.request.raw_path
    return 200, {
        "meta": meta(page, asked, key=resource.key, url=url, filters=repeated),
        resource.key: [resource.show(row, call.place) for row in page.rows],
    }


def _create(call: _Call) -> _Answer:
    call.count(Verb.CREATE)
    form = {**call.request.form, **spell(call.resource.create, call.act.replaced)}
    made = make(call.resource, call.act, call.place.above, form, call.request.file)
    return (202 if made.deferred else 201), call.show(made.get("id"))


def _fetch(call: _Call) -> _Answer:
    return 200, (call.resource.fetched or call.resource.show)(call.row(), call.place)


def _update(call: _Call) -> _Answer:
    row = call.row()
    call.count(Verb.UPDATE, row)
    form = {**call.request.form, **spell(call.resource.update, call.act.replaced)}
    change(call.resource, call.act, call.place.above, row, form)
    return 200, call.show(row["id"])


def _delete(call: _Call) -> _Answer:
    row = call.row()
    call.count(Verb.DELETE, row)
    remove(call.resource, call.act, call.place.above, row)
    return 204, None


def remove(resource: Resource, act: Act, above: Mapping[str, Row], row: Row) -> None:
    """Delete a row by the rules, within the transaction under way, and everything below it.

    Raises:
        RequestError: The rules refuse it.
        AskFirst: A pre-action hook is to be asked.
    """
    _apply(resource, Verb.DELETE, Change(act=act, above=above, row=row, values={}))
    _tell(resource, Verb.DELETE, act, above, row)
    act.store.delete(resource.stored, row["id"])


def _apply(resource: Resource, verb: Verb, change: Change) -> None:
    for rule in resource.rules.get(verb, ()):
        rule(change)


def _conclude(resource: Resource, verb: Verb, change: Change, row_id: int) -> None:
    change.was, change.row = change.row, change.store.get(resource.table, id=row_id)
    _tell(resource, verb, change.act, change.above, change.row)
    for effect in resource.effects.get(verb, ()):
        effect(change)


def _tell(resource: Resource, verb: Verb, act: Act, above: Mapping[str, Row], row: Row) -> None:
    """Ask the hook before, and tell those after, of a row as it will be, or was at the end."""
    if resource.noun is None or not act.is_announced:
        return
    told = {**act.origin, **tell(resource, row, above), "DateRemoved": webhook_time(act.now)}
    heard = {**above, resource.stored: row}
    before, after = (f"on{resource.noun}{ending}" for ending in _ENDINGS[verb])
    if before in EVENTS:
        act.before(before, told, heard)
    if after in EVENTS:
        act.after(after, told, heard)


def tell(resource: Resource, row: Row, above: Mapping[str, Row]) -> dict[str, str | None]:
    """All that an event could tell of a row, dates included."""
    return {
        **resource.tell(row, above),
        "DateCreated": webhook_time(row["created"]),
        "DateUpdated": webhook_time(row["updated"]),
    }


_ENDINGS: Final = {
    Verb.CREATE: ("Add", "Added"),
    Verb.UPDATE: ("Update", "Updated"),
    Verb.DELETE: ("Remove", "Removed"),
}

_HANDLERS: Final[Mapping[Verb, Callable[[_Call], _Answer]]] = {
    Verb.LIST: _list,
    Verb.CREATE: _create,
    Verb.FETCH: _fetch,
    Verb.UPDATE: _update,
    Verb.DELETE: _delete,
}

"""How is a resource listed, made, fetched, changed and deleted? The same way as every other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from .errors import RequestError
from .pages import cut, meta, read_page
from .resource import Change, Endpoint, Place, Resource, Verb, read
from .store import Row, Store, new_sid
from .wire import choice

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
    store: Store
    now: int
    request: Request
    resource: Resource
    place: Place

    @property
    def parent(self) -> int | None:
        return _parent(self.resource, self.place.above)

    def row(self) -> Row:
        return _find(self.store, self.resource, self.parent, self.request)

    def show(self, row_id: int) -> dict[str, Any]:
        return self.resource.show(self.store.get(self.resource.table, id=row_id), self.place)

    def change(self, row: Row, values: dict[str, Any]) -> Change:
        return Change(store=self.store, now=self.now, above=self.place.above, row=row, values=values)


def answer(store: Store, now: int, endpoint: Endpoint, verb: Verb, request: Request) -> _Answer:
    """Do what a request asks for.

    Returns:
        The HTTP status and the body, None for an empty one.

    Raises:
        RequestError: The request is refused and nothing has changed.
    """
    place = _locate(store, now, endpoint, request)
    call = _Call(store=store, now=now, request=request, resource=endpoint.resource, place=place)
    return _HANDLERS[verb](call)


def make(
    resource: Resource,
    store: Store,
    now: int,
    above: Mapping[str, Row],
    form: Mapping[str, Sequence[str]],
    file: bytes | bytearray = b"",
) -> Change:
    """Create a row by the rules, within the transaction under way.

    Raises:
        RequestError: The rules refuse it.
    """
    values = read(resource.create, form)
    values.setdefault("created", now)
    values.setdefault("updated", values["created"])
    change = Change(store=store, now=now, above=above, row=None, values=values, file=file)
    _apply(resource, Verb.CREATE, change)
    row = {**values, "sid": new_sid(resource.prefix), "parent": _parent(resource, above)}
    _conclude(resource, Verb.CREATE, change, store.insert(resource.table, row))
    return change


def _parent(resource: Resource, above: Mapping[str, Row]) -> int | None:
    return None if resource.parent is None else int(above[resource.parent.table]["id"])


def _locate(store: Store, now: int, endpoint: Endpoint, request: Request) -> Place:
    url, above, parent = request.origin + endpoint.version, {}, None
    *ancestors, resource = endpoint.resource.line
    for step in ancestors:
        if endpoint.shortcut and step.parent is None:
            row = store.get(step.table, is_default=1)
        else:
            row = _find(store, step, parent, request)
            url += f"/{step.path}/{row['sid']}"
        above[step.table], parent = row, row["id"]
    return Place(
        account_sid=request.account_sid,
        now=now,
        origin=request.origin,
        url=f"{url}/{resource.path}",
        above=above,
        in_service=not endpoint.shortcut,
    )


def _find(store: Store, resource: Resource, parent: int | None, request: Request) -> Row:
    name = request.names[resource.table]
    for column in ("sid", resource.alias):
        row = None if column is None else store.find(resource.table, **{"parent": parent, column: name})
        if row is not None:
            return row
    raise RequestError(20404, request.path)


def _list(call: _Call) -> _Answer:
    resource, query = call.resource, call.request.query
    asked = read_page(query, order=resource.order)
    tests, repeated, descending = [], {}, False
    if resource.both_ways and "Order" in query:
        try:
            repeated["Order"] = choice("asc", "desc")(query["Order"][-1])
        except ValueError as error:
            raise RequestError(20001, "Order must be asc or desc") from error
        descending = repeated["Order"] == "desc"
    for narrowing in resource.filters:
        if narrowing.wire in query:
            asked_for = query[narrowing.wire][-1]
            value = narrowing.value(asked_for)
            tests.append((narrowing.column, narrowing.comparison, value))
            repeated[narrowing.wire] = value if isinstance(value, str) else asked_for
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
    with call.store.transaction():
        request = call.request
        change = make(call.resource, call.store, call.now, call.place.above, request.form, request.file)
    return (202 if change.deferred else 201), call.show(change.get("id"))


def _fetch(call: _Call) -> _Answer:
    return 200, (call.resource.fetched or call.resource.show)(call.row(), call.place)


def _update(call: _Call) -> _Answer:
    resource, row = call.resource, call.row()
    values = read(resource.update, call.request.form)
    is_empty = not values
    values.setdefault("updated", call.now)
    change = call.change(row, values)
    with call.store.transaction():
        _apply(resource, Verb.UPDATE, change)
        if is_empty:
            return 200, resource.show(row, call.place)
        call.store.update(resource.table, row["id"], values)
        _conclude(resource, Verb.UPDATE, change, row["id"])
    return 200, call.show(row["id"])


def _delete(call: _Call) -> _Answer:
    row = call.row()
    change = call.change(row, {})
    with call.store.transaction():
        _apply(call.resource, Verb.DELETE, change)
        call.store.delete(call.resource.table, row["id"])
    return 204, None


def _apply(resource: Resource, verb: Verb, change: Change) -> None:
    for rule in resource.rules.get(verb, ()):
        rule(change)


def _conclude(resource: Resource, verb: Verb, change: Change, row_id: int) -> None:
    change.row = change.store.get(resource.table, id=row_id)
    for effect in resource.effects.get(verb, ()):
        effect(change)


_HANDLERS: Final[Mapping[Verb, Callable[[_Call], _Answer]]] = {
    Verb.LIST: _list,
    Verb.CREATE: _create,
    Verb.FETCH: _fetch,
    Verb.UPDATE: _update,
    Verb.DELETE: _delete,
}

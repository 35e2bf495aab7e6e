"""How is made what a seed says? By the rules, level by level: first what others need."""

from collections.abc import Mapping

from .acts import Act
from .documents import at, inside
from .handlers import change, make
from .resource import Resource
from .resources import SERVICES
from .seeds import RESOURCES, Seed
from .store import Row


def plant(seed: Seed, act: Act) -> dict[str, str]:
    """Make everything in a seed, within the transaction under way, and give the SIDs by place.

    Raises:
        ValueError: The rules refuse something. The line begins with the place, after the name of its file.
    """
    with inside(seed.file):
        return _plant(seed, act)


def _plant(seed: Seed, act: Act) -> dict[str, str]:
    waiting: list[tuple[Seed, dict[str, int]]] = [(each, {}) for each in seed.below]
    made: list[tuple[Resource, Seed, dict[str, int], int]] = []
    sids = {}
    for resource in RESOURCES:
        for each, above in [entry for entry in waiting if entry[0].resource is resource]:
            if resource.parent is not None and not above:
                above[SERVICES.table] = act.store.get(SERVICES.table, is_default=1)["id"]
            with at(each.place):
                row = _make(each, resource, act, _rows(act, above))
            if not resource.is_single:
                sids[each.place] = str(row["sid"])
            made.append((resource, each, above, row["id"]))
            waiting += [(child, {**above, resource.table: row["id"]}) for child in each.below]
    # Those below first: what they are below may then be closed.
    for resource, each, above, row_id in reversed(made):
        if each.later:
            with at(each.place):
                row = act.store.get(resource.table, id=row_id)
                change(resource, act, _rows(act, above), row, each.later)
            # It is a part of the making, and no update that would be dated.
            act.store.update(resource.stored, row_id, {"updated": row["updated"]})
    # A webhook that is to hear of earlier messages hears of those to come alone.
    act.calls.clear()
    return sids


def _make(seed: Seed, resource: Resource, act: Act, above: Mapping[str, Row]) -> Row:
    if resource.is_single:
        row = above.get(resource.table) or act.store.get(resource.table)
        change(resource, act, above, row, seed.form)
        return row
    if seed.sid is not None and act.store.find(resource.stored, sid=seed.sid) is not None:
        raise ValueError(f"{seed.place}.sid: {seed.sid} is there already")
    made = make(resource, act, above, seed.form, sid=seed.sid)
    return act.store.get(resource.table, id=made.get("id"))


def _rows(act: Act, ids: Mapping[str, int]) -> dict[str, Row]:
    # Read anew each time: what was made before may have changed them.
    return {table: act.store.get(table, id=row_id) for table, row_id in ids.items()}

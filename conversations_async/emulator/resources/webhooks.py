"""What does the API do with a webhook of one conversation?"""

import json
from typing import Any, Final

from ..errors import RequestError
from ..events import EVENTS
from ..handlers import tell
from ..resource import Change, Param, Place, Resource, Verb, as_json
from ..store import Row
from ..wire import choice, integer, sid, text, web_address
from .conversations import CONVERSATIONS, conversation_is_open
from .messages import MESSAGES

_MOST: Final = 5
_MOST_TRIGGERS: Final = 5
#: No limit is published; 50372 is the code of a longer URL.
_LONGEST_URL: Final = 2048
#: What each kind of webhook needs, and the code of what is missing. None speaks of a missing flow.
_NEEDED: Final = {
    "webhook": {"url": 50369, "filters": 50370},
    "trigger": {"url": 50369, "triggers": 50371},
    "studio": {"flow_sid": 50367},
}
#: The post-action events of which a webhook of one conversation can hear: all that happen within it. So they
#: are documented for those that an address configuration makes.
EVENTS_WITHIN: Final = tuple(
    name
    for name, told in EVENTS.items()
    if name.endswith("ed") and "ConversationSid" in told and name != "onConversationAdded"
)


def _show(row: Row, place: Place) -> dict[str, Any]:
    return {
        **place.frame(row),
        **place.service(),
        "conversation_sid": place.above["conversations"]["sid"],
        "target": row["target"],
        "configuration": _configuration(row),
    }


def _configuration(row: Row) -> dict[str, Any]:
    if row["target"] == "studio":
        return {"flow_sid": row["flow_sid"]}
    # The keywords of a trigger are shown as filters, too.
    heard = row["filters" if row["target"] == "webhook" else "triggers"]
    shown = {"url": row["url"], "method": row["method"], "filters": json.loads(heard)}
    return shown if row["replay_after"] is None else {**shown, "replay_after": row["replay_after"]}


def _is_one_of_few(change: Change) -> None:
    hooks = change.store.rows("webhooks", parent=change.above["conversations"]["id"])
    if len(hooks) >= _MOST:
        raise RequestError(50361)


def _is_complete(change: Change) -> None:
    target = change.get("target")
    if target is None:
        raise RequestError(50368)
    # Assumed: what is of no use to this kind of webhook is ignored.
    for column, code in _NEEDED[target].items():
        if change.get(column) is None:
            raise RequestError(code)


def _take_method(change: Change) -> None:
    # Assumed; no default is documented.
    change.values.setdefault("method", "post")


def _has_few_triggers(change: Change) -> None:
    if len(change.values.get("triggers", ())) > _MOST_TRIGGERS:
        raise RequestError(50362)


def _replay(change: Change) -> None:
    # From the message of this index on, and not after it, whatever the parameter's name says.
    hook, first = change.row, change.get("replay_after")
    if hook is None or first is None:
        return
    messages = change.store.page(
        "messages",
        parent=change.above["conversations"]["id"],
        tests=[],
        order=MESSAGES.order,
        start=(">=", (first,)),
        descending=False,
        limit=change.above["conversations"]["next_position"],
    )
    for message in messages:
        change.act.tell(hook, "onMessageAdded", tell(MESSAGES, message, change.above))


def _url(value: str) -> str | None:
    if len(value) > _LONGEST_URL:
        raise RequestError(50372)
    return web_address(value)


def _trigger(value: str) -> str:
    if not value:
        raise ValueError(value)
    return text(256)(value)


_EDITABLE: Final = (
    Param("Configuration.Url", "url", _url),
    Param("Configuration.Method", "method", choice("get", "post"), 50055),
    Param("Configuration.Filters", "filters", choice(*EVENTS_WITHIN), 50365, repeated=True),
    Param("Configuration.Triggers", "triggers", _trigger, 50366, repeated=True),
    Param("Configuration.FlowSid", "flow_sid", sid("FW"), 50367),
)
_lists = as_json("filters", "triggers")

WEBHOOKS: Final = Resource(
    path="Webhooks",
    table="webhooks",
    key="webhooks",
    prefix="WH",
    show=_show,
    parent=CONVERSATIONS,
    create=(
        Param("Target", "target", choice(*_NEEDED), 50364),
        *_EDITABLE,
        Param("Configuration.ReplayAfter", "replay_after", integer),
    ),
    update=_EDITABLE,
    page_size=5,
    rules={
        Verb.CREATE: (
            conversation_is_open,
            _is_complete,
            _has_few_triggers,
            _is_one_of_few,
            _take_method,
            _lists,
        ),
        Verb.UPDATE: (conversation_is_open, _is_complete, _has_few_triggers, _lists),
        Verb.DELETE: (conversation_is_open,),
    },
    effects={Verb.CREATE: (_replay,)},
)

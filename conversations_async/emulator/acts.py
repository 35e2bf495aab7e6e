"""Who does something, with what, when, and who hears of it?"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import define, evolve, field, frozen

from .carrier import Carrier
from .events import SOURCELESS, pick
from .limits import UNLIMITED, Meter
from .store import Row, Store, new_sid


@frozen(kw_only=True)
class Call:
    """A webhook request to make."""

    event: str
    #: None: a Studio flow, which is noted and not called.
    url: str | None
    #: ``GET`` or ``POST``.
    method: str
    form: Mapping[str, str]
    #: The scoped webhook; None for those of the service and the account.
    webhook_sid: str | None = None
    flow_sid: str | None = None


class AskFirst(Exception):  # noqa: N818 - it is a question, and no error
    """An act that must not be kept before a pre-action hook has been asked."""

    def __init__(self, call: Call) -> None:
        super().__init__(call.event)
        self.call = call


#: The source of what the REST API does.
API: Final = "API"


@define(kw_only=True)
class Act:
    """Something that somebody does."""

    store: Store
    #: Milliseconds since 1970.
    now: int
    account_sid: str
    source: str = API
    #: The chat user who did it, if one did.
    client_identity: str | None = None
    #: Whether webhooks hear of it.
    is_announced: bool = False
    #: Whether pre-action hooks are to be asked before it is kept.
    asks: bool = False
    #: Of which event those were asked that have been asked already, and what each replaces, by column.
    answers: Sequence[tuple[str, Mapping[str, str]]] = ()
    #: The SIDs that were made up when this was done before a hook was asked: it is told what will be.
    sids: list[str] = field(factory=list)
    carrier: Carrier = field(factory=Carrier)
    #: What is told besides of a conversation that an inbound message makes.
    origin: Mapping[str, str | None] = {}
    meter: Meter = UNLIMITED
    #: The webhooks to call once it is kept.
    calls: list[Call] = field(factory=list)
    _questions: Counter[str] = field(factory=Counter, init=False)
    _made_up: int = field(default=0, init=False)

    @property
    def replaced(self) -> Mapping[str, str]:
        """What pre-action hooks have replaced, by column."""
        return {column: text for _, answer in self.answers for column, text in answer.items()}

    def new_sid(self, prefix: str) -> str:
        """Make up a SID, the same one wherever this is done again."""
        known = self.sids[self._made_up : self._made_up + 1]
        if not known or not known[0].startswith(prefix):
            self.sids[self._made_up :] = known = [new_sid(prefix)]
        self._made_up += 1
        return known[0]

    def count(self, table: str, row_id: int) -> None:
        """Count a write against the limits, unless that was done before a hook was asked.

        Raises:
            RequestError: 50063. It is one too many.
        """
        if not self.answers:
            self.meter.count(table, row_id, self.now)

    def before(self, name: str, told: Mapping[str, str | None], above: Mapping[str, Row]) -> None:
        """Ask a pre-action hook, if there is one.

        Raises:
            AskFirst: There is, and it has not been asked.
        """
        if not self.asks:
            return
        layer = _layer(self.store, above["services"])
        if layer["pre_webhook_url"] and _listens(layer, name):
            self._questions[name] += 1
            if self._questions[name] <= sum(event == name for event, _ in self.answers):
                return
            raise AskFirst(self._call(name, told, layer["pre_webhook_url"], layer["webhook_method"]))

    def after(self, name: str, told: Mapping[str, str | None], above: Mapping[str, Row]) -> None:
        """Tell every webhook that listens."""
        if not self.is_announced:
            return
        layer = _layer(self.store, above["services"])
        if layer["post_webhook_url"] and _listens(layer, name):
            self.calls.append(self._call(name, told, layer["post_webhook_url"], layer["webhook_method"]))
        if "conversations" in above:
            for hook in self.store.rows("webhooks", parent=above["conversations"]["id"]):
                self.tell(hook, name, told)

    def tell(self, hook: Row, name: str, told: Mapping[str, str | None]) -> None:
        """Tell one webhook of a conversation, if it listens."""
        if _is_for(hook, name, told.get("Body") or ""):
            call = self._call(name, told, hook["url"], hook["method"])
            self.calls.append(evolve(call, webhook_sid=hook["sid"], flow_sid=hook["flow_sid"]))

    def _call(self, name: str, told: Mapping[str, str | None], url: str | None, method: str | None) -> Call:
        form = {"AccountSid": self.account_sid, "EventType": name}
        if name not in SOURCELESS:
            form["Source"] = self.source
        if self.client_identity is not None:
            form["ClientIdentity"] = self.client_identity
        return Call(event=name, url=url, method=(method or "POST").upper(), form=form | pick(name, told))


def _layer(store: Store, service: Row) -> Row:
    """Give what says where webhooks go: a service that has any of its own, or the account."""
    own = service["pre_webhook_url"] or service["post_webhook_url"]
    return service if own else store.get("accounts")


def _listens(layer: Row, name: str) -> bool:
    # Assumed: where no filters were ever set, every event is sent.
    return layer["webhook_filters"] is None or name in json.loads(layer["webhook_filters"])


def _is_for(hook: Row, name: str, body: str) -> bool:
    if hook["target"] == "webhook":
        return name in _texts(hook["filters"])
    if name != "onMessageAdded":
        return False
    # Assumed: a keyword is found in any case, and within words.
    return hook["target"] == "studio" or any(
        word.casefold() in body.casefold() for word in _texts(hook["triggers"])
    )


def _texts(listed: str | None) -> Sequence[str]:
    return () if listed is None else json.loads(listed)

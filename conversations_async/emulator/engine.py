"""What happens, in which order, and what follows from it?

One thing happens at a time: everything here is done under one lock, whoever asks and in whichever thread, and
nothing waits while it is held. Before anything else is done, the timers that have ended fire.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from attrs import define, field

from .acts import API, Act, AskFirst
from .carrier import Carrier
from .clock import Clock
from .documents import require
from .errors import RequestError
from .handlers import make
from .limits import Limits, Meter
from .planting import plant
from .resources import BY_ITSELF, SERVICES
from .seeds import Seed
from .store import Store, new_sid
from .webhooks import Courier

_T = TypeVar("_T")


@define(kw_only=True, eq=False)
class Engine:
    """The state of the emulator, and the one way in which it changes."""

    database: str
    clock: Clock
    courier: Courier
    carrier: Carrier
    limits: Limits
    #: Whether pre-action hooks are asked about what the REST API does, too.
    asks_for_rest: bool
    #: Where the account's post-action webhooks go from the start, and its pre-action ones if REST asks them.
    webhook_url: str | None
    #: What is there from the start, beside the default service.
    seed: Seed | None = None
    store: Store = field(init=False)
    #: How often data were brought back. What began before is not done after.
    era: int = field(default=0, init=False)
    #: Whose turn it is to bring in a message, by the addresses it goes from and to.
    turns: dict[tuple[str, str | None], asyncio.Lock] = field(factory=dict, init=False)
    _lock: threading.RLock = field(factory=threading.RLock, init=False)
    _meter: Meter = field(init=False)
    #: What happens next by itself: when, and the table and id of its row.
    _due: tuple[int, str, int] | None = field(default=None, init=False)
    _is_open: bool = field(default=False, init=False)
    _loop: asyncio.AbstractEventLoop = field(init=False)
    _alarm: asyncio.Handle = field(init=False)
    #: The state at the start, and when that was; None in a database that was not new then.
    _pristine: tuple[bytes, int] | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        """Refuse what only looks like a setting: an empty carrier, or a word that means no."""
        require("carrier", self.carrier, "a Carrier", fits=isinstance(self.carrier, Carrier))
        is_flag = isinstance(self.asks_for_rest, bool)
        require("pre_webhooks_for_rest", self.asks_for_rest, "True or False", fits=is_flag)

    def open(self) -> None:
        """Open the database, in the loop in which timers are to fire.

        Raises:
            ValueError: It cannot be used, or something else wrote it; or the rules refuse the seed.
        """
        self.store = Store(self.database)
        self._meter = Meter(self.limits)
        self._loop = asyncio.get_running_loop()
        self._alarm = self._loop.call_soon(lambda: None)
        self.clock.turned = self._turned
        self._is_open = True
        try:
            if self.store.find("services", is_default=1) is None:
                self.perform_now(self._lay_out)
                self._pristine = self.image(), self.clock.now()
            self._look_ahead()
            self._catch_up()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._is_open = False
            self._alarm.cancel()
            self.clock.turned = lambda: None
            self.store.close()

    def look(self, work: Callable[[Act], _T], **named: Any) -> _T:
        """Let something be read."""
        with self._lock:
            self._catch_up()
            return work(self._act(self.clock.now(), **named))

    async def perform(self, work: Callable[[Act], _T], *, era: int, **named: Any) -> _T:
        """Let something be done, and its webhooks be called: wholly, or, after an exception, not at all.

        What a pre-action hook is to see is done, taken back, shown to the hook, and done again with what the
        hook replaced; and so on with the next hook.

        Args:
            work: What is done. It is called once, and once more for each hook.
            era: When it began: it is not done in data that were brought back since.
            **named: In whose name: attributes of the act.

        Raises:
            RequestError: It is refused, by the rules or by a hook.
        """
        answers: list[tuple[str, Mapping[str, str]]] = []
        sids: list[str] = []
        while True:
            try:
                return self.perform_now(work, era=era, asks=True, answers=answers, sids=sids, **named)
            except AskFirst as question:
                answers.append((question.call.event, await self.courier.ask(question.call)))

    def perform_now(
        self, work: Callable[[Act], _T], *, era: int | None = None, asks: bool = False, **named: Any
    ) -> _T:
        """Let something be done without waiting for anybody.

        Raises:
            AskFirst: If it ``asks``: there is a pre-action hook to ask first, and nothing has been done.
            RequestError: It is refused.
        """
        with self._lock:
            if era is not None and era != self.era:
                raise RequestError(20500)
            self._catch_up()
            act = self._act(self.clock.now(), **named)
            act.asks = asks and act.is_announced and (act.source != API or self.asks_for_rest)
            with self.store.transaction():
                result = work(act)
            self._publish(act)
            return result

    def image(self) -> bytes:
        """Copy the state as it is now."""
        with self._lock:
            return self.store.image()

    def restore(self, image: bytes) -> None:
        """Bring a state back."""
        with self._lock:
            self.era += 1
            self.store.restore(image)
            self._meter = Meter(self.limits)
            self._look_ahead()

    def plant(self, seed: Seed) -> dict[str, str]:
        """Make everything in a seed, of which no webhook hears, and give the SIDs by place.

        Raises:
            ValueError: The rules refuse something, and nothing has been made.
        """
        return self.perform_now(lambda act: plant(seed, act))

    @property
    def is_new(self) -> bool:
        """Whether the database was new when this began."""
        return self._pristine is not None

    def reset(self) -> None:
        """Go back to the data of the start and to the real time, with nothing under way.

        Raises:
            ValueError: The database held data of an earlier run, which are not thrown away so easily.
        """
        if self._pristine is None:
            raise ValueError(
                "the database held data already: go back with a snapshot, or begin with a new file"
            )
        self.clock.reset()
        image, then = self._pristine
        with self._lock:
            self.restore(image)
            # What was to happen some time after the start happens as long after now.
            self.store.postpone(self.clock.now() - then)
            self._look_ahead()
        self.turns.clear()
        self.carrier.reset()
        self.courier.forget()

    def _act(self, now: int, *, account_sid: str | None = None, **named: Any) -> Act:
        return Act(
            store=self.store,
            now=now,
            account_sid=account_sid or self.courier.account_sid,
            carrier=self.carrier,
            meter=self._meter,
            **named,
        )

    def _publish(self, act: Act) -> None:
        self._look_ahead()
        for call in act.calls:
            self.courier.post(call)

    def _catch_up(self) -> None:
        """Let everything happen that is due by now."""
        while self._due is not None and self._due[0] <= self.clock.now():
            now, table, row_id = self._due
            act = self._act(now, is_announced=True)
            with self.store.transaction():
                BY_ITSELF[table](act, self.store.get(table, id=row_id))
            self._publish(act)

    def _look_ahead(self) -> None:
        """See what happens next by itself, and when."""
        due = self.store.next_due()
        if due != self._due:
            self._due = due
            self._wake_up()

    def _turned(self) -> None:
        with self._lock:
            self._catch_up()
            self._wake_up()

    def _wake_up(self) -> None:
        self._loop.call_soon_threadsafe(self._set_alarm)

    def _set_alarm(self) -> None:
        with self._lock:
            self._alarm.cancel()
            if self._due is not None and self._is_open:
                delay = max(self._due[0] - self.clock.now(), 0) / 1000
                self._alarm = self._loop.call_later(delay, self._ring)

    def _ring(self) -> None:
        with self._lock:
            self._catch_up()
            self._set_alarm()

    def _lay_out(self, act: Act) -> None:
        """Make the account and its default service."""
        dates = {"created": act.now, "updated": act.now}
        hooks = {"post_webhook_url": self.webhook_url, "webhook_method": "POST"}
        if self.asks_for_rest:
            hooks["pre_webhook_url"] = self.webhook_url
        self.store.insert("accounts", {"sid": new_sid("AC"), **dates, **(hooks if self.webhook_url else {})})
        service = make(SERVICES, act, {}, {"FriendlyName": ["Default Conversations Service"]})
        self.store.update("services", service.get("id"), {"is_default": 1})
        if self.seed is not None:
            plant(self.seed, act)

"""Whatever is created, changed, deleted and listed in any order: a plain model gives the same answers."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations_async.emulator import Emulator

from .conftest import ACCOUNT_SID, AUTH_TOKEN
from .emulator_model import (
    ALIASES,
    CHAT,
    DATES,
    GROUP_MMS,
    KINDS,
    MINUTE,
    NAMES,
    NOON,
    PHONES,
    PLACES,
    PROXIES,
    TIMERS,
    Model,
    Refused,
    Thing,
)
from .support import deterministic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Step = TypeVar("_Step", bound="Callable[..., None]")

#: Ways to ask for a thing: with its service, without where that is the default one, and as Chat.
PLAIN: Final = "plain"
SHORT: Final = "short"
CHANNEL: Final = "channel"
MANY: Final = 30
FORWARD: Final = False
BACK: Final = True


class Api:
    """A connection, kept open."""

    def __init__(self, url: str) -> None:
        self.origin = url
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        token = base64.b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {token}",
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def call(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, Any]:
        """Send a request."""
        body = None if form is None else urlencode(form)
        self._connection.request(method, path.removeprefix(self.origin), body, self._headers)
        response = self._connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


@define(eq=False)
class Listing:
    """A page that was read, and where its neighbours begin."""

    kind: str
    above: Thing
    size: int
    way: str
    is_descending: bool
    #: The state, or, as Chat, the type.
    only: str | None
    rows: list[Any] = field(factory=list)
    #: The link forward and the one back, and the key to which each holds on.
    links: dict[bool, tuple[str, Any] | None] = field(factory=dict)

    @property
    def path(self) -> str:
        """The path of its first page."""
        query: dict[str, Any] = {"PageSize": self.size}
        if self.is_descending:
            query["Order"] = "desc"
        if self.only is not None:
            query["Type" if self.way == CHANNEL else "State"] = self.only
        return f"{path_of(self.above, self.way)}/{word(self.kind, self.way)}?{urlencode(query)}"

    def cut(self, rows: list[Any], key: Any, *, is_back: bool) -> tuple[list[Any], list[Any]]:
        """Give the rows of a page, the first one for no key, and what is beyond it."""
        if key is None:
            kept = rows
        elif is_back:
            kept = [row for row in rows if (row.key > key if self.is_descending else row.key < key)]
            return kept[-self.size :], kept[: -self.size]
        else:
            kept = [row for row in rows if (row.key <= key if self.is_descending else row.key >= key)]
        return kept[: self.size], kept[self.size :]


def path_of(thing: Thing, way: str = PLAIN) -> str:
    """The path of something: below its service, or without, if it is short and that is the default one."""
    if thing.above is None or (way == SHORT and thing.kind == "services" and thing.is_default):
        return "/v2" if way == CHANNEL else "/v1"
    name = thing.sid or thing.fields[ALIASES[thing.kind]]
    return f"{path_of(thing.above, way)}/{word(thing.kind, way)}/{quote(name, safe='')}"


def word(kind: str, way: str) -> str:
    """What a kind is called in paths."""
    name = "Conversations" if kind == "memberships" else KINDS[kind][0]
    return (
        {"Conversations": "Channels", "Participants": "Members"}.get(name, name) if way == CHANNEL else name
    )


def translated(kind: str, form: dict[str, str], way: str) -> tuple[dict[str, str], dict[str, str]]:
    """Give a form in the words of Conversations, without what cannot be said that way, and as it is sent."""
    if way != CHANNEL:
        form = {name: value for name, value in form.items() if name not in ("Type", "LastUpdatedBy")}
        return form, form
    said = {theirs: form[ours] for theirs, ours in CHAT[kind].items() if form.get(ours, "null") != "null"}
    return {CHAT[kind][name]: value for name, value in said.items()}, said


def maybe(**values: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, str]]:
    """Some of these parameters; two underscores stand for a dot."""
    return st.fixed_dictionaries({}, optional=values).map(
        lambda form: {name.replace("__", "."): value for name, value in form.items()}
    )


attributes = st.sampled_from(("{}", '{"a": 1}', "[]", "null", '"é"', "{"))
names = st.sampled_from(NAMES)
texts = st.sampled_from(("", "Ahoy", "ö 🦜&=+%"))
timers = st.sampled_from((*TIMERS, "PT59S"))
states = st.sampled_from(("active", "inactive", "inactive", "closed", "closed", "asleep"))
conversation_forms = (
    maybe(
        UniqueName=st.just("") | names,
        FriendlyName=texts,
        State=states,
        DateCreated=st.sampled_from(tuple(DATES)),
        Type=st.sampled_from(("public", "private")),
    )
    | maybe(Timers__Inactive=timers, Timers__Closed=st.sampled_from(tuple(TIMERS)))
    | states.map(lambda state: {"State": state})
)
participant_forms = (
    names.map(lambda who: {"Identity": who})
    | st.fixed_dictionaries(
        {
            "MessagingBinding.Address": st.sampled_from(PHONES),
            "MessagingBinding.ProxyAddress": st.sampled_from(PROXIES),
        },
    )
    | maybe(
        Identity=names,
        Attributes=attributes,
        MessagingBinding__Address=st.sampled_from(PHONES),
        MessagingBinding__ProxyAddress=st.sampled_from(PROXIES),
    ).filter(lambda form: form.keys() & GROUP_MMS != {"MessagingBinding.Address"})
)
authors = st.sampled_from((*NAMES, *PHONES, "nobody"))
message_forms = maybe(Body=texts, Author=authors, Attributes=attributes, LastUpdatedBy=names) | texts.map(
    lambda text: {"Body": text}
)
user_forms = st.builds(
    lambda who, rest: {"Identity": who, **rest}, names, maybe(FriendlyName=texts, Attributes=attributes)
)
readings = st.sampled_from(("null", "0", "1", "7", "-1")).map(lambda index: {"LastReadMessageIndex": index})
user_updates = maybe(FriendlyName=texts, Attributes=attributes)
participant_updates = (
    maybe(Attributes=attributes)
    | names.map(lambda who: {"Identity": who})
    | st.sampled_from(PROXIES).map(lambda proxy: {"MessagingBinding.ProxyAddress": proxy})
    | readings
)
nth = st.integers(0, 3) | st.integers(0, MANY)
ways = st.sampled_from((PLAIN, SHORT, CHANNEL))


#: The names and the arguments of what can be done.
STEPS: Final[list[st.SearchStrategy[tuple[str, dict[str, Any]]]]] = []


def step(**arguments: st.SearchStrategy[Any]) -> Callable[[_Step], _Step]:
    """Let a method be done at random, with such arguments."""

    def add(method: _Step) -> _Step:
        STEPS.append(st.tuples(st.just(method.__name__), st.fixed_dictionaries(arguments)))
        return method

    return add


class Both:
    """The same requests for the emulator and for the model."""

    def __init__(self, emulator: Emulator, api: Api) -> None:
        """Begin with a little of everything."""
        self.emulator, self.api = emulator, api
        self.emulator.reset()
        self.model = Model()
        self.listings: list[Listing] = []
        default = self.model.add("services", self.model.account, friendly_name="", is_default=True)
        (found,) = self.api.call("GET", "/v1/Services")[1]["services"]
        default.sid, default.fields["friendly_name"] = found["sid"], found["friendly_name"]
        for name in NAMES[:2]:
            self.create("conversations", default, {"UniqueName": name})
            self.create("participants", self.pick("conversations", 0), {"Identity": name})
            self.create("messages", self.pick("conversations", 0), {"Body": "Ahoy"})

    def pick(self, kind: str, n: int) -> Thing:
        """Choose one of those that there are, the first ones first, or, high up, of all that ever were."""
        made = self.model.made[kind]
        if n < MANY // 2:
            made = [thing for thing in made if thing.is_there] or made
        return made[n % len(made)]

    def compare(
        self, method: str, path: str, form: dict[str, str] | None, expected: Callable[[], Any], *, way: str
    ) -> None:
        """Ask both for the same."""
        self.look(way)
        try:
            thing, refusal = expected(), None
        except Refused as refused:
            thing, refusal = None, self.model.refusal(refused)
        status, body = self.api.call(method, path, form)
        if refusal is not None or status >= 400:
            assert (status, body and body.get("code")) == refusal
        elif thing is None:
            assert (status, body) == (204, None)
        else:
            is_new = isinstance(thing, Thing) and not thing.sid
            assert status == (201 if is_new else 200)
            if is_new:
                self.name(thing, body["sid"])
            self.same(body, self.model.show(thing))

    def look(self, way: str) -> None:
        """Be about to ask, in one of the ways."""
        self.model.advance(0)
        self.model.in_chat = way == CHANNEL

    def name(self, thing: Thing, sid: str) -> None:
        """Give what was made its SID."""
        assert sid.startswith(KINDS[thing.kind][1])
        assert all(other.sid != sid for other in self.model.made[thing.kind])
        thing.sid = sid

    @staticmethod
    def same(body: dict[str, Any], expected: dict[str, Any]) -> None:
        """Compare what can be foretold."""
        assert {name: body.get(name, "absent") for name in expected} == expected

    def create(self, kind: str, above: Thing, form: dict[str, str], way: str = PLAIN) -> None:
        """Create something, in both."""
        if kind == "participants" and way == CHANNEL:
            form = {"Identity": NAMES[0], **form}
        form, said = translated(kind, form, way)
        path = f"{path_of(above, way)}/{word(kind, way)}"
        self.compare("POST", path, said, lambda: self.model.create(kind, above, form), way=way)
        self.know_users()

    def know_users(self) -> None:
        """Learn the SIDs of the users that participants brought along."""
        for user in self.model.made["users"]:
            if not user.sid:
                self.name(user, self.api.call("GET", path_of(user))[1]["sid"])

    @step()
    def create_service(self) -> None:
        """Create a service."""
        self.create("services", self.model.account, {"FriendlyName": "another"})

    @step(n=nth, form=conversation_forms, way=ways)
    def create_conversation(self, n: int, form: dict[str, str], way: str) -> None:
        """Create a conversation."""
        self.create("conversations", self.pick("services", n), form, way)

    @step(n=nth, form=user_forms, way=ways)
    def create_user(self, n: int, form: dict[str, str], way: str) -> None:
        """Create a user."""
        self.create("users", self.pick("services", n), form, way)

    @step(n=nth, form=participant_forms, way=ways)
    def create_participant(self, n: int, form: dict[str, str], way: str) -> None:
        """Create a participant."""
        self.create("participants", self.pick("conversations", n), form, way)

    @step(n=nth, forms=st.lists(message_forms, min_size=1, max_size=3), way=ways)
    def create_messages(self, n: int, forms: list[dict[str, str]], way: str) -> None:
        """Create a few messages."""
        for form in forms:
            self.create("messages", self.pick("conversations", n), form, way)

    @step(n=nth, form=conversation_forms, way=ways)
    def update_conversation(self, n: int, form: dict[str, str], way: str) -> None:
        """Change a conversation."""
        self.update("conversations", n, form, way)

    @step(n=nth, form=user_updates, way=ways)
    def update_user(self, n: int, form: dict[str, str], way: str) -> None:
        """Change a user."""
        self.update("users", n, form, way)

    @step(n=nth, form=participant_updates, way=ways)
    def update_participant(self, n: int, form: dict[str, str], way: str) -> None:
        """Change a participant, or what it has read."""
        self.update("participants", n, form, way)

    @step(n=nth, form=message_forms, way=ways)
    def update_message(self, n: int, form: dict[str, str], way: str) -> None:
        """Change a message."""
        self.update("messages", n, form, way)

    def update(self, kind: str, n: int, form: dict[str, str], way: str) -> None:
        """Change something, in both."""
        thing = self.pick(kind, n)
        forbidden = ("Identity", "Type") if kind != "conversations" else ("Type",)
        if way == CHANNEL:
            form = {name: value for name, value in form.items() if name not in forbidden}
        form, said = translated(kind, form, way)
        self.compare("POST", path_of(thing, way), said, lambda: self.model.update(thing, form), way=way)
        self.know_users()

    @step(n=nth, of=nth, form=readings, way=ways)
    def update_membership(self, n: int, of: int, form: dict[str, str], way: str) -> None:
        """Say how far a user has read in a conversation, its own or not."""
        user, conversation, path = self.pick_membership(n, of, way)
        form, said = translated("memberships", form, way)
        self.compare(
            "POST", path, said, lambda: self.model.update_membership(user, conversation, form), way=way
        )

    @step(n=nth, of=nth, way=ways)
    def fetch_membership(self, n: int, of: int, way: str) -> None:
        """Look at a conversation as one of a user's."""
        user, conversation, path = self.pick_membership(n, of, way)
        self.compare("GET", path, None, lambda: self.model.membership(user, conversation), way=way)

    @step(n=nth, of=nth, way=ways)
    def leave(self, n: int, of: int, way: str) -> None:
        """Take a user out of a conversation."""
        user, conversation, path = self.pick_membership(n, of, way)
        self.compare("DELETE", path, None, lambda: self.model.leave(user, conversation), way=way)

    def pick_membership(self, n: int, of: int, way: str) -> tuple[Thing, Thing, str]:
        """Choose a user and the conversation of a participant, and give the path of both."""
        user = self.pick("users", of)
        conversation = self.pick("participants", n).parent
        return user, conversation, f"{path_of(user, way)}/{word('memberships', way)}/{conversation.sid}"

    @step(n=nth, kind=st.sampled_from(tuple(KINDS)), way=ways)
    def delete(self, n: int, kind: str, way: str) -> None:
        """Delete something."""
        thing = self.pick(kind, -1 - n)
        way = PLAIN if thing.kind == "services" else way
        self.compare("DELETE", path_of(thing, way), None, lambda: self.model.delete(thing), way=way)

    @step(n=nth, kind=st.sampled_from(tuple(KINDS)), way=ways)
    def fetch(self, n: int, kind: str, way: str) -> None:
        """Fetch something, deleted or not."""
        thing = self.pick(kind, n)
        way = PLAIN if thing.kind == "services" else way
        self.compare("GET", path_of(thing, way), None, lambda: self.model.fetch(thing), way=way)

    @step(n=nth, kind=st.sampled_from(tuple(ALIASES)), name=names, way=ways)
    def fetch_by_name(self, n: int, kind: str, name: str, way: str) -> None:
        """Fetch something by its unique name or identity, whether there is one or not."""
        above = self.pick(PLACES[kind], n)
        path = f"{path_of(above, way)}/{word(kind, way)}/{quote(name, safe='')}"
        self.compare("GET", path, None, lambda: self.model.find(kind, above, name), way=way)

    @step(n=nth)
    def migrate(self, n: int) -> None:
        """Make a channel private, for Conversations to see it."""
        channel = self.pick("conversations", n)
        path = path_of(channel, CHANNEL).replace("/v2/", "/v3/")
        form = {"Type": "private"}
        self.compare("POST", path, form, lambda: self.model.update(channel, form), way=CHANNEL)

    @step(by=st.sampled_from((1, 999, 1000, MINUTE - 1, MINUTE, 10 * MINUTE, 60 * MINUTE)))
    def let_time_pass(self, by: int) -> None:
        """Turn the clock."""
        self.emulator.clock.advance(seconds=by / 1000)
        self.model.advance(by)

    @step(
        n=nth,
        kind=st.sampled_from((*KINDS, "memberships", "messages", "messages")),
        size=st.integers(1, 4),
        is_descending=st.booleans(),
        state=st.none() | st.sampled_from(("active", "inactive", "closed")),
        way=ways,
        whole=st.booleans(),
    )
    def read_list(
        self, n: int, kind: str, size: int, state: str | None, way: str, *, is_descending: bool, whole: bool
    ) -> None:
        """Read the first page of a list, or all of it, to the end and back."""
        above = self.model.account if kind == "services" else self.pick(PLACES[kind], n)
        listing = Listing(
            kind,
            above,
            size,
            way,
            is_descending=is_descending and kind == "messages",
            only=None if kind != "conversations" else "private" if state and way == CHANNEL else state,
        )
        if not self.read(listing, listing.path, None):
            return
        self.listings.append(listing)
        if whole:
            self.walk(listing)

    def walk(self, listing: Listing) -> None:
        """Go to the end of a list, and back: each row is there once."""
        rows = self.rows(listing)
        seen = listing.rows
        while (link := listing.links[FORWARD]) is not None:
            assert self.read(listing, *link)
            seen = seen + listing.rows
        assert seen == rows
        seen = listing.rows
        while (link := listing.links[BACK]) is not None:
            assert self.read(listing, *link, is_back=True)
            seen = listing.rows + seen
        assert seen == rows

    @step(n=nth, is_back=st.booleans())
    def turn_the_page(self, n: int, *, is_back: bool) -> None:
        """Go on from a page that was read before, whatever has happened since."""
        listings = [listing for listing in self.listings if any(listing.links.values())]
        if listings:
            listing = listings[-1 - n % len(listings)]
            link = listing.links[is_back] or listing.links[not is_back]
            assert link is not None
            self.read(listing, *link, is_back=link is listing.links[BACK])

    def rows(self, listing: Listing) -> list[Any]:
        """Everything that a list has, in its order."""
        rows = self.model.rows(listing.kind, listing.above, listing.only)
        return rows[::-1] if listing.is_descending else rows

    def read(self, listing: Listing, url: str, key: Any, *, is_back: bool = False) -> bool:
        """Read a page, in both; tell whether there still is such a list."""
        self.look(listing.way)
        status, body = self.api.call("GET", url)
        if not listing.above.is_there or not self.model.sees(listing.above):
            assert (status, body["code"]) == (404, 20404)
            return False
        listing.rows, beyond = listing.cut(self.rows(listing), key, is_back=is_back)
        assert status == 200, body
        meta = body["meta"]
        found = body[meta["key"]]
        assert len(found) == len(listing.rows)
        for each, row in zip(found, listing.rows, strict=True):
            self.same(each, self.model.show(row))
        first = listing.rows[0].key if listing.rows else key
        following, previous = meta["next_page_url"], meta["previous_page_url"]
        if is_back:
            ends = key, first if beyond else None
        else:
            ends = beyond[0].key if beyond else None, None if key is None else first
        for direction, link, end in zip((FORWARD, BACK), (following, previous), ends, strict=True):
            assert (link is None) == (end is None), direction
            listing.links[direction] = None if end is None else (link, end)
        return True


@given(steps=st.lists(st.one_of(STEPS), min_size=40, max_size=80))
@settings(deterministic, max_examples=80)
def test_the_emulator_answers_as_the_model_does(
    shared: tuple[Emulator, Api], steps: list[tuple[str, dict[str, Any]]]
) -> None:
    """Any interleaving of creates, updates, deletes and lists gives the answers of a plain model."""
    both = Both(*shared)
    for name, arguments in steps:
        getattr(both, name)(**arguments)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Emulator, Api]]:
    """An emulator whose clock stands until it is turned, and a connection to it."""
    emulator = Emulator(clock=lambda: NOON)
    with emulator, contextlib.closing(Api(emulator.url)) as api:
        yield emulator, api

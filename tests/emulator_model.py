"""What the API does, with lists and dictionaries: the emulator must give the same answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable

NOON: Final = 1_700_000_000_000  # 2023-11-14T22:13:20Z
MINUTE: Final = 60_000

#: Of each kind: its name in paths and the letters of its SIDs.
KINDS: Final = {
    "services": ("Services", "IS"),
    "conversations": ("Conversations", "CH"),
    "participants": ("Participants", "MB"),
    "messages": ("Messages", "IM"),
    "users": ("Users", "US"),
}
#: In what each is listed.
PLACES: Final = {
    "conversations": "services",
    "participants": "conversations",
    "messages": "conversations",
    "users": "services",
    "memberships": "users",
}
#: What may stand for the SID.
ALIASES: Final = {"conversations": "unique_name", "participants": "identity", "users": "identity"}

#: Values that are refused before anything else is looked at.
MALFORMED: Final = {
    ("Attributes", "{"): 50304,
    ("State", "asleep"): 50378,
    ("Timers.Inactive", "PT59S"): 50375,
    ("Timers.Closed", "PT1M"): 50376,
    ("LastReadMessageIndex", "-1"): 50421,
}
TIMERS: Final = {"PT0S": None, "PT1M": MINUTE, "PT10M": 10 * MINUTE, "PT1H": 60 * MINUTE}
DATES: Final = {"2020-02-29T12:00:00Z": 1_582_977_600_000, "2030-01-01T00:00:00Z": 1_893_456_000_000}

#: The parameters of Chat for each kind, and what Conversations calls them.
CHAT: Final = {
    "services": {"FriendlyName": "FriendlyName"},
    "conversations": {n: n for n in ("UniqueName", "FriendlyName", "Attributes", "DateCreated", "Type")},
    "participants": {
        "Identity": "Identity",
        "Attributes": "Attributes",
        "LastConsumedMessageIndex": "LastReadMessageIndex",
    },
    "messages": {"From": "Author", **{n: n for n in ("Body", "Attributes", "LastUpdatedBy")}},
    "users": {n: n for n in ("Identity", "FriendlyName", "Attributes")},
    "memberships": {"LastConsumedMessageIndex": "LastReadMessageIndex"},
}
#: What it calls what answers show, and what only one of the two shows.
CHAT_SHOWS: Final = {
    "chat_service_sid": "service_sid",
    "conversation_sid": "channel_sid",
    "participant_sid": "member_sid",
    "author": "from",
    "last_read_message_index": "last_consumed_message_index",
    "last_read_timestamp": "last_consumption_timestamp",
}
ONLY_IN_CHAT: Final = {"type", "members_count", "messages_count", "was_edited", "last_updated_by", "status"}
NOT_IN_CHAT: Final = {"state", "timers", "messaging_binding", "delivery", "conversation_state"}
#: Its codes where they are others.
CHAT_CODES: Final = {50353: 50307, 50433: 50404, 50421: 50406}

NAMES: Final = ("ann", "b o", "é/?#%λ")
PHONES: Final = ("+15550001", "+15550002")
PROXIES: Final = ("+15559998", "+15559999")

#: Of these the address alone makes a participant of a group MMS, which the model does not know.
GROUP_MMS: Final = {"Identity", "MessagingBinding.Address", "MessagingBinding.ProxyAddress"}


class Refused(Exception):  # noqa: N818 - it is an answer
    """The model's refusal."""

    def __init__(self, status: int, code: int) -> None:
        super().__init__(status, code)
        self.answer = (status, code)


@define(eq=False)
class Thing:
    """Anything that the API keeps, and what is below it."""

    kind: str
    above: Thing | None
    number: int
    created: int
    updated: int
    fields: dict[str, Any]
    sid: str = ""
    below: dict[str, list[Thing]] = field(factory=lambda: {kind: [] for kind in KINDS})

    def __getattr__(self, name: str) -> Any:
        """Give a field."""
        return self.fields[name]

    @property
    def parent(self) -> Thing:
        """What it is in."""
        assert self.above is not None
        return self.above

    @property
    def is_there(self) -> bool:
        """Whether neither it nor anything above it has been deleted."""
        return self.above is None or (self.above.is_there and self in self.above.below[self.kind])

    @property
    def is_seen(self) -> bool:
        """Whether Conversations sees it: a public channel, and what is in one, is known to Chat alone."""
        return self.above is None or (self.above.is_seen and self.fields.get("type") != "public")

    @property
    def siblings(self) -> list[Thing]:
        """The others of its kind in the same place."""
        return [thing for thing in self.parent.below[self.kind] if thing is not self]

    @property
    def key(self) -> tuple[Any, ...]:
        """Where it stands in a list."""
        if self.kind == "conversations":
            return self.state, self.created, self.number
        return (self.index,) if self.kind == "messages" else (self.number,)


@frozen
class Membership:
    """A conversation as one of its users sees it."""

    participant: Thing

    @property
    def key(self) -> tuple[int]:
        """Where it stands in a list."""
        return (self.participant.number,)


class Model:
    """What the API does, with lists and dictionaries."""

    def __init__(self) -> None:
        self.now = NOON
        self.account = Thing("accounts", None, 0, NOON, NOON, {})
        self.made: dict[str, list[Thing]] = {kind: [] for kind in KINDS}
        #: Whether it is asked as Chat.
        self.in_chat = False

    def refusal(self, refused: Refused) -> tuple[int, int]:
        """Status and code of a refusal."""
        status, code = refused.answer
        return status, CHAT_CODES.get(code, code) if self.in_chat else code

    def add(self, kind: str, above: Thing, created: int | None = None, **fields: Any) -> Thing:
        """Put something into its place."""
        date = self.now if created is None else created
        thing = Thing(kind, above, 1 + sum(map(len, self.made.values())), date, date, fields)
        above.below[kind].append(thing)
        self.made[kind].append(thing)
        return thing

    def conversations(self) -> list[Thing]:
        """Every conversation that there is."""
        return [c for service in self.account.below["services"] for c in service.below["conversations"]]

    def advance(self, by: int) -> None:
        """Let time pass, and every timer fire that ends on the way."""
        self.now += by
        for conversation in self.conversations():
            while (due := self.due(conversation)) is not None and due <= self.now:
                closed = conversation.closed
                ends = closed is not None and conversation.active_at + closed <= due
                conversation.fields["state"] = "closed" if ends else "inactive"
                conversation.updated = due

    @staticmethod
    def due(conversation: Thing) -> int | None:
        """When a conversation changes by itself."""
        timers = {
            "active": (conversation.inactive, conversation.closed),
            "inactive": (conversation.closed,),
            "closed": (),
        }[conversation.state]
        return min((conversation.active_at + timer for timer in timers if timer is not None), default=None)

    def create(self, kind: str, above: Thing, form: dict[str, str]) -> Thing:
        """Create something below something."""
        self._look(above)
        self._check(form)
        make: Callable[[Thing, dict[str, str]], Thing] = getattr(self, f"_create_{kind}")
        return make(above, form)

    def update(self, thing: Thing, form: dict[str, str]) -> Thing:
        """Change something."""
        self._look(thing)
        self._check(form)
        self._be_open(thing)
        change: Callable[[Thing, dict[str, str]], None] = getattr(self, f"_update_{thing.kind}")
        change(thing, form)
        if form:
            thing.updated = self.now
        return thing

    def update_membership(self, user: Thing, conversation: Thing, form: dict[str, str]) -> Membership:
        """Change what a user has read."""
        membership = self.membership(user, conversation)
        self._check(form)
        self._be_open(conversation)
        self._read(membership.participant, form)
        if form:
            membership.participant.updated = self.now
        return membership

    def leave(self, user: Thing, conversation: Thing) -> None:
        """Take a user out of a conversation."""
        self.delete(self.membership(user, conversation).participant)

    def membership(self, user: Thing, conversation: Thing) -> Membership:
        """Look at a conversation as one of a user's."""
        self._look(user)
        self._look(conversation)
        for participant in conversation.below["participants"]:
            if participant.identity == user.identity and conversation.parent is user.parent:
                return Membership(participant)
        raise Refused(404, 20404)

    def delete(self, thing: Thing) -> None:
        """Delete something and all that is below it."""
        self._look(thing)
        if thing.kind != "conversations":
            self._be_open(thing)
        if thing.kind == "services" and thing.is_default:
            raise Refused(403, 20403)
        thing.parent.below[thing.kind].remove(thing)

    def fetch(self, thing: Thing) -> Thing:
        """Look at something."""
        self._look(thing)
        return thing

    def find(self, kind: str, above: Thing, name: str) -> Thing:
        """Look for something by the name that stands for its SID."""
        self._look(above)
        for thing in above.below[kind]:
            if thing.fields[ALIASES[kind]] == name:
                self._look(thing)
                return thing
        raise Refused(404, 20404)

    def rows(self, kind: str, above: Thing, only: str | None) -> list[Any]:
        """Everything that a list has, in ascending order; of conversations only those of a state, or type."""
        found: list[Any] = above.below.get(kind, [])
        if kind == "memberships":
            found = [
                Membership(participant)
                for conversation in above.parent.below["conversations"]
                for participant in conversation.below["participants"]
                if participant.identity == above.identity
            ]
        if kind == "conversations" and self.in_chat:
            found = [thing for thing in found if thing.type == (only or "public")]
        elif only is not None:
            found = [thing for thing in found if thing.state == only]
        return sorted((thing for thing in found if self.sees(thing)), key=lambda thing: thing.key)

    def show(self, thing: Any) -> dict[str, Any]:
        """What an answer says of something, as far as it can be foretold."""
        if isinstance(thing, Membership):
            shown = self._show_membership(thing.participant)
        else:
            show: Callable[[Thing], dict[str, Any]] = getattr(self, f"_show_{thing.kind}")
            shown = {"sid": thing.sid, **show(thing)}
            if thing.kind != "services" or not thing.is_default:  # it was there before the clock stood still
                shown |= {"date_created": date(thing.created), "date_updated": date(thing.updated)}
        if not self.in_chat:
            return {name: value for name, value in shown.items() if name not in ONLY_IN_CHAT}
        return {CHAT_SHOWS.get(n, n): value for n, value in shown.items() if n not in NOT_IN_CHAT}

    def sees(self, thing: Any) -> bool:
        """Tell whether something that is there is shown to who asks."""
        if isinstance(thing, Membership):
            return self.sees(thing.participant)
        if self.in_chat:
            return thing.kind != "participants" or thing.identity is not None
        return bool(thing.is_seen)

    def _look(self, thing: Thing) -> None:
        if not thing.is_there or not self.sees(thing):
            raise Refused(404, 20404)

    @staticmethod
    def _check(form: dict[str, str]) -> None:
        for (name, value), code in MALFORMED.items():
            if form.get(name) == value:
                raise Refused(400, code)

    @staticmethod
    def _be_open(thing: Thing) -> None:
        conversation = thing if thing.kind == "conversations" else thing.parent
        if conversation.kind == "conversations" and conversation.state == "closed":
            raise Refused(400, 50377)

    def _wake(self, conversation: Thing) -> None:
        if conversation.state == "inactive":
            conversation.fields["active_at"] = self.now
            conversation.fields["state"] = "active"
            conversation.updated = self.now

    # -- services

    def _create_services(self, above: Thing, form: dict[str, str]) -> Thing:
        return self.add("services", above, friendly_name=form["FriendlyName"], is_default=False)

    def _show_services(self, service: Thing) -> dict[str, Any]:
        return {"friendly_name": service.friendly_name}

    # -- conversations

    def _create_conversations(self, service: Thing, form: dict[str, str]) -> Thing:
        if form.get("State") == "closed":
            raise Refused(400, 50384)
        name = form.get("UniqueName") or None
        self._name_is_free(service.below["conversations"], name)
        return self.add(
            "conversations",
            service,
            DATES.get(form.get("DateCreated", "")),
            unique_name=name,
            type=form.get("Type", "public") if self.in_chat else "private",
            friendly_name=form.get("FriendlyName") or None,
            attributes=form.get("Attributes", "{}"),
            state=form.get("State", "active"),
            inactive=TIMERS.get(form.get("Timers.Inactive", "")),
            closed=TIMERS.get(form.get("Timers.Closed", "")),
            active_at=self.now,
            next_index=0,
        )

    def _update_conversations(self, conversation: Thing, form: dict[str, str]) -> None:
        fields = conversation.fields
        if "UniqueName" in form:
            self._name_is_free(conversation.siblings, form["UniqueName"] or None)
            fields["unique_name"] = form["UniqueName"] or None
        if "FriendlyName" in form:
            fields["friendly_name"] = form["FriendlyName"] or None
        fields["attributes"] = form.get("Attributes", fields["attributes"])
        if form.get("State") == "active" and fields["state"] == "inactive":
            fields["active_at"] = self.now
        fields["state"] = form.get("State", fields["state"])
        fields["type"] = form.get("Type", fields["type"])
        conversation.created = DATES.get(form.get("DateCreated", ""), conversation.created)
        for timer in ("Inactive", "Closed"):
            if f"Timers.{timer}" in form:
                fields[timer.lower()] = TIMERS[form[f"Timers.{timer}"]]
                fields["active_at"] = self.now

    @staticmethod
    def _name_is_free(others: list[Thing], name: str | None) -> None:
        if name is not None and any(other.unique_name == name for other in others):
            raise Refused(409, 50353)

    def _show_conversations(self, conversation: Thing) -> dict[str, Any]:
        timers = {"date_inactive": conversation.inactive, "date_closed": conversation.closed}
        return {
            **{
                n: conversation.fields[n]
                for n in ("unique_name", "friendly_name", "attributes", "state", "type")
            },
            "chat_service_sid": conversation.parent.sid,
            "members_count": sum(p.identity is not None for p in conversation.below["participants"]),
            "messages_count": len(conversation.below["messages"]),
            "timers": {n: date(conversation.active_at + t) for n, t in timers.items() if t is not None},
        }

    # -- users

    def _create_users(self, service: Thing, form: dict[str, str]) -> Thing:
        if any(user.identity == form["Identity"] for user in service.below["users"]):
            raise Refused(409, 50201)
        return self._add_user(service, form)

    def _add_user(self, service: Thing, form: dict[str, str]) -> Thing:
        return self.add(
            "users",
            service,
            identity=form["Identity"],
            friendly_name=form.get("FriendlyName") or None,
            attributes=form.get("Attributes", "{}"),
        )

    def _know_user(self, service: Thing, identity: str | None) -> None:
        if identity is not None and all(user.identity != identity for user in service.below["users"]):
            self._add_user(service, {"Identity": identity})

    def _update_users(self, user: Thing, form: dict[str, str]) -> None:
        if "FriendlyName" in form:
            user.fields["friendly_name"] = form["FriendlyName"] or None
        user.fields["attributes"] = form.get("Attributes", user.attributes)

    def _show_users(self, user: Thing) -> dict[str, Any]:
        return {**user.fields, "chat_service_sid": user.parent.sid}

    # -- participants

    def _create_participants(self, conversation: Thing, form: dict[str, str]) -> Thing:
        self._be_open(conversation)
        who = form.get("Identity")
        own, proxy = form.get("MessagingBinding.Address"), form.get("MessagingBinding.ProxyAddress")
        if who is not None and (own or proxy):
            raise Refused(400, 50451)
        if own is None and proxy is not None:
            raise Refused(400, 50411)
        if own is None and who is None:
            raise Refused(400, 20001)
        self._is_free(conversation.below["participants"], who)
        self._pair_is_free(None, own, proxy)
        made = self.add(
            "participants",
            conversation,
            identity=who,
            address=own,
            proxy=proxy,
            attributes=form.get("Attributes", "{}"),
            horizon=None,
            read_at=None,
        )
        if self.in_chat:
            self._read(made, form)
        self._know_user(conversation.parent, who)
        self._wake(conversation)
        return made

    def _update_participants(self, participant: Thing, form: dict[str, str]) -> None:
        fields = participant.fields
        if "Identity" in form:
            if participant.address is not None:
                raise Refused(400, 50444)
            self._is_free(participant.siblings, form["Identity"])
            fields["identity"] = form["Identity"]
        if "MessagingBinding.ProxyAddress" in form:
            proxy = form["MessagingBinding.ProxyAddress"]
            if participant.address is None:
                raise Refused(400, 50441)
            self._pair_is_free(participant, participant.address, proxy)
            fields["proxy"] = proxy
        self._read(participant, form)
        fields["attributes"] = form.get("Attributes", fields["attributes"])
        self._know_user(participant.parent.parent, form.get("Identity"))

    def _read(self, participant: Thing, form: dict[str, str]) -> None:
        text = form.get("LastReadMessageIndex")
        if text is not None:
            participant.fields["horizon"] = None if text == "null" else int(text)
            participant.fields["read_at"] = None if text == "null" else self.now

    @staticmethod
    def _is_free(others: list[Thing], identity: str | None) -> None:
        if identity is not None and any(other.identity == identity for other in others):
            raise Refused(409, 50433)

    def _pair_is_free(self, but: Thing | None, own: str | None, proxy: str | None) -> None:
        for conversation in self.conversations():
            for other in conversation.below["participants"]:
                if conversation.state == "closed" or other is but or own is None:
                    continue
                if (other.address, other.proxy) == (own, proxy):
                    raise Refused(409, 50416)

    def _show_participants(self, participant: Thing) -> dict[str, Any]:
        own, proxy = participant.address, participant.proxy
        return {
            "conversation_sid": participant.parent.sid,
            "identity": participant.identity,
            "attributes": participant.attributes,
            "messaging_binding": own and {"type": "sms", "address": own, "proxy_address": proxy},
            "last_read_message_index": participant.horizon,
            "last_read_timestamp": date(participant.read_at),
        }

    def _show_membership(self, participant: Thing) -> dict[str, Any]:
        conversation, horizon = participant.parent, participant.horizon
        indexes = [message.index for message in conversation.below["messages"]]
        return {
            "conversation_sid": conversation.sid,
            "participant_sid": participant.sid,
            "status": "joined",
            "conversation_state": conversation.state,
            "last_read_message_index": horizon,
            "unread_messages_count": None if horizon is None else sum(i > horizon for i in indexes),
        }

    # -- messages

    def _create_messages(self, conversation: Thing, form: dict[str, str]) -> Thing:
        self._be_open(conversation)
        if "Body" not in form:
            raise Refused(400, 20001)
        author = form.get("Author", "system")
        sender = self._participant(conversation, author)
        phones = [p for p in conversation.below["participants"] if p.address and p is not sender]
        made = self.add(
            "messages",
            conversation,
            index=conversation.next_index,
            author=author,
            sender=sender,
            body=form["Body"],
            attributes=form.get("Attributes", "{}"),
            phones=len(phones),
            editor=form.get("LastUpdatedBy"),
            edited="LastUpdatedBy" in form,
        )
        conversation.fields["next_index"] += 1
        conversation.fields["active_at"] = self.now
        self._wake(conversation)
        return made

    def _update_messages(self, message: Thing, form: dict[str, str]) -> None:
        if "Author" in form:
            message.fields["author"] = form["Author"]
            message.fields["sender"] = self._participant(message.parent, form["Author"])
        message.fields["body"] = form.get("Body", message.body)
        message.fields["attributes"] = form.get("Attributes", message.attributes)
        if form:
            message.fields["edited"], message.fields["editor"] = True, form.get("LastUpdatedBy", "system")

    @staticmethod
    def _participant(conversation: Thing, author: str) -> Thing | None:
        for name in ("identity", "address"):
            for participant in conversation.below["participants"]:
                if participant.fields[name] == author:
                    return participant
        return None

    def _show_messages(self, message: Thing) -> dict[str, Any]:
        age = self.now - message.created
        reached = {"sent": True, "delivered": age >= 1000, "read": age >= 2000}
        reached |= {"failed": False, "undelivered": False}
        delivery = {status: "all" if it else "none" for status, it in reached.items()}
        return {
            "conversation_sid": message.parent.sid,
            **{name: message.fields[name] for name in ("index", "author", "body", "attributes")},
            "was_edited": message.edited,
            "last_updated_by": message.editor,
            **({} if self.in_chat else {"participant_sid": message.sender and message.sender.sid}),
            "delivery": {"total": message.phones, **delivery} if message.phones else None,
        }


def date(ms: int | None) -> str | None:
    """Write a time as the API does."""
    return None if ms is None else datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""How many writes may leave in a second: so many as the API allows, each when its turn has come."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final, Literal
from weakref import WeakValueDictionary

from attrs import fields, frozen

from ._checks import check_whole

if TYPE_CHECKING:
    from typing import TypeAlias

#: By which field of the limits a write is limited, and what it is counted for.
Lane: TypeAlias = "tuple[Literal['per_conversation', 'per_service'], str]"

#: What counts for its conversation, in either API, by the name that its collection has in paths.
_BELOW: Final = frozenset({"Participants", "Messages", "Members", "Invites"})
_CONVERSATIONS: Final = frozenset({"Conversations", "Channels"})
_SID: Final = re.compile(r"CH[0-9a-f]{32}")
#: The API counts what came within a second.
_SECOND: Final = 1.0


@frozen(kw_only=True)
class Limits:
    """How many writes a client lets leave in a second. The others wait, and leave in the order of the calls.

    None is no limit. The documented limits of the API are the defaults. Reading is not limited, nor are
    services, webhooks, configuration, addresses, credentials, bindings and media: for these, none is
    documented.

    Each client counts for itself, in each process and each event loop: who has several divides what is
    allowed among them. The views that ``with_options`` gives count together, those of another account apart.
    A conversation that is named here by its SID and there by its unique name counts as two, and so does a
    service that is the default one and named by its SID; whoever names each in one way has no such doubt.

    Attributes:
        per_conversation: Writes a second to one conversation, its participants and its messages; in Chat, to
            a channel, its members, its invites and its messages.
        per_service: In one service, conversations or channels made and deleted, and writes to users and
            roles, a second.

    Raises:
        ValueError: A figure is no whole number of at least 1; the message names it.
    """

    per_conversation: int | None = 30
    per_service: int | None = 30

    def __attrs_post_init__(self) -> None:
        for each in fields(Limits):
            if (value := getattr(self, each.name)) is not None:
                check_whole(each.name, value, 1)


def check_limits(limits: object) -> None:
    """Refuse what are no limits, such as those of the emulator.

    Raises:
        ValueError: They are not.
    """
    if not isinstance(limits, Limits | None):
        kind = type(limits)
        raise ValueError(  # noqa: TRY004  # the contract
            f"limits must be conversations_async.Limits or None, got {kind.__module__}.{kind.__qualname__}"
        )


def lane(method: str, path: str) -> Lane | None:
    """Say what a request counts for, by its method and its path; None for what is not limited.

    An invite, and a conversation of a user, are about who takes part: they count like a participant.
    """
    if method == "GET":
        return None
    parts = path.split("/")[2:]  # after the version
    service = ""  # the account's default one
    if parts[:1] == ["Services"] and len(parts) > 2:
        _, service, *parts = parts
    match parts:
        case ["Users" | "Roles" | "ConversationWithParticipants"] | ["Users" | "Roles", _]:
            return "per_service", service
        case ["Users", _, kind, name] if kind in _CONVERSATIONS:
            return "per_conversation", _conversation(service, name)
        case [kind, *rest] if kind in _CONVERSATIONS:
            if not rest or (len(rest) == 1 and method == "DELETE"):
                return "per_service", service
            if len(rest) == 1 or rest[1] in _BELOW:
                return "per_conversation", _conversation(service, rest[0])
    return None


def _conversation(service: str, name: str) -> str:
    """A SID is one of its kind in the world, a unique name in its service."""
    return name if _SID.fullmatch(name) else f"{service}/{name}"


class Limiter:
    """The writes of one event loop, each in the lane of what it counts for; first come, first served.

    A lane for N writes a second has N places. A write takes one before it leaves, and holds it until one
    second after its answer has come, or has been given up. So the API never counts more than N of them within
    a second, however long each is on its way: it counts a write while its place is held, and holding goes on
    for a second after, so that those that it counts within one second hold their places all at once, and
    there are N. The price is that N leave in a second and a round trip, and not in a second.

    What is refused, or never reaches the API, counts like the rest.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # whoever waits for a place, has one, or is to give one back, keeps its lane alive, and nobody else
        self._lanes: WeakValueDictionary[tuple[str, Lane], asyncio.Semaphore] = WeakValueDictionary()

    def lane(self, account: str, method: str, path: str) -> asyncio.Semaphore | None:
        """Give the lane of a request of an account; None if it need not wait."""
        found = lane(method, path)
        places: int | None = None if found is None else getattr(self._limits, found[0])
        if found is None or places is None:
            return None
        key = account, found
        semaphore = self._lanes.get(key)
        if semaphore is None:
            semaphore = self._lanes[key] = asyncio.Semaphore(places)
        return semaphore


def leave(lane: asyncio.Semaphore) -> None:
    """Give the place of a write back in a second."""
    asyncio.get_running_loop().call_later(_SECOND, lane.release)

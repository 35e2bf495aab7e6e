"""What does the API do with a participant?"""

from collections.abc import Mapping
from typing import Any, Final

from ..errors import RequestError, missing
from ..handlers import make
from ..resource import DATES, Change, Param, Place, Resource, Verb, is_free
from ..store import Row
from ..wire import (
    address,
    channel,
    identity,
    integer,
    json_text,
    or_null,
    parse_timestamp,
    sid,
    timestamp,
)
from .conversations import (
    CONVERSATIONS,
    conversation_is_open,
    wake_conversation,
)
from .permissions import role_exists
from .users import USERS

_BINDING: Final = ("address", "proxy_address", "projected_address")
_IN_EVENTS: Final = ("Address", "ProxyAddress", "ProjectedAddress")


def _show(row: Row, place: Place) -> dict[str, Any]:
    return {
        **place.frame(row),
        **place.service(),
        "conversation_sid": place.above["conversations"]["sid"],
        "identity": row["identity"],
        "attributes": row["attributes"],
        "messaging_binding": show_binding(row),
        "role_sid": row["role_sid"],
        "last_read_message_index": row["last_read_message_index"],
        "last_read_timestamp": timestamp(row["last_read_timestamp"]),
    }


def show_binding(row: Row) -> dict[str, Any] | None:
    """Show the addresses of a participant; None for one who has none."""
    binding = {part: row[part] for part in _BINDING if row[part] is not None}
    return {"type": channel(next(iter(binding.values()))), **binding} if binding else None


def _tell(row: Row, above: Mapping[str, Row]) -> dict[str, str | None]:
    binding = [row[part] for part in _BINDING]
    given = next((part for part in binding if part is not None), None)
    horizon = row["last_read_message_index"]
    return {
        "ConversationSid": above["conversations"]["sid"],
        "ParticipantSid": row["sid"],
        "Identity": row["identity"],
        "RoleSid": row["role_sid"],
        "Attributes": row["attributes"],
        **{f"MessagingBinding.{name}": part for name, part in zip(_IN_EVENTS, binding, strict=True)},
        # In capitals, the documentation says; captured requests have small letters.
        "MessagingBinding.Type": None if given is None else channel(given),
        "LastReadMessageIndex": None if horizon is None else str(horizon),
    }


def _binding_holds(change: Change) -> None:
    """Let through the kinds of participants that there are.

    Identity alone (chat); address and proxy address (SMS, WhatsApp and the like); address alone, identity and
    projected address, or projected address alone (group MMS).
    """
    who, own, proxy, projected = (change.get(column) for column in ("identity", *_BINDING))
    if who is not None and (own is not None or proxy is not None):
        raise RequestError(50451)
    if own is None:
        if proxy is not None:
            raise RequestError(50411)
        if who is None and projected is None:
            raise missing("Identity or MessagingBinding.Address")
    elif projected is not None:
        raise RequestError(50407)
    elif proxy is None and channel(own) != "sms":
        raise RequestError(50412)
    elif own == proxy:
        raise RequestError(50409)
    elif proxy is not None and channel(own) != channel(proxy):
        raise RequestError(50414)


#: The codes of an update that would make a participant of no known kind: for a removal and for a value.
_UNFIT: Final = {
    "identity": (50444, 50444),
    "proxy_address": (50440, 50441),
    "projected_address": (50442, 50443),
}


def _binding_still_holds(change: Change) -> None:
    changed = [column for column in _UNFIT if column in change.values]
    if not changed:
        return
    try:
        _binding_holds(change)
    except RequestError as error:
        removal, value = _UNFIT[changed[-1]]
        raise RequestError(removal if change.values[changed[-1]] is None else value) from error


def _pair_is_free(change: Change) -> None:
    own, proxy = change.get("address"), change.get("proxy_address")
    if own is None or proxy is None:
        return
    ignore = None if change.row is None else change.row["id"]
    conversation = change.store.conversation_with_pair(own, proxy, ignore=ignore)
    if conversation is not None:
        raise RequestError(50416, conversation["sid"])


def date_the_reading(change: Change) -> None:
    """Let a read horizon that is set be dated, and one that is removed lose its date."""
    if "last_read_message_index" in change.values:
        unread = change.values["last_read_message_index"] is None
        change.values.setdefault("last_read_timestamp", None if unread else change.now)


def _know_user(change: Change) -> None:
    # Inferred: who joins a conversation is a user from then on, unless there is one of that identity.
    who, service = change.values.get("identity"), change.above["services"]["id"]
    if who is not None and change.store.find("users", parent=service, identity=who) is None:
        make(USERS, change.act, change.above, {"Identity": [who]})


def fits(change: Change) -> None:
    """Refuse one participant more than the limits allow, where there are any."""
    limits = change.act.meter.limits
    if limits.participants is not None or limits.phones is not None:
        everybody, phones = change.store.crowd(change.above["conversations"]["id"])
        if everybody >= (limits.participants or everybody + 1):
            raise RequestError(50417)
        if change.get("identity") is None and phones >= (limits.phones or phones + 1):
            raise RequestError(50418)
    if limits.conversations is not None and change.get("identity") is not None:
        rooms = change.store.rooms(change.above["services"]["id"], change.get("identity"))
        if rooms >= limits.conversations:
            raise RequestError(50214)


def _take_role(change: Change) -> None:
    change.values.setdefault("role_sid", change.above["services"]["participant_role_sid"])


def _use_up_invite(change: Change) -> None:
    # Chat's invites wait for a participant, whichever API lets it in.
    conversation, who = change.above["conversations"]["id"], change.get("identity")
    invite = who and change.store.find("invites", parent=conversation, identity=who)
    if invite:
        change.store.delete("invites", invite["id"])


_role_exists = role_exists("conversation", 50109)
_identity_is_free = is_free("participants", "identity", below="conversations", code=50433)

_IDENTITY: Final = Param("Identity", "identity", identity, 50207)
_ADDRESS: Final = Param("MessagingBinding.Address", "address", address(empty=50411, malformed=50407))
_ATTRIBUTES: Final = Param("Attributes", "attributes", json_text(limit=4 * 1024))
_ROLE: Final = Param("RoleSid", "role_sid", sid("RL"))
_proxy_address = address(empty=50412, malformed=50408)
# No code speaks of a projected address that is malformed; 50407 is the one for addresses.
_projected_address = address(empty=50434, malformed=50407)
#: How far a participant has read.
READING: Final = (
    Param("LastReadMessageIndex", "last_read_message_index", or_null(integer), 50421),
    Param("LastReadTimestamp", "last_read_timestamp", or_null(parse_timestamp), 50405),
)

PARTICIPANTS: Final = Resource(
    path="Participants",
    table="participants",
    key="participants",
    prefix="MB",
    show=_show,
    parent=CONVERSATIONS,
    alias="identity",
    create=(
        _IDENTITY,
        _ADDRESS,
        Param("MessagingBinding.ProxyAddress", "proxy_address", _proxy_address),
        Param("MessagingBinding.ProjectedAddress", "projected_address", _projected_address),
        *DATES,
        _ATTRIBUTES,
        _ROLE,
    ),
    update=(
        _IDENTITY,
        Param("MessagingBinding.ProxyAddress", "proxy_address", or_null(_proxy_address)),
        Param("MessagingBinding.ProjectedAddress", "projected_address", or_null(_projected_address)),
        *DATES,
        _ATTRIBUTES,
        _ROLE,
        *READING,
    ),
    rules={
        Verb.CREATE: (
            conversation_is_open,
            _binding_holds,
            _identity_is_free,
            _pair_is_free,
            fits,
            _role_exists,
            _take_role,
        ),
        Verb.UPDATE: (
            conversation_is_open,
            _role_exists,
            _binding_still_holds,
            _identity_is_free,
            _pair_is_free,
            date_the_reading,
        ),
        Verb.DELETE: (conversation_is_open,),
    },
    effects={Verb.CREATE: (_know_user, _use_up_invite, wake_conversation), Verb.UPDATE: (_know_user,)},
    noun="Participant",
    tell=_tell,
)

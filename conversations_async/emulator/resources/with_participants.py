"""What does the API do with a conversation and its participants in one call?"""

import json
from typing import Any, Final

from attrs import evolve

from ..errors import RequestError, malformed
from ..handlers import make
from ..resource import Change, Param, Place, Resource, Verb
from ..store import Row
from ..wire import parse_json
from .conversations import CONVERSATIONS
from .participants import PARTICIPANTS

_MOST: Final = 10
#: The parameters of a participant, as members of a JSON object.
_MEMBERS: Final = {
    "identity": "Identity",
    "role_sid": "RoleSid",
    "attributes": "Attributes",
    "date_created": "DateCreated",
    "date_updated": "DateUpdated",
    "messaging_binding.address": "MessagingBinding.Address",
    "messaging_binding.proxy_address": "MessagingBinding.ProxyAddress",
    "messaging_binding.projected_address": "MessagingBinding.ProjectedAddress",
}


def _participant(text: str) -> dict[str, list[str]]:
    """Read a participant into the form by which it would be created alone."""
    parse_json(text)  # it is strict, but leaves no number as it is
    members = json.loads(text)
    if not isinstance(members, dict):
        raise ValueError(text)  # noqa: TRY004 - the parsers' word for a malformed value
    binding = members.pop("messaging_binding", None) or {}
    if not isinstance(binding, dict):
        raise ValueError(text)  # noqa: TRY004 - as above
    members |= {f"messaging_binding.{name}": value for name, value in binding.items()}
    return {
        _MEMBERS[name]: [_text(name, value)]
        for name, value in members.items()
        if name in _MEMBERS and value is not None
    }


def _text(name: str, value: Any) -> str:
    if name == "attributes" and not isinstance(value, str):
        value = json.dumps(value)
    if not isinstance(value, str):
        raise ValueError(name)  # noqa: TRY004 - as above
    value.encode()  # a ValueError for half of a surrogate pair
    return value


def _defer_participants(change: Change) -> None:
    change.deferred = change.values.pop("participants", [])
    if len(change.deferred) > _MOST:
        raise malformed("Participant")


def _create_participants(change: Change) -> None:
    # The API does this after it has answered, and tells nobody of a failure but by the conversation's state.
    # Here it is done at once; so that the answer need not be waited for, its state is never "initializing".
    if change.row is None or not change.deferred:
        return
    above = {**change.above, "conversations": change.row}
    told = len(change.act.calls)
    try:
        with change.store.attempt():
            for form in change.deferred:
                make(PARTICIPANTS, change.act, above, form)
    except RequestError:
        del change.act.calls[told:]
        change.store.update("conversations", change.row["id"], {"state": "closed"})


def _show(row: Row, place: Place) -> dict[str, Any]:
    collection = f"{place.url.rpartition('/')[0]}/{CONVERSATIONS.path}"
    shown = CONVERSATIONS.show(row, evolve(place, url=collection))
    del shown["links"]["export"]
    return shown


WITH_PARTICIPANTS: Final[Resource] = evolve(
    CONVERSATIONS,
    path="ConversationWithParticipants",
    verbs=frozenset({Verb.CREATE}),
    show=_show,
    create=(*CONVERSATIONS.create, Param("Participant", "participants", _participant, repeated=True)),
    rules={Verb.CREATE: (_defer_participants, *CONVERSATIONS.rules[Verb.CREATE])},
    effects={Verb.CREATE: (_create_participants,)},
    name="conversations_with_participants",
)

"""What does Chat do with a webhook of one channel?

It may wait for events in Chat's names. They are kept and shown, and nothing fires them: whatever happens is
told in the names and the shape of Conversations. How often it is called again is kept, too; what counts is
the fragment of its URL, as it does for every webhook.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from attrs import evolve

from ...errors import RequestError
from ...resource import Param, Place, Resource
from ...store import Row
from ...wire import choice
from ..webhooks import EVENTS_WITHIN, WEBHOOKS
from .channels import CHANNEL
from .services import retry_count
from .shared import frame, keep

_T = TypeVar("_T")
_R = TypeVar("_R")

_EVENTS: Final = (
    "onChannelUpdated",
    "onChannelDestroyed",
    "onMemberAdded",
    "onMemberUpdated",
    "onMemberRemoved",
    "onMessageSent",
    "onMessageUpdated",
    "onMessageRemoved",
    "onMediaMessageSent",
)
#: The codes for a conversation's webhooks, and how far before each is the one for a channel's.
_CODES: Final = range(50360, 50373)
_DISTANCE: Final = 40


def _show(row: Row, place: Place) -> dict[str, Any]:
    configuration = WEBHOOKS.show(row, place)["configuration"]
    if row["target"] != "studio":
        # Chat knows no replay.
        configuration.pop("replay_after", None)
        configuration |= {"method": row["method"].upper(), "retry_count": row["retry_count"]}
    return {**frame(row, place), "type": row["target"], "configuration": configuration}


def _refusing(function: Callable[[_T], _R]) -> Callable[[_T], _R]:
    """Let a rule or a parser refuse with Chat's codes."""

    def refusing(value: _T) -> _R:
        try:
            return function(value)
        except RequestError as error:
            if error.code in _CODES:
                raise RequestError(error.code - _DISTANCE) from error
            raise

    return refusing


def _in_chat(parameter: Param) -> Param:
    parse = parameter.parse
    if parameter.column == "filters":
        parse = choice(*{*EVENTS_WITHIN, *_EVENTS})
    code = parameter.code or 0
    return evolve(
        parameter,
        wire=parameter.wire.replace("Target", "Type"),
        parse=_refusing(parse),
        code=code - _DISTANCE if code in _CODES else parameter.code,
    )


_RETRY_COUNT: Final = Param("Configuration.RetryCount", "retry_count", retry_count, 50065)

CHAT_WEBHOOKS: Final[Resource] = evolve(
    WEBHOOKS,
    name="chat.webhooks",
    parent=CHANNEL,
    show=_show,
    create=(*map(_in_chat, (*keep(WEBHOOKS.create, "Target"), *WEBHOOKS.update)), _RETRY_COUNT),
    update=(*map(_in_chat, WEBHOOKS.update), _RETRY_COUNT),
    rules={verb: tuple(map(_refusing, rules)) for verb, rules in WEBHOOKS.rules.items()},
)

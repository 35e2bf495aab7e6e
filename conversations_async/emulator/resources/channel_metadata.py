"""What did the channel of a message add to it? The API links to it, and does not describe it."""

import json
from typing import Any, Final

from ..errors import RequestError
from ..resource import Place, Resource, Verb
from ..store import Row
from .messages import MESSAGES


def _show(row: Row, place: Place) -> dict[str, Any]:
    if row["channel_metadata"] is None:
        raise RequestError(50530)
    return {
        **json.loads(row["channel_metadata"]),
        "account_sid": place.account_sid,
        "chat_service_sid": place.above["services"]["sid"],
        "conversation_sid": place.above["conversations"]["sid"],
        "message_sid": row["sid"],
        "url": place.url,
    }


CHANNEL_METADATA: Final = Resource(
    path="ChannelMetadata",
    table="messages",
    name="channel_metadata",
    show=_show,
    parent=MESSAGES,
    is_single=True,
    verbs=frozenset({Verb.FETCH}),
)

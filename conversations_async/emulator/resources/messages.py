"""What does the API do with a message?"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..acts import Act
from ..errors import RequestError, missing
from ..resource import DATES, Change, Param, Place, Resource, Verb
from ..store import Row
from ..wire import json_text, parse_json, sid, text, webhook_time
from .conversations import (
    CONVERSATIONS,
    conversation_is_open,
    wake_conversation,
)

_LINKS: Final = {"delivery_receipts": "Receipts", "channel_metadata": "ChannelMetadata"}
_MEDIA: Final = ("sid", "size", "content_type", "filename")
_IN_EVENTS: Final = ("Sid", "Size", "ContentType", "Filename")
_MOST_VARIABLES: Final = 100
_LONGEST_KEY: Final = 16
_LONGEST_VARIABLE: Final = 256
#: Which receipts count for each status: a message that was delivered has been sent, too, and one that was
#: read has been delivered. The API's example bears this out for ``sent``.
_REACHED: Final = {
    "sent": {"sent", "delivered", "read"},
    "delivered": {"delivered", "read"},
    "read": {"read"},
    "failed": {"failed"},
    "undelivered": {"undelivered"},
}


def _show(row: Row, place: Place) -> dict[str, Any]:
    media = show_media(row)
    return {
        **place.frame(row, **_LINKS),
        **place.service(),
        "conversation_sid": place.above["conversations"]["sid"],
        "body": row["body"],
        "media": None if media is None else [media],
        "author": row["author"],
        "participant_sid": row["participant_sid"],
        "attributes": row["attributes"],
        "index": row["position"],
        "delivery": _delivery(row["deliveries"]),
        "content_sid": row["content_sid"],
    }


def show_media(row: Row) -> dict[str, Any] | None:
    """Show the media of a message, as it was when the message was made."""
    return None if row["media"] is None else json.loads(row["media"])


def tell(row: Row, above: Mapping[str, Row]) -> dict[str, str | None]:
    """All that an event could tell of a message."""
    conversation, media = above["conversations"], show_media(row)
    named = media and {name: media[column] for name, column in zip(_IN_EVENTS, _MEDIA, strict=True)}
    return {
        "ConversationSid": conversation["sid"],
        "ChatServiceSid": above["services"]["sid"],
        "MessagingServiceSid": conversation["messaging_service_sid"],
        "MessageSid": row["sid"],
        "Index": str(row["position"]),
        "Body": row["body"],
        "Author": row["author"],
        "ParticipantSid": row["participant_sid"],
        "Attributes": row["attributes"],
        "Media": None if named is None else json.dumps([named]),
    }


def _delivery(statuses: str | None) -> dict[str, Any] | None:
    if statuses is None:
        return None
    each = statuses.split(",")
    summary: dict[str, Any] = {"total": len(each)}
    for status, reached in _REACHED.items():
        summary[status] = _share(item in reached for item in each)
    return summary


def _share(flags: Iterable[bool]) -> str:
    seen = set(flags)
    return "some" if len(seen) > 1 else "all" if seen.pop() else "none"


def _has_content(change: Change) -> None:
    values = change.values
    if "content_variables" in values and "content_sid" not in values:
        raise RequestError(50528)
    if "content_sid" in values:
        # The template makes the text, and there are no templates here.
        values.pop("body", None)
        values.pop("media_sid", None)
    elif "body" not in values and "media_sid" not in values:
        raise missing("Body")


def _take_media(change: Change) -> None:
    media_sid = change.values.get("media_sid")
    if media_sid is None:
        return
    media = change.store.find("media", parent=change.above["services"]["id"], sid=media_sid)
    if media is None:
        # The status is assumed: the reference is in a parameter, so that 404 would speak of the path.
        raise RequestError(50507)
    if media["message_sid"] is not None:
        raise RequestError(50508)
    # A copy. Assumed: what becomes of a message whose media is deleted is documented nowhere.
    change.values["media"] = json.dumps({name: media[name] for name in _MEDIA})


def _media_keeps_its_body(change: Change) -> None:
    if "body" in change.values and change.get("media_sid") is not None:
        raise RequestError(50509)


def _know_author(change: Change) -> None:
    if "author" not in change.values and change.row is not None:
        return
    # Assumed: an empty author is none.
    author = change.values["author"] = change.values.get("author") or "system"
    conversation = change.above["conversations"]["id"]
    bound = change.store.bound_participants(conversation)
    participant = change.store.find("participants", parent=conversation, identity=author) or next(
        (participant for participant in bound if participant["address"] == author), None
    )
    change.values["participant_sid"] = None if participant is None else participant["sid"]
    if participant is None and any(map(_is_in_group_mms, bound)):
        raise RequestError(50513)


def _is_in_group_mms(participant: Row) -> bool:
    return participant["projected_address"] is not None or participant["proxy_address"] is None


def _take_position(change: Change) -> None:
    # Counted in the conversation, not among its messages: an index is not used twice, deletions or not.
    # Timers begin anew with each message.
    conversation = change.above["conversations"]
    position = change.values["position"] = conversation["next_position"]
    changed = {"next_position": position + 1, "last_activity": change.now}
    change.store.update("conversations", conversation["id"], changed)


def _mark_edited(change: Change) -> None:
    if change.row is not None:
        # What REST changes without saying for whom, the system has changed.
        change.values.setdefault("last_updated_by", "system")
    change.values["edited"] = "last_updated_by" in change.values


def _send_to_channels(change: Change) -> None:
    for participant in change.store.bound_participants(change.above["conversations"]["id"]):
        if participant["address"] is None or participant["sid"] == change.get("participant_sid"):
            continue
        receipt = {
            "sid": change.act.new_sid("DY"),
            "parent": change.get("id"),
            "created": change.now,
            "updated": change.now,
            "participant_sid": participant["sid"],
            "channel_message_sid": change.act.new_sid("SM" if change.get("media_sid") is None else "MM"),
            "status": "sent",
            "due": change.now + change.act.carrier.steps["sent"][0],
        }
        receipt_id = change.store.insert("receipts", receipt)
        tell_delivery(change.act, change.store.get("receipts", id=receipt_id), change.written, change.above)


def tell_delivery(act: Act, receipt: Row, message: Row, above: Mapping[str, Row]) -> None:
    """Tell how far a message has come on its way to one phone."""
    told = {
        **tell(message, above),
        "DeliveryReceiptSid": receipt["sid"],
        "ChannelMessageSid": receipt["channel_message_sid"],
        "ParticipantSid": receipt["participant_sid"],
        "Status": receipt["status"],
        "ErrorCode": str(receipt["error_code"]) if receipt["error_code"] else None,
        "DateCreated": webhook_time(receipt["created"]),
        "DateUpdated": webhook_time(receipt["updated"]),
    }
    act.after("onDeliveryUpdated", told, above)


def _content_variables(value: str) -> str:
    variables = parse_json(value)
    if not isinstance(variables, dict):
        raise ValueError(value)  # noqa: TRY004 - the parsers' word for a malformed value
    # Documented: the three limits. Assumed: which of the codes is for their number.
    if len(variables) > _MOST_VARIABLES:
        raise RequestError(50529)
    if any(len(key) > _LONGEST_KEY for key in variables):
        raise RequestError(50540)
    if any(len(str(text)) > _LONGEST_VARIABLE for text in variables.values()):
        raise RequestError(50541)
    return value


_EDITABLE: Final = (
    Param("Author", "author", text(256), 50310),
    # 1,600 characters is what REST documents; chat clients and inbound messages may write 32 KB.
    Param("Body", "body", text(1600), 50504),
    *DATES,
    Param("Attributes", "attributes", json_text(limit=4 * 1024)),
    Param("Subject", "subject", text(256)),
)

MESSAGES: Final = Resource(
    path="Messages",
    table="messages",
    key="messages",
    prefix="IM",
    show=_show,
    parent=CONVERSATIONS,
    create=(
        *_EDITABLE,
        Param("MediaSid", "media_sid", sid("ME"), 50510),
        Param("ContentSid", "content_sid", sid("HX"), 50526),
        Param("ContentVariables", "content_variables", _content_variables, 50527),
    ),
    update=_EDITABLE,
    order=("position",),
    both_ways=True,
    rules={
        Verb.CREATE: (
            conversation_is_open,
            _has_content,
            _take_media,
            _know_author,
            _mark_edited,
            _take_position,
        ),
        Verb.UPDATE: (conversation_is_open, _media_keeps_its_body, _know_author, _mark_edited),
        Verb.DELETE: (conversation_is_open,),
    },
    effects={Verb.CREATE: (_send_to_channels, wake_conversation)},
    noun="Message",
    tell=tell,
)

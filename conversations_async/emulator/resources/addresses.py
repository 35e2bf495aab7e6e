"""What does the API do with the configuration of an address?"""

import json
import re
from typing import Any, Final

from ..errors import RequestError, missing
from ..resource import Change, Filter, Param, Place, Resource, Verb, as_json
from ..store import Row
from ..wire import choice, flag, integer, name, sid, text, web_address
from .configuration import service_exists
from .webhooks import EVENTS_WITHIN

_MOST_RETRIES: Final = 3
#: What an address adds to the conversations that it makes: by type, the names of what it shows of it, with
#: their columns.
_SHOWN: Final = {
    "default": {},
    "webhook": {
        "webhook_url": "auto_url",
        "webhook_method": "auto_method",
        "webhook_filters": "auto_filters",
    },
    "studio": {"studio_flow_sid": "auto_flow_sid", "studio_retry_count": "auto_retry_count"},
}


def _show(row: Row, place: Place) -> dict[str, Any]:
    service = row["auto_service_sid"]
    shown = {member: row[column] for member, column in _SHOWN[row["auto_type"]].items()}
    if shown.get("webhook_filters") is not None:
        shown["webhook_filters"] = json.loads(shown["webhook_filters"])
    return {
        **place.frame(row),
        "address": row["address"],
        "type": row["type"],
        "friendly_name": row["friendly_name"],
        "address_country": row["address_country"],
        "auto_creation": {
            "enabled": bool(row["auto_enabled"]),
            "type": row["auto_type"],
            **({} if service is None else {"conversation_service_sid": service}),
            **shown,
        },
    }


def _is_the_only_one(change: Change) -> None:
    # Assumed: it is known that an address is unique, and not how another is refused.
    if change.store.find("addresses", address=change.get("address")) is not None:
        raise RequestError(20409, "An address configuration for this address already exists")


def _is_complete(change: Change) -> None:
    # Assumed: what a conversation's own webhook needs is needed here, and there are defaults for the rest.
    if change.get("auto_type") == "webhook":
        if change.get("auto_url") is None:
            raise missing("AutoCreation.WebhookUrl")
        if change.get("auto_method") is None:
            change.values["auto_method"] = "POST"
        if change.get("auto_filters") is None:
            change.values["auto_filters"] = EVENTS_WITHIN
    if change.get("auto_type") == "studio":
        if change.get("auto_flow_sid") is None:
            raise missing("AutoCreation.StudioFlowSid")
        if change.get("auto_retry_count") is None:
            change.values["auto_retry_count"] = 0


def _address(value: str) -> str:
    # Assumed: each channel has addresses of its own kind, of which the API's examples show all but a few.
    if not value:
        raise ValueError(value)
    return text(256)(value)


def _retries(value: str) -> int:
    # Assumed: these are the bounds of the retries in the legacy Chat API.
    count = integer(value)
    if count > _MOST_RETRIES:
        raise ValueError(value)
    return count


def _country(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2}", value, re.ASCII):
        raise ValueError(value)
    return value.upper()


_type = choice("sms", "whatsapp", "messenger", "gbm", "email", "rcs", "apple", "chat")

_EDITABLE: Final = (
    Param("FriendlyName", "friendly_name", name(256), 50003),
    Param("AutoCreation.Enabled", "auto_enabled", flag),
    Param("AutoCreation.Type", "auto_type", choice(*_SHOWN)),
    Param("AutoCreation.ConversationServiceSid", "auto_service_sid", sid("IS")),
    Param("AutoCreation.WebhookUrl", "auto_url", web_address),
    Param("AutoCreation.WebhookMethod", "auto_method", choice("GET", "POST")),
    # Documented: up to ten events, and there are no more of which it can hear.
    Param("AutoCreation.WebhookFilters", "auto_filters", choice(*EVENTS_WITHIN), repeated=True),
    Param("AutoCreation.StudioFlowSid", "auto_flow_sid", sid("FW")),
    Param("AutoCreation.StudioRetryCount", "auto_retry_count", _retries),
)
_RULES: Final = (_is_complete, service_exists("auto_service_sid"), as_json("auto_filters"))

ADDRESSES: Final = Resource(
    path="Configuration/Addresses",
    table="addresses",
    key="address_configurations",
    prefix="IG",
    show=_show,
    alias="address",
    create=(
        Param("Type", "type", _type, required=True),
        Param("Address", "address", _address, required=True),
        *_EDITABLE,
        Param("AddressCountry", "address_country", _country),
    ),
    update=_EDITABLE,
    filters=(Filter("Type", "type", _type),),
    rules={Verb.CREATE: (_is_the_only_one, *_RULES), Verb.UPDATE: _RULES},
)

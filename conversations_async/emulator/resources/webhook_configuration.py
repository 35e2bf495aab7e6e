"""What does the API do with the webhooks of the account, and of a service?"""

import json
from typing import Any, Final

from attrs import evolve

from ..events import EVENTS
from ..resource import Param, Place, Resource, Verb, as_json
from ..store import Row
from ..wire import choice, web_address
from .configuration import FIXED
from .services import SERVICES


def _show(row: Row, place: Place, **more: str) -> dict[str, Any]:
    return {
        **more,
        "account_sid": place.account_sid,
        "pre_webhook_url": row["pre_webhook_url"],
        "post_webhook_url": row["post_webhook_url"],
        "method": row["webhook_method"],
        "filters": None if row["webhook_filters"] is None else json.loads(row["webhook_filters"]),
        "url": place.url,
    }


def _show_account(row: Row, place: Place) -> dict[str, Any]:
    return _show(row, place, target=row["webhook_target"])


def _show_service(row: Row, place: Place) -> dict[str, Any]:
    return _show(row, place, chat_service_sid=row["sid"])


SERVICE_WEBHOOKS: Final = Resource(
    path="Configuration/Webhooks",
    table="services",
    name="webhook_configuration",
    show=_show_service,
    parent=SERVICES,
    is_single=True,
    has_shortcut=False,
    verbs=FIXED,
    # Assumed: the codes of a service's webhooks are those of the account's, and a bad filter has none of its
    # own. Names that the API once had, such as onMessageSent, are refused.
    update=(
        Param("Method", "webhook_method", choice("GET", "POST"), 50055),
        Param("Filters", "webhook_filters", choice(*EVENTS), 50054, repeated=True),
        Param("PreWebhookUrl", "pre_webhook_url", web_address, 50054),
        Param("PostWebhookUrl", "post_webhook_url", web_address, 50054),
    ),
    rules={Verb.UPDATE: (as_json("webhook_filters"),)},
)

WEBHOOK_CONFIGURATION: Final[Resource] = evolve(
    SERVICE_WEBHOOKS,
    table="accounts",
    stored="accounts",
    show=_show_account,
    parent=None,
    update=(*SERVICE_WEBHOOKS.update, Param("Target", "webhook_target", choice("webhook", "flex"))),
)

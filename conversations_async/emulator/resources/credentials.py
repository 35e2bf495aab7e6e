"""What does the API do with a push credential? It keeps what it is called, and none of its secrets."""

from typing import Any, Final

from ..resource import Param, Place, Resource
from ..store import Row
from ..wire import choice, flag, name


def _show(row: Row, place: Place) -> dict[str, Any]:
    return {
        **place.frame(row),
        "friendly_name": row["friendly_name"],
        "type": row["type"],
        # A text, and not a boolean; the API's examples have one for every type, whatever was sent.
        "sandbox": str(bool(row["sandbox"])),
    }


# The secrets (Certificate, PrivateKey, ApiKey, Secret) are never shown again, and nothing is pushed: so they
# are not read at all. Assumed: none is required, as in the API's examples.
_EDITABLE: Final = (
    Param("FriendlyName", "friendly_name", name(64), 50003),
    Param("Sandbox", "sandbox", flag),
)
_TYPE: Final = choice("apn", "gcm", "fcm")

CREDENTIALS: Final = Resource(
    path="Credentials",
    table="credentials",
    key="credentials",
    prefix="CR",
    show=_show,
    create=(Param("Type", "type", _TYPE, required=True), *_EDITABLE),
    update=(Param("Type", "type", _TYPE), *_EDITABLE),
)

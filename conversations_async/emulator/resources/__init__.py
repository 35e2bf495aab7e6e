"""Which resources are there? The table that the handlers walk."""

from collections.abc import Callable, Mapping
from typing import Final

from ..acts import Act
from ..resource import Version
from ..store import Row
from .addresses import ADDRESSES
from .bindings import BINDINGS
from .channel_metadata import CHANNEL_METADATA
from .chat import CHAT, MIGRATION
from .configuration import CONFIGURATION, SERVICE_CONFIGURATION
from .conversations import CONVERSATIONS, fire_timer
from .credentials import CREDENTIALS
from .media import MEDIA
from .messages import MESSAGES
from .notifications import NOTIFICATIONS
from .participant_conversations import PARTICIPANT_CONVERSATIONS
from .participants import PARTICIPANTS
from .receipts import RECEIPTS, advance
from .roles import ROLES
from .services import SERVICES
from .user_conversations import USER_CONVERSATIONS
from .users import USERS
from .webhook_configuration import SERVICE_WEBHOOKS, WEBHOOK_CONFIGURATION
from .webhooks import WEBHOOKS
from .with_participants import WITH_PARTICIPANTS

__all__ = ["BY_ITSELF", "MEDIA", "OPERATIONS", "SERVICES", "VERSIONS"]

VERSIONS: Final = (
    Version(
        prefix="/v1",
        resources=(
            SERVICES,
            CONVERSATIONS,
            WITH_PARTICIPANTS,
            MESSAGES,
            PARTICIPANTS,
            RECEIPTS,
            WEBHOOKS,
            CHANNEL_METADATA,
            USERS,
            USER_CONVERSATIONS,
            PARTICIPANT_CONVERSATIONS,
            ROLES,
            BINDINGS,
            SERVICE_CONFIGURATION,
            SERVICE_WEBHOOKS,
            NOTIFICATIONS,
            CONFIGURATION,
            WEBHOOK_CONFIGURATION,
            ADDRESSES,
            CREDENTIALS,
        ),
        has_shortcuts=True,
    ),
    # The Media Content Service has a host of its own, and every path names the service.
    Version(prefix="/v1", resources=(MEDIA,), has_shortcuts=False),
    Version(prefix="/v2", resources=CHAT, has_shortcuts=False),
    Version(prefix="/v3", resources=(MIGRATION,), has_shortcuts=False),
)

#: What can be done, by the names that requests are recorded under, such as ``messages.create``.
OPERATIONS: Final = sorted(
    {each.operation(verb) for version in VERSIONS for each in version.resources for verb in each.verbs}
)

#: What happens to the rows of a table when they are due.
BY_ITSELF: Final[Mapping[str, Callable[[Act, Row], None]]] = {
    "conversations": fire_timer,
    "receipts": advance,
}

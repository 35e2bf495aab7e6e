"""Which resources are there? The table that the handlers walk."""

from collections.abc import Callable, Mapping
from typing import Final

from ..acts import Act
from ..resource import Version
from ..store import Row
from .chat import CHAT_MESSAGES
from .conversations import CONVERSATIONS, fire_timer
from .media import MEDIA
from .messages import MESSAGES
from .participants import PARTICIPANTS
from .receipts import RECEIPTS, advance
from .roles import ROLES
from .services import SERVICES
from .users import USERS
from .with_participants import WITH_PARTICIPANTS

__all__ = ["BY_ITSELF", "MEDIA", "SERVICES", "VERSIONS"]

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
            USERS,
            ROLES,
        ),
        has_shortcuts=True,
    ),
    # The Media Content Service has a host of its own, and every path names the service.
    Version(prefix="/v1", resources=(MEDIA,), has_shortcuts=False),
    Version(prefix="/v2", resources=(CHAT_MESSAGES,), has_shortcuts=False),
)

#: What happens to the rows of a table when they are due.
BY_ITSELF: Final[Mapping[str, Callable[[Act, Row], None]]] = {
    "conversations": fire_timer,
    "receipts": advance,
}

"""What does all of Chat have in common?"""

from typing import Any

from ...resource import Param, Place
from ...store import Row


def frame(row: Row, place: Place, **links: str) -> dict[str, Any]:
    """What every row of a service, or of a channel, shows."""
    shown = {**place.frame(row, **links), "service_sid": place.above["services"]["sid"]}
    if "conversations" in place.above:
        shown["channel_sid"] = place.above["conversations"]["sid"]
    return shown


def keep(parameters: tuple[Param, ...], *names: str) -> tuple[Param, ...]:
    """Choose the parameters that are the same in Conversations."""
    return tuple(parameter for parameter in parameters if parameter.wire in names)

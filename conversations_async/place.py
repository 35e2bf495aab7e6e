"""A place in the API: what knows the path of its repositories, and nothing about requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ._masking import mask_path
from ._sealing import Sealed
from .repository import Repository

if TYPE_CHECKING:
    from .session import SessionManager

R = TypeVar("R", bound=Repository[Any])


class Place(Sealed):
    """A place in the API, and the repositories that stand there."""

    _product: str

    def __init__(self, session: SessionManager, root: str) -> None:
        self._session = session
        self._root = root

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {mask_path(self._root)}>"

    def _at(self, repository: type[R], path: str) -> R:
        return repository(self._session, self._product, f"{self._root}/{path}")

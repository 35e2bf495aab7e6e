"""Bindings: the devices that push notifications go to, of a whole service and of one user.

API pages: binding resource, https://www.twilio.com/docs/chat/rest/binding-resource, and user binding
resource, https://www.twilio.com/docs/chat/rest/user-binding-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from ..repository import PAGE_SIZE_DEFAULT, Deletable, Fetchable
from ..resources.bindings import AnyBinding, Bindings, PushBindingType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..pagination import Stream


@frozen(kw_only=True)
class ChatBinding(AnyBinding):
    """One device of a user."""

    service_sid: str | None = None
    #: Only among the bindings of a user.
    user_sid: str | None = None
    #: None among the bindings of a user.
    links: dict[str, str] | None = field(default=None, hash=False)


class ChatBindingRepository(Bindings[ChatBinding]):
    """The bindings of a service."""

    model = ChatBinding


class UserBindingRepository(Fetchable[ChatBinding], Deletable[ChatBinding]):
    """The bindings of one user."""

    model = ChatBinding

    def stream(
        self,
        *,
        binding_type: Sequence[PushBindingType | str] | None = None,
        page_size: int = PAGE_SIZE_DEFAULT,
        limit: int | None = None,
        read_ahead: int = 1,
        cursor: str | None = None,
    ) -> Stream[ChatBinding]:
        """Read the user's bindings, page after page.

        Args:
            binding_type: Those of one of these types.
            page_size: As for every stream, as are ``limit``, ``read_ahead`` and ``cursor``.

        Raises:
            ValueError: As for every stream.
        """
        filters = {"BindingType": binding_type}
        return self._stream(filters, page_size=page_size, limit=limit, read_ahead=read_ahead, cursor=cursor)

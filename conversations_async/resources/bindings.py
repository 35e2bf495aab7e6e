"""Bindings: the devices that push notifications of a service go to. The client SDKs make them.

API page: binding resource, https://www.twilio.com/docs/conversations/api/binding-resource
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from attrs import frozen

from ..converter import AwareDatetime, OpenEnum
from ..repository import PAGE_SIZE_DEFAULT, Deletable, Fetchable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..pagination import Stream

T = TypeVar("T")


class PushBindingType(OpenEnum):
    """How a device is reached."""

    APN = "apn"
    GCM = "gcm"
    FCM = "fcm"
    #: Over the open connection of a client SDK.
    TWILSOCK = "twilsock"


@frozen(kw_only=True)
class AnyBinding:
    """What a binding is in both APIs: one device of a user."""

    sid: str
    account_sid: str | None = None
    credential_sid: str | None = None
    #: What the client SDK calls the device.
    endpoint: str | None = None
    identity: str | None = None
    binding_type: PushBindingType | None = None
    #: What it is notified of: ``new_message``, ``added_to_conversation`` …
    message_types: tuple[str, ...] | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    url: str | None = None


@frozen(kw_only=True)
class Binding(AnyBinding):
    """One device of a user."""

    chat_service_sid: str | None = None


class Bindings(Fetchable[T], Deletable[T]):
    """What bindings of both APIs have in common."""

    def stream(
        self,
        *,
        binding_type: Sequence[PushBindingType | str] | None = None,
        identity: Sequence[str] | None = None,
        page_size: int = PAGE_SIZE_DEFAULT,
        limit: int | None = None,
        read_ahead: int = 1,
        cursor: str | None = None,
    ) -> Stream[T]:
        """Read the bindings, page after page.

        Args:
            binding_type: Those of one of these types.
            identity: Those of one of these users.
            page_size: As for every stream, as are ``limit``, ``read_ahead`` and ``cursor``.

        Raises:
            ValueError: As for every stream.
        """
        filters = {"BindingType": binding_type, "Identity": identity}
        return self._stream(filters, page_size=page_size, limit=limit, read_ahead=read_ahead, cursor=cursor)


class BindingRepository(Bindings[Binding]):
    """The bindings of a service."""

    model = Binding

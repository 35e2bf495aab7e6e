"""Push credentials: how the API reaches the notification services of phones.

API page: credential resource, https://www.twilio.com/docs/conversations/api/credential-resource
"""

from __future__ import annotations

from attrs import frozen

from ..converter import AwareDatetime, OpenEnum, TextFlag
from ..repository import Deletable, Fetchable, Streamable


class PushType(OpenEnum):
    """A notification service."""

    APN = "apn"
    GCM = "gcm"
    FCM = "fcm"


@frozen(kw_only=True)
class Credential:
    """One push credential; its secrets are never given back."""

    sid: str
    account_sid: str | None = None
    friendly_name: str | None = None
    type: PushType | None = None
    #: Whether the sandbox of APN is used. The API writes it as the text ``True`` or ``False``.
    sandbox: TextFlag | None = None
    date_created: AwareDatetime | None = None
    date_updated: AwareDatetime | None = None
    url: str | None = None


class Credentials(Fetchable[Credential], Deletable[Credential], Streamable[Credential]):
    """What the push credentials of both APIs have in common."""

    model = Credential

    async def create(
        self,
        *,
        type: PushType | str,  # noqa: A002  # the API's name
        friendly_name: str | None = None,
        certificate: str | None = None,
        private_key: str | None = None,
        sandbox: bool | None = None,
        api_key: str | None = None,
        secret: str | None = None,
    ) -> Credential:
        """Store a push credential.

        Args:
            type: The notification service that it is for.
            friendly_name: Up to 64 characters.
            certificate: For APN, the certificate as PEM.
            private_key: For APN, its private key as PEM.
            sandbox: For APN, whether its sandbox is used.
            api_key: For GCM, the API key of the project.
            secret: For FCM, the server key of the project.
        """
        return await self._post(
            self._path,
            {
                "Type": type,
                "FriendlyName": friendly_name,
                "Certificate": certificate,
                "PrivateKey": private_key,
                "Sandbox": sandbox,
                "ApiKey": api_key,
                "Secret": secret,
            },
        )


class CredentialRepository(Credentials):
    """The push credentials of the account."""

    async def update(
        self,
        sid: str,
        *,
        type: PushType | str | None = None,  # noqa: A002  # the API's name
        friendly_name: str | None = None,
        certificate: str | None = None,
        private_key: str | None = None,
        sandbox: bool | None = None,
        api_key: str | None = None,
        secret: str | None = None,
    ) -> Credential:
        """Change a push credential (``CR…``); the arguments are those of ``create``. None changes nothing.

        Raises:
            NotFoundError: There is no such credential.
        """
        return await self._post(
            self._item(sid),
            {
                "Type": type,
                "FriendlyName": friendly_name,
                "Certificate": certificate,
                "PrivateKey": private_key,
                "Sandbox": sandbox,
                "ApiKey": api_key,
                "Secret": secret,
            },
        )

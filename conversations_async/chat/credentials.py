"""Push credentials, as the legacy Chat API has them: the same, but their type is for good.

API page: credential resource, https://www.twilio.com/docs/chat/rest/credential-resource
"""

from __future__ import annotations

from ..resources.credentials import Credential, Credentials


class ChatCredentialRepository(Credentials):
    """The push credentials of the account."""

    async def update(
        self,
        sid: str,
        *,
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
                "FriendlyName": friendly_name,
                "Certificate": certificate,
                "PrivateKey": private_key,
                "Sandbox": sandbox,
                "ApiKey": api_key,
                "Secret": secret,
            },
        )

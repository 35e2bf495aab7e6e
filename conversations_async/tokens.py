"""Who is it that a front end speaks for? Access tokens, which its SDK shows to the API; they need PyJWT.

https://www.twilio.com/docs/iam/access-tokens
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn

from ._checks import check_whole
from ._sealing import Sealed
from .converter import check_characters
from .credentials import choose_credentials
from .hosts import Hosts

if TYPE_CHECKING:
    from typing import Self

#: The API refuses a longer life (20157, 51121). In seconds.
_LONGEST_LIFE: Final = 24 * 60 * 60
#: In characters, as for users.
_LONGEST_IDENTITY: Final = 256
#: In bytes: HMAC itself fills a shorter key up with zeros, to more than this. PyJWT warns of shorter ones.
_LEAST_KEY: Final = 32


class AccessToken(Sealed):
    """What a token is to say: make it where the user is logged in, and send ``to_jwt()`` to the front end.

    The front end never sees the secret. It uses chat and conversations by the chat grant, without which the
    token is good for nothing there.

    Args:
        account_sid: The account (``AC`` and 32 hex digits).
        api_key: The SID of one of its API keys (``SK`` and 32 hex digits). It can be read in the token.
        api_secret: The key's secret. An auth token signs nothing that is accepted.
        identity: What the application calls the user, up to 256 characters; SDKs need it.
        ttl: Seconds from ``to_jwt`` until the token ends, up to 86,400.
        region: The region of the account, such as ``ie1``, which has to be the key's; the vendor's default
            is ``us1``.

    Raises:
        ValueError: An argument is missing or malformed; the message names it, and never shows a secret.
    """

    def __init__(
        self,
        account_sid: str,
        api_key: str,
        api_secret: str,
        *,
        identity: str | None = None,
        ttl: int = 3600,
        region: str | None = None,
    ) -> None:
        # all can read it in the token: a secret that was given in its place must not get there
        if not (isinstance(api_key, str) and re.fullmatch(r"SK[0-9a-fA-F]{32}", api_key)):
            raise ValueError("api_key (TWILIO_API_KEY) must be SK and 32 hex digits")
        self._api_key, self._api_secret = choose_credentials(account_sid, None, api_key, api_secret)
        check_whole("ttl", ttl, 1, _LONGEST_LIFE)
        self._account_sid = account_sid
        self._ttl = ttl
        self._region = Hosts(region=region).region
        self._grants: dict[str, object] = _given(identity=identity)
        if identity is not None and len(identity) > _LONGEST_IDENTITY:
            raise ValueError(f"identity must have at most {_LONGEST_IDENTITY} characters")

    def add_chat_grant(
        self,
        *,
        service_sid: str | None = None,
        endpoint_id: str | None = None,
        deployment_role_sid: str | None = None,
        push_credential_sid: str | None = None,
    ) -> Self:
        """Allow chat and conversations, and return the token, which is changed.

        A token has one chat grant: a second one would replace the first, and is refused.

        Args:
            service_sid: The service (``IS…``) that the user may use.
            endpoint_id: The device, for SDKs so old that they ask for it.
            deployment_role_sid: The service-wide role (``RL…``) that the user gets.
            push_credential_sid: What the device gets push notifications by (``CR…``).

        Raises:
            ValueError: An argument is empty or no text, or there is a chat grant already.
        """
        if "chat" in self._grants:
            raise ValueError("the token has a chat grant already: make another token")
        self._grants["chat"] = _given(
            service_sid=service_sid,
            endpoint_id=endpoint_id,
            deployment_role_sid=deployment_role_sid,
            push_credential_sid=push_credential_sid,
        )
        return self

    def to_jwt(self) -> str:
        """Sign a token that is valid from now on.

        Its ``jti`` is the API key and the second; tokens of the same second have the same.

        Raises:
            ModuleNotFoundError: PyJWT is missing, which comes with the extra ``tokens``.
            ValueError: PyJWT takes ``api_secret`` for another kind of key.
        """
        try:
            import jwt  # noqa: PLC0415  # an extra, looked for only when it is needed
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "an access token needs PyJWT: install the extra 'tokens' of conversations-async", name="jwt"
            ) from error
        now = int(time.time())
        claims = {
            "jti": f"{self._api_key}-{now}",
            "iss": self._api_key,
            "sub": self._account_sid,
            "nbf": now,
            "exp": now + self._ttl,
            "grants": self._grants,
        }
        headers = {"cty": "twilio-fpa;v=1"} | ({} if self._region is None else {"twr": self._region})
        with suppress(jwt.PyJWTError):  # its frames hold the secret: it must not become the context
            key = self._api_secret.encode().ljust(_LEAST_KEY, b"\0")
            return jwt.encode(claims, key, algorithm="HS256", headers=headers)
        raise ValueError("api_secret (TWILIO_API_SECRET) has the form of another kind of key")

    def __reduce__(self) -> NoReturn:
        # it holds the secret
        raise TypeError("an access token cannot be copied or pickled: send what to_jwt gives")


def _given(**texts: str | None) -> dict[str, object]:
    """Leave out what is None.

    Raises:
        ValueError: Another one is empty, no string, or cannot be sent; the message names it.
    """
    for name, text in texts.items():
        if text is not None and not (isinstance(text, str) and text):
            raise ValueError(f"{name} must be a string that is not empty, or None")
    return {name: check_characters(name, text) for name, text in texts.items() if text is not None}

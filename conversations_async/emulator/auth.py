"""Whose request is it?"""

import base64
import binascii
import hmac
from typing import Final

from attrs import field, frozen

from .documents import is_text
from .errors import RequestError
from .wire import is_sid

#: The account that payloads name when the caller shows an API key, which does not tell its account.
_ACCOUNT_OF_KEYS: Final = "AC" + "0" * 32


@frozen(kw_only=True)
class Credentials:
    """The account that is let in; without one, everybody whose user name and password have the right form."""

    account_sid: str | None = field(default=None)
    auth_token: str | None = field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        if (self.account_sid is None) != (self.auth_token is None):
            raise ValueError("account_sid and auth_token go together: give both or neither")
        if self.account_sid is None or self.auth_token is None:
            return
        # Neither is shown: who mixes them up would find the token in a log.
        if not (is_text(self.account_sid) and is_sid(self.account_sid, "AC")):
            raise ValueError("account_sid must be AC and 32 hexadecimal digits")
        if not (is_text(self.auth_token) and self.auth_token and self.auth_token.isprintable()):
            raise ValueError("auth_token must be a text of printable characters, and not empty")

    def admit(self, authorization: str | None) -> tuple[str, str | None]:
        """Give the account SID of a request's Authorization header, and its token; an API key shows none.

        Raises:
            RequestError: 20003.
        """
        user, password = _parse(authorization or "")
        if not (is_sid(user, "AC") or is_sid(user, "SK")):
            raise RequestError(20003, "Authentication Error - invalid username")
        if self.account_sid is not None and self.auth_token is not None:
            # Both are compared, whatever the first comparison says.
            known = hmac.compare_digest(user.encode(), self.account_sid.encode())
            if not hmac.compare_digest(password.encode(), self.auth_token.encode()) or not known:
                raise RequestError(20003, "Authenticate")
        return (user, password) if user.startswith("AC") else (_ACCOUNT_OF_KEYS, None)


def _parse(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise RequestError(20003, "Authenticate") from error
    user, _, password = text.partition(":")
    if scheme.lower() != "basic" or not password:
        raise RequestError(20003, "Authenticate")
    return user, password

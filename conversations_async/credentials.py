"""Who is it that calls? The account with its auth token, or one of its API keys with its secret."""

from __future__ import annotations

import re


def choose_credentials(
    account_sid: str, auth_token: str | None, api_key: str | None, api_secret: str | None
) -> tuple[str, str]:
    """Choose a user name and its password; an API key goes before the auth token.

    Raises:
        ValueError: One is missing or malformed; the message names it, and shows none.
    """
    given = {
        "account_sid (TWILIO_ACCOUNT_SID)": account_sid,
        "auth_token (TWILIO_AUTH_TOKEN)": auth_token,
        "api_key (TWILIO_API_KEY)": api_key,
        "api_secret (TWILIO_API_SECRET)": api_secret,
    }
    for name, value in given.items():
        if value is not None and not (isinstance(value, str) and re.fullmatch(r"[!-~]*", value)):
            raise ValueError(f"{name} must be a string of visible ASCII, without white space")
    account_name, token_name, key_name, secret_name = given
    if not account_sid:
        raise ValueError(f"{account_name} is missing")
    if not re.fullmatch(r"AC[0-9a-fA-F]{32}", account_sid):
        raise ValueError(f"{account_name} must be AC and 32 hex digits")
    if api_key and not api_secret:
        raise ValueError(f"{key_name} is given, but its {secret_name} is missing")
    if api_secret and not api_key:
        raise ValueError(f"{secret_name} is given, but its {key_name} is missing")
    if api_key and api_secret:
        if ":" in api_key:
            raise ValueError(f"{key_name} must not contain a colon")
        return api_key, api_secret
    if not auth_token:
        raise ValueError(f"{token_name} is missing; {key_name} and {secret_name} would do as well")
    return account_sid, auth_token

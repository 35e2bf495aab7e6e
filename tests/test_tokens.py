"""Access tokens: valid by the specification, and the same as the official client's."""

from __future__ import annotations

import base64
import hmac
import json
import re
import sys
import time
from contextlib import contextmanager
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.jwt.access_token import AccessToken as OfficialToken  # type: ignore[import-untyped]  # it has no types
from twilio.jwt.access_token.grants import ChatGrant  # type: ignore[import-untyped]  # it has no types

from conversations_async.tokens import AccessToken

from .conftest import ACCOUNT_SID, SERVICE
from .support import COPIES, deterministic
from .test_secrets import HIDDEN, error_of, shown_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "SK" + "b" * 32
SECRET = "not-a-real-secret-of-32-letters."
NOW = 1_700_000_000
DAY = 86_400

GRANTS = ("service_sid", "endpoint_id", "deployment_role_sid", "push_credential_sid")

texts = st.text(min_size=1, max_size=256)


@contextmanager
def clock(now: float) -> Iterator[None]:
    """Stop the clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: now)
        yield


class RejectedError(Exception):
    """A token is not accepted; its text says why."""


def require(true: object, why: str) -> None:
    """Reject a token unless something is so."""
    if not true:
        raise RejectedError(why)


def decode(part: str) -> bytes:
    """Read base64url as RFC 7515 has it: of its alphabet alone, without padding, and in one way only."""
    require(re.fullmatch(r"[A-Za-z0-9_-]+", part), "alphabet")
    require(len(part) % 4 != 1, "length")
    value = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    require(base64.urlsafe_b64encode(value).rstrip(b"=").decode() == part, "bits beyond the end")
    return value


def verify(token: str, *, secret: str = SECRET, now: float = NOW) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give header and claims of a token that holds by RFC 7515 and 7519, and by what the API asks for."""
    parts = token.split(".")
    require(len(parts) == 3, "parts")
    signature = hmac.digest(secret.encode(), ".".join(parts[:2]).encode(), "sha256")
    require(hmac.compare_digest(decode(parts[2]), signature), "signature")
    header, claims = (json.loads(decode(part)) for part in parts[:2])
    require((header["typ"], header["alg"], header["cty"]) == ("JWT", "HS256", "twilio-fpa;v=1"), "header")
    require((claims["iss"], claims["sub"]) == (KEY, ACCOUNT_SID), "issuer or subject")
    require(claims["nbf"] <= now, "too early")
    require(now < claims["exp"] <= claims["nbf"] + DAY, "expired, or too long a life")
    return header, claims


def issued(now: float = NOW, **options: Any) -> str:
    """Write a token at a given time, with a chat grant."""
    with clock(now):
        token = AccessToken(ACCOUNT_SID, KEY, SECRET, identity="ann", **options)
        return token.add_chat_grant(service_sid=SERVICE).to_jwt()


def test_a_token_says_who_may_do_what_and_until_when() -> None:
    """Header and claims are those of the API's page about access tokens, and nothing else."""
    assert verify(issued(NOW + 0.9)) == (
        {"typ": "JWT", "alg": "HS256", "cty": "twilio-fpa;v=1"},
        {
            "jti": f"{KEY}-{NOW}",
            "iss": KEY,
            "sub": ACCOUNT_SID,
            "nbf": NOW,
            "exp": NOW + 3600,
            "grants": {"identity": "ann", "chat": {"service_sid": SERVICE}},
        },
    )
    header, _ = verify(issued(region="ie1"))
    assert header["twr"] == "ie1"


@pytest.mark.parametrize("ttl", [1, 60, DAY])
def test_a_token_is_valid_for_its_time(ttl: int) -> None:
    """It is accepted from its first second to its last, and neither before nor after."""
    token = issued(ttl=ttl)
    verify(token)
    verify(token, now=NOW + ttl - 0.001)
    with pytest.raises(RejectedError, match="expired"):
        verify(token, now=NOW + ttl)
    with pytest.raises(RejectedError, match="too early"):
        verify(token, now=NOW - 1)


def test_another_secret_accepts_nothing() -> None:
    """Only who knows the secret takes the token for signed."""
    for other in SECRET[:-1] + "!", SECRET + "!", SECRET.upper():
        with pytest.raises(RejectedError, match="signature"):
            verify(issued(), secret=other)


@pytest.mark.parametrize("secret", ["x", "secret", SECRET[1:], SECRET, SECRET * 5])
def test_a_secret_of_any_length_signs(secret: str) -> None:
    """Also one that is shorter than any that the API gives, as tests have: it signs, without a warning."""
    verify(AccessToken(ACCOUNT_SID, KEY, secret).to_jwt(), secret=secret, now=time.time())


@given(place=st.integers(0), other=st.sampled_from(ascii_letters + digits + "-_.="))
@deterministic
def test_no_character_can_be_changed(place: int, other: str) -> None:
    """A token of which one character is another one is rejected."""
    token = issued()
    place %= len(token)
    changed = token[:place] + other + token[place + 1 :]
    if changed == token:
        verify(changed)
    else:
        with pytest.raises(RejectedError):
            verify(changed)


@given(
    options=st.fixed_dictionaries(
        {},
        optional={"identity": texts, "ttl": st.integers(1, DAY), "region": st.sampled_from(["us1", "ie1"])},
    ),
    grant=st.none() | st.fixed_dictionaries({}, optional=dict.fromkeys(GRANTS, texts)),
    now=st.floats(0, 2**32),
)
@deterministic
def test_a_token_is_what_the_official_client_makes_of_it(
    options: dict[str, Any], grant: dict[str, str] | None, now: float
) -> None:
    """Whatever it is given, with a grant or without: header and claims are the same, and both are valid."""
    ours = AccessToken(ACCOUNT_SID, KEY, SECRET, **options)
    official = OfficialToken(ACCOUNT_SID, KEY, SECRET, **options)
    if grant is not None:
        assert ours.add_chat_grant(**grant) is ours
        official.add_grant(ChatGrant(**grant))
    with clock(now):
        assert verify(ours.to_jwt(), now=now) == verify(official.to_jwt(), now=now)


def test_a_token_can_be_written_again() -> None:
    """Each is valid from when it was written; what it says stays the same."""
    token = AccessToken(ACCOUNT_SID, KEY, SECRET, identity="ann", ttl=60)
    with clock(NOW):
        first = token.to_jwt()
    with clock(NOW + 60):
        second = token.to_jwt()
    (_, before), (_, after) = verify(first), verify(second, now=NOW + 60)
    assert after["grants"] == before["grants"] == {"identity": "ann"}
    assert after["exp"] == before["exp"] + 60
    assert after["jti"] != before["jti"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"account_sid": ""}, "account_sid (TWILIO_ACCOUNT_SID) is missing"),
        ({"account_sid": None}, "account_sid (TWILIO_ACCOUNT_SID) is missing"),
        ({"account_sid": "AC123"}, "account_sid (TWILIO_ACCOUNT_SID) must be AC and 32"),
        ({"account_sid": KEY, "api_key": ACCOUNT_SID}, "api_key (TWILIO_API_KEY) must be SK and 32"),
        ({"api_key": SECRET, "api_secret": KEY}, "api_key (TWILIO_API_KEY) must be SK and 32"),
        ({"api_key": KEY + "\n"}, "api_key (TWILIO_API_KEY) must be SK and 32"),
        ({"api_key": ""}, "api_key (TWILIO_API_KEY) must be SK and 32"),
        ({"api_key": None}, "api_key (TWILIO_API_KEY) must be SK and 32"),
        ({"api_secret": ""}, "its api_secret (TWILIO_API_SECRET) is missing"),
        ({"api_secret": None}, "its api_secret (TWILIO_API_SECRET) is missing"),
        ({"api_secret": SECRET.encode()}, "api_secret (TWILIO_API_SECRET) must be a string of visible ASCII"),
        ({"api_secret": SECRET + "\n"}, "api_secret (TWILIO_API_SECRET) must be a string of visible ASCII"),
        ({"identity": ""}, "identity must be a string that is not empty"),
        ({"identity": 7}, "identity must be a string that is not empty"),
        ({"identity": "ann\ud83d"}, "identity holds half of a surrogate pair"),
        ({"identity": "a" * 257}, "identity must have at most 256 characters"),
        ({"ttl": 0}, "ttl must be a whole number from 1 to 86400, got 0"),
        ({"ttl": -1}, "ttl must be a whole number from 1 to 86400, got -1"),
        ({"ttl": DAY + 1}, "ttl must be a whole number from 1 to 86400, got 86401"),
        ({"ttl": 60.0}, "ttl must be a whole number from 1 to 86400, got 60.0"),
        ({"ttl": True}, "ttl must be a whole number"),
        ({"ttl": None}, "ttl must be a whole number"),
        ({"ttl": SECRET}, "ttl must be a whole number from 1 to 86400, got a str"),
        ({"region": ""}, "region (TWILIO_REGION) must be a name such as ie1"),
        ({"region": "IE1"}, "region (TWILIO_REGION) must be a name such as ie1"),
        ({"region": 1}, "region (TWILIO_REGION) must be a name such as ie1"),
    ],
)
def test_bad_arguments_are_named_and_not_shown(arguments: dict[str, Any], complaint: str) -> None:
    """The error says which argument, and what would do; no secret is in it."""
    given = {"account_sid": ACCOUNT_SID, "api_key": KEY, "api_secret": SECRET, **arguments}
    with pytest.raises(ValueError, match=re.escape(complaint)) as caught:
        AccessToken(**given)
    assert SECRET[1:] not in str(caught.value)


@pytest.mark.parametrize("name", GRANTS)
@pytest.mark.parametrize("value", ["", 7, b"IS1", "half \udc00"])
def test_a_bad_grant_is_refused_and_none_is_added(name: str, value: Any) -> None:
    """The error names the argument; the token is as it was, and takes a good grant."""
    token = AccessToken(ACCOUNT_SID, KEY, SECRET)
    with pytest.raises(ValueError, match=f"^{name} "):
        token.add_chat_grant(**{name: value})
    with clock(NOW):
        assert verify(token.to_jwt())[1]["grants"] == {}
        assert verify(token.add_chat_grant().to_jwt())[1]["grants"] == {"chat": {}}


def test_a_second_chat_grant_is_refused() -> None:
    """No grant disappears in silence: the first one stays, and the second is an error."""
    token = AccessToken(ACCOUNT_SID, KEY, SECRET).add_chat_grant(service_sid=SERVICE)
    with pytest.raises(ValueError, match="chat grant already"):
        token.add_chat_grant(endpoint_id="phone")
    with clock(NOW):
        assert verify(token.to_jwt())[1]["grants"] == {"chat": {"service_sid": SERVICE}}


def test_without_pyjwt_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is missed only when a token is written."""
    token = AccessToken(ACCOUNT_SID, KEY, SECRET).add_chat_grant(service_sid=SERVICE)
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(ModuleNotFoundError, match="install the extra 'tokens' of conversations-async"):
        token.to_jwt()


def hidden_token(prefix: str = "") -> AccessToken:
    """Make a token whose secret is hidden."""
    return AccessToken(ACCOUNT_SID, KEY, prefix + HIDDEN.key_secret)


def fail_for_lack_of_pyjwt() -> None:
    """Write a token without PyJWT."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "jwt", None)
        hidden_token().to_jwt()


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda: AccessToken(ACCOUNT_SID, HIDDEN.key_secret, KEY), ValueError),
        (lambda: AccessToken(ACCOUNT_SID, KEY, HIDDEN.key_secret, ttl=0), ValueError),
        (lambda: hidden_token().add_chat_grant(service_sid=""), ValueError),
        (lambda: hidden_token("ssh-rsa").to_jwt(), ValueError),
        (fail_for_lack_of_pyjwt, ModuleNotFoundError),
        *((lambda how=how: how(hidden_token()), TypeError) for how in COPIES.values()),
    ],
)
def test_no_error_shows_the_secret(function: Callable[[], object], kind: type[Exception]) -> None:
    """Neither its text nor any frame that it passed through does, PyJWT's included; and no copy is made."""
    error = error_of(function)
    assert type(error) is kind
    shown = shown_by(error)
    assert HIDDEN.found_in(shown) == set()
    assert HIDDEN.key_secret[1:] not in shown


def test_a_token_that_is_printed_shows_no_secret() -> None:
    """What a log makes of it holds neither the secret nor what is signed with it."""
    token = hidden_token()
    assert HIDDEN.found_in(f"{token} {token!r} {[token]}") == set()
    assert "eyJ" not in repr(token)

"""How is a file reached without credentials? By a path that cannot be guessed, for a while.

The path is the file's SID and the time of its end, under a seal. So nothing is kept of it, and it holds for
as long as the process that made it, at most.
"""

import hmac
import secrets
from typing import Final

from .errors import RequestError

PATTERN: Final = "/media/{token}"
_LIFETIME_MS: Final = 300_000
_KEY: Final = secrets.token_bytes(32)


def write(sid: str, *, now: int) -> str:
    """Make the path that leads to a file from now on."""
    claim = f"{sid}-{now + _LIFETIME_MS}"
    return PATTERN.format(token=f"{claim}-{_seal(claim)}")


def read(token: str, *, now: int) -> str:
    """Give the SID of the file that a path leads to.

    Raises:
        RequestError: 20403. Assumed: how the API refuses a link that is over is documented nowhere.
    """
    claim, _, seal = token.rpartition("-")
    sid, _, end = claim.partition("-")
    if not hmac.compare_digest(seal.encode(), _seal(claim).encode()) or now >= int(end):
        raise RequestError(20403, "The link does not hold, or no more")
    return sid


def _seal(claim: str) -> str:
    return hmac.new(_KEY, claim.encode(), "sha256").hexdigest()

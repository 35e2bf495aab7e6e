"""What came back from one request, as a value: an attempt makes it, errors and models are read from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

from ._masking import mask_path

#: The header in which the API gives the id of a request.
REQUEST_ID: Final = "Twilio-Request-Id"


@frozen(kw_only=True)
class Response:
    """An HTTP response, whose body was read whole, or, in a download that succeeds, not at all."""

    method: str
    #: The path that was requested, without origin and query.
    path: str = field(repr=mask_path)
    status: int
    #: As aiohttp gives them: looked up without regard to case.
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    #: How many requests the call had made when this answer came.
    attempts: int = 1

    @property
    def ok(self) -> bool:
        """Whether the API did what was asked; a redirect is no success, it is never followed."""
        return 200 <= self.status < 300

    @property
    def request_id(self) -> str | None:
        """The id under which the API's support finds the request (``RQ`` and 32 hex digits)."""
        return self.headers.get(REQUEST_ID)

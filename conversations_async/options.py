"""How every request of a client is made: its time, its retries, its size, its way. A value, checked once."""

from __future__ import annotations

from ssl import PROTOCOL_TLS_SERVER, SSLContext

from attrs import field, frozen

from ._checks import check_seconds, check_whole
from .proxies import NO_PROXIES, Proxies
from .retry import RetryPolicy

#: In bytes. A page of 1,000 messages, each as large as the API takes them, is below 40 MB.
MAX_RESPONSE_SIZE = 64 * 1024 * 1024


@frozen(kw_only=True)
class Options:
    """What the arguments of a client say of its requests; see there.

    Raises:
        ValueError: One is out of range, or none of its kind; the message names it.
    """

    timeout: float = 30.0
    retry: RetryPolicy = RetryPolicy()  # noqa: RUF009  # it is frozen
    max_response_size: int = MAX_RESPONSE_SIZE
    ssl: SSLContext | None = None
    proxies: Proxies = field(default=NO_PROXIES, repr=False)

    def __attrs_post_init__(self) -> None:
        check_seconds("timeout", self.timeout)
        if not isinstance(self.retry, RetryPolicy):
            raise ValueError(f"retry must be a RetryPolicy, got a {type(self.retry).__name__}")  # noqa: TRY004  # the contract
        check_whole("max_response_size", self.max_response_size, 1)
        if not isinstance(self.ssl, SSLContext | None):
            raise ValueError(f"ssl must be an ssl.SSLContext, got a {type(self.ssl).__name__}")  # noqa: TRY004  # the contract
        if self.ssl is not None and self.ssl.protocol is PROTOCOL_TLS_SERVER:
            raise ValueError("ssl must be a context for clients, such as ssl.create_default_context()")

"""How is an emulator started and stopped?"""

import os
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from .app import COUNTER, create_app

_PORTS: Final = range(1 << 16)
#: How long ``close`` waits for requests that are being served, in seconds. None takes more than a moment.
_PATIENCE: Final = 1.0


class Emulator:
    """The API on a port of this machine.

        async with Emulator() as emulator:
            ... emulator.url ...

    Args:
        database: A SQLite file to keep the data in. By default it is in memory and ends with the emulator.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        account_sid: With ``auth_token`` the only account that is let in. Without, any well-formed one is, and
            all of them see the same data.
        auth_token: Goes with ``account_sid``.

    Raises:
        ValueError: An argument is wrong; the text names it and holds no secret.
    """

    def __init__(
        self,
        *,
        database: str | os.PathLike[str] = ":memory:",
        host: str = "127.0.0.1",
        port: int = 0,
        account_sid: str | None = None,
        auth_token: str | None = None,
    ) -> None:
        if not host:
            raise ValueError("host must not be empty")
        if not isinstance(port, int) or port not in _PORTS:
            raise ValueError(f"port must be a whole number within 0..{_PORTS[-1]}, not {port!r}")
        self._app = create_app(database=database, account_sid=account_sid, auth_token=auth_token)
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None
        self._is_used = False

    @property
    def url(self) -> str:
        """The origin to send requests to, such as ``http://127.0.0.1:54321``.

        Raises:
            RuntimeError: The emulator is not running.
        """
        if self._runner is None:
            raise RuntimeError("the emulator is not running")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._runner.addresses[0][1]}"

    @property
    def requests_served(self) -> int:
        """How many requests have come in, refused ones included."""
        return self._app[COUNTER].requests

    async def start(self) -> None:
        """Open the database and listen.

        Raises:
            ValueError: The database cannot be used or is not an emulator's. It has not been changed.
            OSError: The address cannot be listened on.
            RuntimeError: The emulator has been started before; each one starts once.
        """
        if self._is_used:
            raise RuntimeError("an emulator starts once")
        self._is_used = True
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=_PATIENCE)
        try:
            await runner.setup()
            await web.TCPSite(runner, self._host, self._port).start()
        except BaseException as error:
            await runner.cleanup()
            if not isinstance(error, OSError):
                raise
            where = f"{self._host}:{self._port}"
            raise OSError(error.errno, f"cannot listen on {where}: {error.strerror or error}") from error
        self._runner = runner

    async def close(self) -> None:
        """Stop listening and close the database. Closing twice does no harm."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

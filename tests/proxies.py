"""Proxies of the tests: one that is real, and one that tells what it was told."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import time
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from attrs import define, field
from proxy.http.proxy import HttpProxyBasePlugin

from .servers import Scripted, read_head

if TYPE_CHECKING:
    from collections.abc import Generator

#: With all that is special in an address, and a letter that is not ASCII.
USER, PASSWORD = "us er@", "p%40:s/s?w#ö"
#: As they stand in an address.
QUOTED = "us%20er%40:p%2540%3As%2Fs%3Fw%23%C3%B6"
BASIC = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()

#: A name that nothing resolves but the proxy (RFC 2606): what arrives under it came through the proxy.
NAME = "conversations.invalid"


class Names(HttpProxyBasePlugin):
    """Lets all names lead to this machine; a plugin of proxy.py."""

    def resolve_dns(self, host: str, port: int) -> tuple[str, None]:
        """Give the address of this machine."""
        return "127.0.0.1", None


@contextmanager
def running_proxy(folder: Path) -> Generator[str]:
    """Run proxy.py, which demands credentials, in a process of its own; give its address without them."""
    told = folder / "port"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "proxy",
        "--hostname",
        "127.0.0.1",
        "--port",
        "0",
        "--port-file",
        told,
    ]
    command += ["--num-acceptors", "1", "--num-workers", "1", "--local-executor", "1", "--log-level", "ERROR"]
    command += ["--basic-auth", f"{USER}:{PASSWORD}", "--plugins", f"{__name__}.{Names.__name__}"]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) as process:  # noqa: S603  # our own
        try:
            end = time.monotonic() + 20
            while not (told.exists() and (port := told.read_text().strip())):
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.01)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


@define
class Tunnel(Scripted):
    """A proxy that makes tunnels to this machine, whatever the name, and keeps what it was told."""

    context: ssl.SSLContext | None = field(kw_only=True, default=None)
    host: str = field(kw_only=True, default="127.0.0.1")

    @property
    def url(self) -> str:
        """The address, without credentials."""
        scheme = "http" if self.context is None else "https"
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"{scheme}://{f'[{self.host}]' if ':' in self.host else self.host}:{port}"

    async def __aenter__(self) -> Self:
        address = "127.0.0.1" if self.host == "localhost" else self.host
        self._server = await asyncio.start_server(self._connected, address, 0, ssl=self.context)
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await read_head(reader)
        self.requests.append(request)
        _, _, port = request.target.rpartition(":")
        theirs, ours = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(_copy(reader, ours), _copy(theirs, writer))
        finally:
            ours.close()
        return False


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while block := await source.read(1 << 16):
        target.write(block)
        await target.drain()
    target.close()

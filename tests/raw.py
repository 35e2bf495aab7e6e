"""A client of the emulator without any cleverness, for tests of what is on the wire."""

import base64
from typing import Any

import aiohttp
from attrs import field, frozen
from yarl import URL

from .conftest import ACCOUNT_SID, AUTH_TOKEN


def basic(user: str, password: str) -> str:
    """Write a Basic Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@frozen
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def refusal(self) -> tuple[int, int]:
        """The status and the API's code."""
        assert self.body.keys() == {"code", "message", "more_info", "status"}
        assert self.body["status"] == self.status
        return self.status, self.body["code"]


@frozen
class Api:
    """A client without any cleverness."""

    session: aiohttp.ClientSession
    origin: str
    authorization: str | None = field(default=basic(ACCOUNT_SID, AUTH_TOKEN))

    async def call(
        self, method: str, path: str | URL, form: dict[str, str] | None = None, **more: Any
    ) -> Answer:
        """Send one request; an absolute URL is taken as it is."""
        url = self.origin + path if isinstance(path, str) and path.startswith("/") else path
        headers = {} if self.authorization is None else {"Authorization": self.authorization}
        async with self.session.request(method, url, data=form, headers=headers, **more) as response:
            body = await response.json() if response.content_type == "application/json" else None
            return Answer(response.status, body, dict(response.headers))

    async def get(self, path: str) -> Answer:
        """Fetch or list."""
        return await self.call("GET", path)

    async def post(self, path: str, /, **form: str) -> Answer:
        """Create or update; two underscores stand for a dot."""
        return await self.call("POST", path, {name.replace("__", "."): value for name, value in form.items()})

    async def delete(self, path: str) -> Answer:
        """Delete."""
        return await self.call("DELETE", path)

    async def make(self, path: str, /, **form: str) -> Any:
        """Create something that must come out."""
        answer = await self.post(path, **form)
        assert answer.status == 201, answer.body
        return answer.body

    async def change(self, path: str, /, **form: str) -> Any:
        """Update something that must come out."""
        answer = await self.post(path, **form)
        assert answer.status == 200, answer.body
        return answer.body

    async def show(self, path: str) -> Any:
        """Fetch or list something that must be there."""
        answer = await self.get(path)
        assert answer.status == 200, answer.body
        return answer.body

    async def upload(self, path: str, data: Any = b"Ahoy", kind: str = "text/plain") -> Answer:
        """Send a file."""
        headers = {"Authorization": self.authorization or "", "Content-Type": kind}
        async with self.session.post(self.origin + path, data=data, headers=headers) as response:
            return Answer(response.status, await response.json(), dict(response.headers))

    async def media(self, service: str) -> str:
        """Upload a file that must go in, and give its SID."""
        answer = await self.upload(f"/v1/Services/{service}/Media?Filename=a.txt")
        assert answer.status == 201, answer.body
        return str(answer.body["sid"])

    async def role(self, kind: str) -> str:
        """Make a role of the default service, and give its SID."""
        made = await self.make("/v1/Roles", FriendlyName="any", Type=kind, Permission="editOwnMessage")
        return str(made["sid"])

    async def pages(self, path: str) -> list[Any]:
        """Follow next_page_url to the end."""
        pages = [await self.show(path)]
        while (following := pages[-1]["meta"]["next_page_url"]) is not None:
            pages.append(await self.show(following))
        return pages


def sids(page: Any) -> list[str]:
    """The SIDs of a page's rows."""
    return [row["sid"] for row in page[page["meta"]["key"]]]

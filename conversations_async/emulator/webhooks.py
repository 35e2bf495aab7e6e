"""How does a webhook reach who listens?

Calls to one address about one conversation are made one after the other, in their order; all others at once.
So a slow receiver holds up nobody but itself. What a call was, and what became of it, is kept in a log.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import logging
import re
import threading
import uuid
from collections import deque
from collections.abc import Callable, Collection, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import aiohttp
from attrs import define, field, frozen
from yarl import URL

from .acts import Call
from .documents import require
from .errors import RequestError, malformed
from .events import REPLACEABLE
from .records import notify
from .wire import web_address

_logger: Final = logging.getLogger(__name__)

#: Documented: how long an answer is waited for, in seconds.
_TIME_LIMIT: Final = 5.0
#: Documented for webhooks of the platform: how often, and on what, a call is repeated; and the bounds of what
#: the fragment of a URL may say instead. That it holds for Conversations is assumed.
_RETRIES: Final = ("1", "ct")
_MOST_RETRIES: Final = 5
_LONGEST_MS: Final = {"ct": 10_000, "rt": 15_000}
_SHORTEST_MS: Final = 100
#: The longest answer of a pre-action hook that is read.
_LARGEST_ANSWER: Final = 1 << 20
_REMEMBERED: Final = 10_000
_ELSEWHERE: Final = "not called: the host is none of this machine's, nor allowed"
#: What is in no host, but in a URL, before a port, and after a user.
_NO_HOST: Final = frozenset("/:@")
#: The account, and its token, of which webhooks speak if nobody has called yet.
_NOBODY: Final = ("AC" + "0" * 32, "")


@frozen(kw_only=True)
class WebhookCall:
    """A webhook request that was made, or was to be made.

    Attributes:
        event: Its ``EventType``.
        url: Where it went, the fragment left out. None: to a Studio flow, which is noted and not called.
        form: What it told.
        attempts: How often it was sent.
        status: The HTTP status of the answer; None where none came.
        error: Why it has no answer; None where it has one.
        webhook_sid: The webhook of the conversation; None for those of the service and the account.
        flow_sid: The Studio flow.
        token: The ``I-Twilio-Idempotency-Token``, the same in every attempt.
    """

    event: str
    url: str | None
    method: str
    form: Mapping[str, str]
    attempts: int = 0
    status: int | None = None
    error: str | None = None
    webhook_sid: str | None = None
    flow_sid: str | None = None
    token: str = field(factory=lambda: str(uuid.uuid4()))


@frozen
class _Reply:
    status: int
    body: bytes


@define
class _Lane:
    calls: deque[Call]
    task: asyncio.Task[None] = field(init=False)


def allowed_hosts(url: str | None, hosts: Collection[str]) -> tuple[str, ...]:
    """Add the host of a URL to the patterns of those that are called.

    Raises:
        ValueError: It is no URL that can be called, or something else is no pattern of a host.
    """
    is_list = isinstance(hosts, Collection) and not isinstance(hosts, (str, bytes, Mapping))
    require("webhook_hosts", hosts, "a list of hosts", fits=is_list)
    for index, host in enumerate(hosts):
        is_host = isinstance(host, str) and host != "" and not _NO_HOST.intersection(host)
        require(f"webhook_hosts[{index}]", host, "a host or a pattern such as '*.test'", fits=is_host)
    patterns = tuple(host.lower() for host in hosts)
    if url is None:
        return patterns
    try:
        address = web_address(url)
    except (TypeError, ValueError):
        address = None
    require("webhook_url", url, "an http or https URL", fits=address is not None)
    return (*patterns, (URL(url).host or "").lower())


def bare(url: str) -> str:
    """Leave out what may be secret in a URL: its credentials, and its query."""
    return str(URL(url, encoded=True).with_user(None).with_query(None)) if url else url


def sign(url: str, form: Mapping[str, str], token: str) -> str:
    """Make the ``X-Twilio-Signature`` of a request; ``form`` is what stands in the body, not in the URL."""
    data = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), data.encode(), hashlib.sha1).digest()).decode()


class Courier:
    """Makes the calls.

    Args:
        hosts: Patterns of the hosts that are called besides this machine's own addresses. All others are not,
            so that a production URL in a test's data stays what it is: data.
    """

    def __init__(self, *, account_sid: str | None, auth_token: str | None, hosts: Collection[str]) -> None:
        self._began_as = account_sid or _NOBODY[0], auth_token or _NOBODY[1]
        self.account_sid, self._auth_token = self._began_as
        self._is_fixed = account_sid is not None
        #: Is told of each call.
        self.listener: Callable[[WebhookCall], None] | None = None
        self._hosts = tuple(hosts)
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._log: deque[WebhookCall] = deque(maxlen=_REMEMBERED)
        #: How often the log was emptied. A call that was made before does not come into it after that.
        self._era = 0
        self._lock = threading.Lock()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: aiohttp.ClientSession

    @property
    def log(self) -> list[WebhookCall]:
        """What was called, and what became of it, in the order of the answers; the last 10,000."""
        with self._lock:
            return list(self._log)

    @property
    def under_way(self) -> int:
        """How many calls have been caused and not been made."""
        return self._under_way

    def know(self, account_sid: str, auth_token: str) -> None:
        """Speak for an account from now on, unless this emulator has one of its own."""
        if not self._is_fixed:
            self.account_sid, self._auth_token = account_sid, auth_token

    def open(self) -> None:
        """Begin to call, in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._session = aiohttp.ClientSession(
            # Without a limit: a call that waits for a slow receiver keeps none of the others from theirs.
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "TwilioProxy/1.1", "Accept": "*/*"},
        )

    async def close(self, *, drain: float) -> None:
        """Make the calls that are left, for ``drain`` seconds at most, and drop the others."""
        try:
            async with asyncio.timeout(drain):
                await self.settled()
        except TimeoutError:
            pass
        tasks = [lane.task for lane in self._lanes.values()]
        dropped = self._drop()
        await asyncio.gather(*tasks, return_exceptions=True)
        for call in dropped:
            self._note(call, error="dropped: the emulator has ended")
        if dropped:
            _logger.warning("%d webhooks were dropped, as the emulator has ended", len(dropped))
        self._loop = None
        await self._session.close()

    def forget(self) -> None:
        """Drop what has not been called yet, empty the log, and speak for nobody but the own account."""
        with self._lock:
            self._era += 1
            self._log.clear()
        if not self._is_fixed:
            self.account_sid, self._auth_token = self._began_as
        self._soon(self._drop)

    def post(self, call: Call) -> None:
        """Make a call, as soon as it is its turn. From any thread."""
        if call.url is None or not self._may_call(call.url):
            self._note(call, error=None if call.url is None else _ELSEWHERE)
        else:
            self._soon(self._queue, call)

    async def ask(self, call: Call) -> dict[str, str]:
        """Ask a pre-action hook, and give the parameters that it replaces.

        Raises:
            RequestError: 50056, it refuses; or what it replaces cannot be read.
        """
        if call.url is None or not self._may_call(call.url):
            self._note(call, error=_ELSEWHERE)
            return {}
        return self._judge(call, await self._call(call))

    def _judge(self, call: Call, reply: _Reply | None) -> dict[str, str]:
        if self._loop is None:
            raise RequestError(20500)  # the emulator has ended meanwhile
        if reply is not None and reply.status >= 400:
            raise RequestError(50056)
        # No answer at all, and one that says nothing: it goes on as it was asked for.
        return _replaced(call.event, reply.body) if reply is not None and reply.status == 200 else {}

    async def settled(self) -> None:
        """Wait until every call has been made."""
        await asyncio.sleep(0)  # what was posted just now is queued first
        while self._under_way:
            self._idle.clear()
            await self._idle.wait()

    def _soon(self, do: Callable[..., object], *arguments: object) -> None:
        """Do something in the loop of the calls; after the end, nothing."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(do, *arguments)

    def _queue(self, call: Call) -> None:
        self._under_way += 1
        key = call.url or "", call.form.get("ConversationSid", "")
        if key in self._lanes:
            self._lanes[key].calls.append(call)
        else:
            lane = self._lanes[key] = _Lane(deque([call]))
            lane.task = asyncio.create_task(self._work(key, lane))

    async def _work(self, key: tuple[str, str], lane: _Lane) -> None:
        while lane.calls:
            try:
                await self._call(lane.calls[0])
            except Exception:
                _logger.exception("the emulator failed at the webhook %s", lane.calls[0].event)
            lane.calls.popleft()
            self._done(1)
        del self._lanes[key]

    def _drop(self) -> list[Call]:
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            lane.task.cancel()
        dropped = [call for lane in lanes.values() for call in lane.calls]
        self._done(len(dropped))
        return dropped

    def _done(self, calls: int) -> None:
        self._under_way -= calls
        if not self._under_way:
            self._idle.set()

    async def _call(self, call: Call) -> _Reply | None:
        """Make a call, and repeat it as its URL says; None where no answer came."""
        url, _, fragment = (call.url or "").partition("#")
        told = dict(parse_qsl(fragment))
        retries = min(_whole(told.get("rc", _RETRIES[0])), _MOST_RETRIES)
        repeated = told.get("rp", _RETRIES[1]).split(",")
        times = aiohttp.ClientTimeout(
            total=_seconds(told.get("rt"), _LONGEST_MS["rt"]),
            sock_connect=_seconds(told.get("ct"), _LONGEST_MS["ct"]),
        )
        token, era = str(uuid.uuid4()), self._era
        reply, error, attempt = None, None, 0
        for attempt in range(retries + 1):
            reply, error, kind = await self._attempt(url, call, attempt, token, times)
            if kind is None or not {kind, "all"}.intersection(repeated):
                break
        self._note(
            call,
            era=era,
            error=error,
            attempts=attempt + 1,
            status=None if reply is None else reply.status,
            token=token,
        )
        return reply

    async def _attempt(
        self, url: str, call: Call, number: int, token: str, times: aiohttp.ClientTimeout
    ) -> tuple[_Reply | None, str | None, str | None]:
        """Call once. Give the answer, or why there is none, and the kind of the failure, if it is one."""
        form = {**call.form, "RetryCount": str(number)}
        headers = {"I-Twilio-Idempotency-Token": token}
        data = None
        if call.method == "GET":
            url, signed = f"{url}{'&' if '?' in url else '?'}{urlencode(form)}", {}
        else:
            data, signed = urlencode(form).encode(), form
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
        target = URL(url, encoded=True)
        # Assumed: what is signed is what is sent, where a URL without a path has a slash.
        sent = f"{target.scheme}://{target.raw_authority}{target.raw_path_qs}"
        headers["X-Twilio-Signature"] = sign(sent, signed, self._auth_token)
        try:
            async with self._session.request(
                call.method,
                target,
                data=data,
                headers=headers,
                timeout=times,
                allow_redirects=False,
            ) as response:
                body = b""
                while len(body) < _LARGEST_ANSWER and (chunk := await response.content.readany()):
                    body += chunk
                reply = _Reply(response.status, body)
        except aiohttp.ClientConnectorError as failure:
            return None, f"no connection: {failure.strerror or failure}", "ct"
        except TimeoutError as failure:
            what, kind = (
                ("connection", "ct")
                if isinstance(failure, aiohttp.ConnectionTimeoutError)
                else ("answer", "rt")
            )
            return None, f"no {what} in time", kind
        except (aiohttp.ClientError, ValueError, RuntimeError) as failure:
            # Not in its own words, which may hold the whole URL.
            return None, f"no answer: {type(failure).__name__}", "ct"
        return reply, None, f"{reply.status // 100}xx" if reply.status >= 400 else None

    def _note(self, call: Call, *, era: int | None = None, **outcome: Any) -> None:
        url = None if call.url is None else call.url.partition("#")[0]
        noted = WebhookCall(
            event=call.event,
            url=url,
            method=call.method,
            form=call.form,
            webhook_sid=call.webhook_sid,
            flow_sid=call.flow_sid,
            **outcome,
        )
        with self._lock:
            if era not in {None, self._era}:
                return
            self._log.append(noted)
        self._soon(notify, self.listener, noted)
        if noted.error is not None or (noted.status or 0) >= 400:
            said = noted.error or f"HTTP {noted.status}"
            _logger.warning("webhook %s to %s: %s", noted.event, bare(url or ""), said)

    def _may_call(self, url: str) -> bool:
        host = (URL(url).host or "").lower()
        if host == "localhost" or any(fnmatchcase(host, pattern) for pattern in self._hosts):
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


def _replaced(event: str, body: bytes) -> dict[str, str]:
    try:
        answer = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(answer, dict):
        return {}
    given = {key: answer[key] for key in REPLACEABLE.get(event, ()) if answer.get(key) is not None}
    for key, value in given.items():
        try:
            value.encode()
        except (AttributeError, UnicodeEncodeError) as error:
            raise malformed(key) from error
    return given


def _whole(text: str) -> int:
    return int(text) if re.fullmatch(r"\d{1,3}", text, re.ASCII) else int(_RETRIES[0])


def _seconds(text: str | None, longest: int) -> float:
    if text is None or not re.fullmatch(r"\d{1,6}", text, re.ASCII):
        return _TIME_LIMIT
    return min(max(int(text), _SHORTEST_MS), longest) / 1000

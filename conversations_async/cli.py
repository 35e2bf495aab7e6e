"""The command line: look at conversations, write into them, show webhooks, run the emulator, see a demo."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path  # noqa: TC003  # typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from ._emulator_cli import apply, log_to_terminal, serve
from ._follow import follow as follow_messages
from ._lines import conversation_line, message_line
from ._listen import Form
from ._listen import listen as listen_to_webhooks
from ._terminal import Terminal
from ._version import __version__
from .client import ConversationsClient
from .converter import encode_model
from .demo import demonstrate
from .emulator import Emulator
from .errors import ConversationsError
from .repository import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, Order

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterator

    from rich.text import Text

    from .client import Scope
    from .pagination import Stream
    from .resources.conversations import Conversation
    from .resources.messages import Message

T = TypeVar("T")

app = typer.Typer(
    name="conversations-async",
    help="Work with the Twilio Conversations API, or with an emulator of it.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",  # paragraphs are filled, wherever a line of a docstring ends
    # they would print local variables, credentials among them
    pretty_exceptions_enable=False,
)

#: What the help of each command that makes a client ends with.
_ENVIRONMENT = (
    "Reads TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN (or TWILIO_API_KEY and TWILIO_API_SECRET), and"
    " CONVERSATIONS_BASE_URL from the environment."
)

ConversationArgument = Annotated[str, typer.Argument(help="The conversation: CH…, or its unique name.")]
ServiceOption = Annotated[str | None, typer.Option(help="The service (IS…); otherwise the default one.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="How many at the most; otherwise all.")]
PageSizeOption = Annotated[int, typer.Option(min=1, max=PAGE_SIZE_MAX, help="How many a page.")]


def run() -> None:
    """Run the command line."""
    # the library's warnings look like the command's other lines
    logging.basicConfig(format="conversations-async: %(message)s", level=logging.WARNING)
    for stream in sys.stdout, sys.stderr:
        # a character that the terminal does not know is no reason to stop
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()


@app.callback(invoke_without_command=True)
def version(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    """Handle what belongs to no command."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def demo() -> None:
    """Show what the library does, against an emulator in this process. Needs no account."""
    _run(demonstrate(Terminal(highlight=False)))


@app.command()
def emulator(
    *,
    host: Annotated[str, typer.Option(metavar="HOST", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", help="The port; 0 takes a free one.")] = 8080,
    database: Annotated[Path | None, typer.Option(metavar="FILE", help="A file to keep the data in.")] = None,
    seed: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What a new database begins with, as JSON.")
    ] = None,
    account_sid: Annotated[str | None, typer.Option(metavar="SID", help="Let in this account only.")] = None,
    auth_token: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="Its token, which signs webhooks.")
    ] = None,
    webhook_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where webhooks go from the start; its host is called.")
    ] = None,
    webhook_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN", help="Hosts that webhooks may call, too, such as '*.test'. Repeatable."
        ),
    ] = None,
    pre_webhooks_for_rest: Annotated[
        bool,
        typer.Option(
            "--pre-webhooks-for-rest",
            help="Ask pre-action webhooks about REST writes, too; --webhook-url is for both then.",
        ),
    ] = False,
    drain: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long the end waits for webhooks.")
    ] = 0.0,
    limits: Annotated[
        bool, typer.Option(help="Refuse what is too much, such as more than 30 writes a second.")
    ] = False,
    latency: Annotated[float, typer.Option(metavar="SECONDS", help="How long each request waits.")] = 0.0,
    faults: Annotated[Path | None, typer.Option(metavar="FILE", help="What goes wrong, as JSON.")] = None,
) -> None:
    """Run an emulator of the API until interrupted.

    Point a program at it with CONVERSATIONS_BASE_URL. Any well-formed credentials will do, unless an account
    is given. On a terminal it shows each request and each webhook.
    """
    log = log_to_terminal()
    try:
        server = Emulator(
            host=host,
            port=port,
            database=":memory:" if database is None else database,
            account_sid=account_sid,
            auth_token=auth_token,
            limits=limits,
            latency=latency,
            webhook_url=webhook_url,
            webhook_hosts=webhook_host or (),
            pre_webhooks_for_rest=pre_webhooks_for_rest,
            drain=drain,
            seed=seed,
            on_request=None if log is None else log.request,
            on_webhook=None if log is None else log.webhook,
        )
        if faults is not None:
            apply(faults, server.faults.load)
    except ValueError as error:
        _fail(error, 2)
    _run(serve(server, seed=seed))


@app.command(epilog="Reads TWILIO_AUTH_TOKEN, which webhooks are signed with, from the environment.")
def listen(
    *,
    host: Annotated[str, typer.Option(metavar="HOST", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", help="The port; 0 takes a free one.")] = 3000,
    path: Annotated[
        str | None, typer.Option(metavar="PATH", help="The only path that is not answered with 404.")
    ] = None,
    public_url: Annotated[
        str | None, typer.Option(metavar="URL", help="What the API calls, where that is a proxy or a tunnel.")
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="A proxy, or a network, whose headers say that. Repeatable."),
    ] = None,
    print: Annotated[bool, typer.Option("--print", help="Below each event, all its fields.")] = False,  # noqa: A002  # the option
    json: JsonOption = False,
) -> None:
    """Print the events that webhooks tell, verified, until interrupted. What is about to happen is accepted.

    A request that is refused is told on standard error, with the reason.
    """
    form = Form.JSON if json else Form.FIELDS if print else Form.LINE
    _run(
        listen_to_webhooks(
            host=host,
            port=port,
            path=path,
            public_url=public_url,
            trusted_proxies=trusted_proxy or (),
            form=form,
        )
    )


@app.command(epilog=_ENVIRONMENT)
def messages(
    conversation: ConversationArgument,
    *,
    service: ServiceOption = None,
    order: Annotated[Order, typer.Option(case_sensitive=False, help="Oldest or newest first.")] = Order.ASC,
    page_size: PageSizeOption = PAGE_SIZE_DEFAULT,
    limit: LimitOption = None,
    json: JsonOption = False,
) -> None:
    """Print the messages of a conversation, page after page."""

    def stream(scope: Scope) -> Stream[Message]:
        return scope.messages(conversation).stream(order=order, page_size=page_size, limit=limit)

    _run(_print(stream, service, None if json else message_line))


@app.command(epilog=_ENVIRONMENT)
def send(
    conversation: ConversationArgument,
    text: Annotated[str, typer.Argument(help="The message; - reads it from standard input.")],
    *,
    author: Annotated[str | None, typer.Option(help="Who says it; otherwise the API decides.")] = None,
    service: ServiceOption = None,
    attributes: Annotated[str | None, typer.Option(metavar="JSON", help="Its attributes.")] = None,
    once: Annotated[
        str | None, typer.Option(metavar="KEY", help="Send it unless a message with this key is there.")
    ] = None,
    create: Annotated[
        bool, typer.Option("--create", help="Make the conversation, if there is none of that unique name.")
    ] = False,
    webhooks: Annotated[bool | None, typer.Option(help="Whether webhooks are called for it.")] = None,
    json: JsonOption = False,
) -> None:
    """Add a message to a conversation, and print it.

    Of what standard input ends with, line ends are left out. A text that begins with a dash goes after --.
    """

    async def sent(scope: Scope) -> AsyncGenerator[Message]:
        if create:
            await scope.conversations.ensure(conversation, webhook_enabled=webhooks)
        messages = scope.messages(conversation)
        write = messages.create if once is None else partial(messages.create_once, key=once)
        yield await write(author=author, body=text, attributes=attributes, webhook_enabled=webhooks)

    with _telling():
        if text == "-":  # read here, where an interrupt ends it
            text = sys.stdin.read().rstrip("\n")
        if not text:
            raise ValueError("the text is empty")
    _run(_print(sent, service, None if json else message_line))


@app.command(epilog=_ENVIRONMENT)
def tail(
    conversation: ConversationArgument,
    *,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many to begin with.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    interval: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="How long to wait between two looks.")
    ] = 2.0,
    service: ServiceOption = None,
    json: JsonOption = False,
) -> None:
    """Print the newest messages of a conversation, oldest first, and with --follow those that come.

    With --follow it runs until interrupted. A look that fails in passing is told once, and what it missed is
    printed after the next one.
    """

    def told(error: ConversationsError) -> None:
        typer.echo(f"conversations-async: {error}; trying again every {interval:g} s", err=True)

    def newest(scope: Scope) -> AsyncGenerator[Message]:
        return follow_messages(
            scope.messages(conversation), lines=lines, interval=interval if follow else None, on_failure=told
        )

    if follow:
        # each retry of each look would be told otherwise
        logging.getLogger(__package__).setLevel(logging.ERROR)
    _run(_print(newest, service, None if json else message_line))


@app.command(epilog=_ENVIRONMENT)
def conversations(
    *,
    service: ServiceOption = None,
    page_size: PageSizeOption = PAGE_SIZE_DEFAULT,
    limit: LimitOption = None,
    json: JsonOption = False,
) -> None:
    """Print the conversations of a service."""

    def stream(scope: Scope) -> Stream[Conversation]:
        return scope.conversations.stream(page_size=page_size, limit=limit)

    _run(_print(stream, service, None if json else conversation_line))


async def _print(
    stream: Callable[[Scope], AsyncIterable[T]], service: str | None, line: Callable[[T], Text] | None
) -> None:
    """Print what a stream yields page after page: by a line of text each, or as JSON."""
    console = Terminal(highlight=False, soft_wrap=True)
    async with ConversationsClient.from_env(trust_env=True) as client:
        async for item in stream(client if service is None else client.service(service)):
            console.show(encode_model(item) if line is None else line(item))


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run a command to its end."""
    with _telling():
        asyncio.run(work)


@contextmanager
def _telling() -> Iterator[None]:
    """Make of what goes wrong one line on standard error, and an exit code."""
    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(130) from None
    except BrokenPipeError:
        # whoever read has seen enough; what is left in the buffer must not be written at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except ValueError as error:
        _fail(error, 2)
    except (ConversationsError, OSError) as error:
        _fail(error, 1)


def _fail(error: Exception, code: int) -> NoReturn:
    typer.echo(f"conversations-async: {getattr(error, 'strerror', None) or error}", err=True)
    raise typer.Exit(code) from None

"""The command line: look at conversations, run the emulator, see a demonstration."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import sys
from datetime import UTC
from pathlib import Path  # noqa: TC003  # typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from rich.text import Text

from ._emulator_cli import apply, log_to_terminal, serve
from ._terminal import Terminal, visible
from ._version import __version__
from .client import ConversationsClient
from .converter import encode_model
from .demo import demonstrate
from .emulator import Emulator
from .errors import ConversationsError
from .repository import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime

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
            help="Ask pre-action webhooks about REST writes, too.",
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


@app.command()
def messages(
    conversation: Annotated[str, typer.Argument(help="The conversation: CH…, or its unique name.")],
    *,
    service: ServiceOption = None,
    order: Annotated[Order, typer.Option(case_sensitive=False, help="Oldest or newest first.")] = Order.ASC,
    page_size: PageSizeOption = PAGE_SIZE_DEFAULT,
    limit: LimitOption = None,
    json: JsonOption = False,
) -> None:
    """Print the messages of a conversation, page after page.

    Reads TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN (or TWILIO_API_KEY and TWILIO_API_SECRET), and
    CONVERSATIONS_BASE_URL from the environment.
    """

    def stream(scope: Scope) -> Stream[Message]:
        return scope.messages(conversation).stream(order=order, page_size=page_size, limit=limit)

    _run(_print(stream, service, None if json else _message_line))


@app.command()
def conversations(
    *,
    service: ServiceOption = None,
    page_size: PageSizeOption = PAGE_SIZE_DEFAULT,
    limit: LimitOption = None,
    json: JsonOption = False,
) -> None:
    """Print the conversations of a service.

    Reads TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN (or TWILIO_API_KEY and TWILIO_API_SECRET), and
    CONVERSATIONS_BASE_URL from the environment.
    """

    def stream(scope: Scope) -> Stream[Conversation]:
        return scope.conversations.stream(page_size=page_size, limit=limit)

    _run(_print(stream, service, None if json else _conversation_line))


async def _print(
    stream: Callable[[Scope], Stream[T]], service: str | None, line: Callable[[T], Text] | None
) -> None:
    """Print what a stream yields page after page: by a line of text each, or as JSON."""
    console = Terminal(highlight=False, soft_wrap=True)
    async with ConversationsClient.from_env(trust_env=True) as client:
        async for item in stream(client if service is None else client.service(service)):
            console.show(encode_model(item) if line is None else line(item))


def _message_line(message: Message) -> Text:
    line = Text.assemble(
        (f"{_when(message.date_created)}  ", "dim"),
        (f"#{message.index}  ", "dim"),
        (f"{visible(message.author or '?')}: ", "bold"),
        visible(message.body or "").replace("\n", "\n    "),
    )
    for media in message.media or ():
        line.append(
            visible(f" [{media.content_type} {media.filename or media.sid}, {media.size} bytes]"), "cyan"
        )
    return line


def _conversation_line(conversation: Conversation) -> Text:
    names = (conversation.unique_name, conversation.friendly_name)
    return Text.assemble(
        (f"{_when(conversation.date_created)}  ", "dim"),
        f"{conversation.sid}  ",
        (f"{conversation.state or '?'}  ", "bold"),
        visible("  ".join(name for name in names if name)),
    )


def _when(moment: datetime | None) -> str:
    return "?" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run a command to its end; what goes wrong is one line on standard error, and an exit code."""
    try:
        asyncio.run(work)
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

"""The demonstration: the main job, from creating a conversation to a typed error, against an emulator."""

from __future__ import annotations

import asyncio
import textwrap
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from .client import ConversationsClient
from .emulator import Emulator
from .errors import NotFoundError
from .repository import Order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from .resources.messages import MessageRepository

MESSAGES = 300


class Report:
    """Tells what happens, and remembers what was done for the table at the end."""

    def __init__(self, console: Console, emulator: Emulator) -> None:
        self.console = console
        self._emulator = emulator
        self._rows: list[tuple[str, int, int, int, float]] = []

    @contextmanager
    def step(self, title: str) -> Iterator[dict[str, int]]:
        """Time a step; it notes the messages and pages that it dealt with."""
        self.console.print(f"\n[bold]{len(self._rows) + 1}. {title}[/bold]")
        done = {"messages": 0, "pages": 0}
        requests, start = self._emulator.requests_served, time.perf_counter()
        yield done
        self._rows.append(
            (
                title,
                self._emulator.requests_served - requests,
                done["messages"],
                done["pages"],
                time.perf_counter() - start,
            )
        )

    def table(self) -> Table:
        """Sum up."""
        table = Table(show_footer=True)
        sums = [sum(figures) for figures in zip(*(row[1:] for row in self._rows), strict=True)]
        table.add_column("what was done", "in all")
        for name, total in zip(("requests", "messages", "pages"), sums, strict=False):
            table.add_column(name, f"{total:.0f}", justify="right")
        table.add_column("seconds", f"{sums[-1]:.2f}", justify="right")
        for title, requests, messages, pages, seconds in self._rows:
            table.add_row(title, str(requests), str(messages), str(pages), f"{seconds:.2f}")
        return table


async def demonstrate(console: Console) -> None:
    """Do the main job against an emulator in this process, through real HTTP on loopback."""
    async with Emulator() as emulator:
        console.print(f"An emulator of the API listens on {emulator.url}, in this process.")
        console.print("Nothing leaves this machine, and no account is needed.")
        # any account will do here; the emulator lets in whoever looks like one
        async with ConversationsClient("AC" + "0" * 32, "demo", base_url=emulator.url) as client:
            report = Report(console, emulator)
            await _tell(report, client)
            console.print()
            console.print(report.table())


async def _tell(report: Report, client: ConversationsClient) -> None:
    say = report.console.print
    with report.step("Create a conversation"):
        conversation = await client.conversations.create(
            unique_name="support-7", friendly_name="Support #7", attributes={"topic": "parrots"}
        )
        say(f"   {conversation.sid}, {conversation.state}, about {conversation.parsed_attributes['topic']}")

    with report.step("Add two participants"):
        participants = client.participants("support-7")  # a unique name does what a SID does
        alice = await participants.create(identity="alice")
        bob = await participants.create(
            messaging_binding_address="+15558675310", messaging_binding_proxy_address="+15017122661"
        )
        address = bob.messaging_binding and bob.messaging_binding.address
        say(f"   {alice.identity} over chat, and {address} over SMS")

    messages = client.messages("support-7")
    with report.step(f"Write {MESSAGES} messages, all at once") as done:
        await _write(report.console, messages)
        done["messages"] = MESSAGES

    for title, order, page_size in (
        ("Read them, oldest first", Order.ASC, 100),
        ("Read them, newest first", Order.DESC, 7),
    ):
        with report.step(f"{title}, {page_size} a page") as done:
            async for page in messages.stream(order=order, page_size=page_size).pages():
                for message in page.items:
                    done["messages"] += 1
                    if done["messages"] in (1, 2, MESSAGES):
                        say(f"   #{message.index} {message.author}: {message.body}")
                    elif done["messages"] == MESSAGES - 1:
                        say("   …")
                done["pages"] += 1
            say(f"   {done['messages']} messages on {done['pages']} pages")

    (last,) = await messages.stream(order=Order.DESC, limit=1).list()
    with report.step("Edit one message") as done:
        edited = await messages.update(last.sid, body="I take back what I said.")
        done["messages"] = 1
        say(f"   #{edited.index} by {edited.author} says now: {edited.body}")

    with report.step("Delete it, and ask for it again") as done:
        await messages.delete(last.sid)
        done["messages"] = 1
        try:
            await messages.fetch(last.sid)
        except NotFoundError as error:
            say(f"   {type(error).__name__}, status {error.status}, code {error.code}:")
            indent = " " * 3
            width = report.console.width
            say(textwrap.fill(error.message, width, initial_indent=indent, subsequent_indent=indent))


async def _write(console: Console, messages: MessageRepository) -> None:
    """Send all messages concurrently; the client's connections bound how many are on their way."""
    columns = TextColumn("  "), BarColumn(), MofNCompleteColumn(), TextColumn("messages")
    with Progress(*columns, console=console) as progress:
        written = progress.add_task("", total=MESSAGES)

        async def write(number: int) -> None:
            await messages.create(author="alice", body=f"Ahoy there, number {number}!")
            progress.advance(written)

        async with asyncio.TaskGroup() as group:
            for number in range(MESSAGES):
                group.create_task(write(number))

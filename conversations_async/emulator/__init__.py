"""The API in a box: a stateful emulator on loopback, for demos, tests and local work.

It is the other side of the wire and shares no code with the client:

    server      starts, steers and stops one, on a port
    app         speaks HTTP: routes, credentials, error bodies
    control     steers one that is running, from outside
    faults      what goes wrong, if it is told to
    breakage    how that looks on the wire
    records     what was asked, and how it was answered
    engine      one thing after another: requests, timers, and the webhooks that follow
    handlers    list, create, fetch, update, delete: once for all resources
    resources/  the table: what each resource takes, keeps, refuses, shows and tells
    pages       page sizes, page tokens and the envelope of a list
    links       paths that lead to a file without credentials, for a while
    resource    the words in which the table is written
    acts        who does something, when, and which webhooks hear of it
    inbound     what phones and chat users send
    seeds       what is there from the start
    planting    makes it, or nothing of it
    documents   what people wrote, JSON and arguments, and the mistakes in it
    events      what each webhook event tells
    webhooks    signs and calls, repeats, and asks pre-action hooks
    carrier     how messages to phones fare
    limits      what is too much
    clock       the real time, or later
    wire        values as text: timestamps, durations, addresses, JSON
    store       rows in SQLite
    schema      the tables
    errors      every refusal: its status, code and wording
"""

from .app import create_app
from .carrier import Carrier
from .clock import Clock
from .errors import RequestError
from .faults import Fault, Faults
from .inbound import Delivered
from .limits import Limits
from .records import RequestRecord
from .server import Emulator, Snapshot
from .webhooks import WebhookCall

__all__ = [
    "Carrier",
    "Clock",
    "Delivered",
    "Emulator",
    "Fault",
    "Faults",
    "Limits",
    "RequestError",
    "RequestRecord",
    "Snapshot",
    "WebhookCall",
    "create_app",
]

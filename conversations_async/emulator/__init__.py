"""The API in a box: a stateful emulator on loopback, for demos, tests and local work.

It is the other side of the wire and shares no code with the client:

    server      starts and stops one, on a port
    app         speaks HTTP: routes, credentials, error bodies
    handlers    list, create, fetch, update, delete: once for all resources
    resources/  the table: what each resource takes, keeps, refuses and shows
    pages       page sizes, page tokens and the envelope of a list
    links       paths that lead to a file without credentials, for a while
    resource    the words in which the table is written
    wire        values as text: timestamps, durations, addresses, JSON
    store       rows in SQLite
    errors      every refusal: its status, code and wording
"""

from .app import create_app
from .server import Emulator

__all__ = ["Emulator", "create_app"]

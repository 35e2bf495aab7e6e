"""Where are the rows, and how are they found?

Knows SQL and nothing of HTTP or of the API's rules. Table and column names come from the resource table,
never from a request; values are always bound. Every table of a resource has ``id``, ``parent`` (the id of the
row above), ``sid``, ``created`` and ``updated``; times are milliseconds since 1970.
"""

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

Row = sqlite3.Row

#: Tells an emulator's file from any other SQLite file ("Conv" in ASCII).
_APPLICATION_ID: Final = 0x436F6E76
_SCHEMA_VERSION: Final = 2
_COMMON: Final = """id INTEGER PRIMARY KEY AUTOINCREMENT,
    sid TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL"""
_SCHEMA: Final = f"""
CREATE TABLE services (
    {_COMMON},
    parent INTEGER CHECK (parent IS NULL),
    friendly_name TEXT NOT NULL,
    is_default INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE users (
    {_COMMON},
    parent INTEGER NOT NULL REFERENCES services ON DELETE CASCADE,
    identity TEXT NOT NULL,
    friendly_name TEXT,
    attributes TEXT NOT NULL DEFAULT '{{}}',
    role_sid TEXT,
    UNIQUE (parent, identity)
);
CREATE INDEX users_listed ON users (parent, id);
CREATE TABLE media (
    {_COMMON},
    parent INTEGER NOT NULL REFERENCES services ON DELETE CASCADE,
    size INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    filename TEXT
);
CREATE TABLE contents (
    media INTEGER PRIMARY KEY REFERENCES media ON DELETE CASCADE,
    data BLOB NOT NULL
);
CREATE TABLE conversations (
    {_COMMON},
    parent INTEGER NOT NULL REFERENCES services ON DELETE CASCADE,
    friendly_name TEXT,
    unique_name TEXT,
    attributes TEXT NOT NULL DEFAULT '{{}}',
    state TEXT NOT NULL DEFAULT 'active',
    messaging_service_sid TEXT,
    timer_inactive INTEGER,
    timer_closed INTEGER,
    last_activity INTEGER NOT NULL,
    email_address TEXT,
    email_name TEXT,
    next_position INTEGER NOT NULL DEFAULT 0,
    UNIQUE (parent, unique_name)
);
CREATE INDEX conversations_listed ON conversations (parent, state, created, id);
CREATE TABLE participants (
    {_COMMON},
    parent INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    identity TEXT,
    address TEXT,
    proxy_address TEXT,
    projected_address TEXT,
    role_sid TEXT,
    attributes TEXT NOT NULL DEFAULT '{{}}',
    last_read_message_index INTEGER,
    last_read_timestamp INTEGER,
    UNIQUE (parent, identity)
);
CREATE INDEX participants_listed ON participants (parent, id);
CREATE INDEX participants_paired ON participants (address, proxy_address);
CREATE INDEX participants_bound ON participants (parent)
    WHERE address IS NOT NULL OR projected_address IS NOT NULL;
CREATE TABLE messages (
    {_COMMON},
    parent INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    position INTEGER NOT NULL,
    author TEXT NOT NULL,
    participant_sid TEXT,
    body TEXT,
    subject TEXT,
    attributes TEXT NOT NULL DEFAULT '{{}}',
    media_sid TEXT UNIQUE,
    media TEXT,
    content_sid TEXT,
    content_variables TEXT,
    last_updated_by TEXT,
    edited INTEGER NOT NULL DEFAULT 0,
    UNIQUE (parent, position)
);
CREATE TABLE receipts (
    {_COMMON},
    parent INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,
    participant_sid TEXT NOT NULL,
    channel_message_sid TEXT NOT NULL,
    status TEXT NOT NULL,
    error_code INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX receipts_listed ON receipts (parent, id);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_SCHEMA_VERSION}
"""
#: What a row shows beside its own columns.
_COMPUTED: Final[Mapping[str, str]] = {
    "messages": ", (SELECT group_concat(status) FROM receipts WHERE parent = messages.id) AS deliveries",
    "media": """, (SELECT sid FROM messages WHERE media_sid = media.sid) AS message_sid,
        (SELECT conversations.sid FROM conversations JOIN messages ON messages.parent = conversations.id
            WHERE media_sid = media.sid) AS channel_sid""",
}


def new_sid(prefix: str) -> str:
    """Make up a SID."""
    return prefix + secrets.token_hex(16)


class Store:
    """The rows of all resources, in memory or in a file."""

    def __init__(self, database: str, *, now: int) -> None:
        """Open the database and, where it is empty, lay it out with its default service.

        Raises:
            ValueError: The file cannot be used, or something else wrote it. It has not been changed.
        """
        try:
            self._db = sqlite3.connect(database, isolation_level=None)
        except sqlite3.Error as error:
            raise ValueError(f"database {database!r}: {error}") from error
        self._db.row_factory = sqlite3.Row
        try:
            self._prepare(database, now)
        except sqlite3.Error as error:
            self.close()
            raise ValueError(f"database {database!r}: {error}") from error
        except ValueError:
            self.close()
            raise

    def close(self) -> None:
        """Close the database; what is in a file stays there."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep everything that is written inside, or, after an exception, nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.commit()
        except BaseException:
            self._db.rollback()
            raise

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Keep everything that is written inside, or, after an exception, nothing; within a transaction."""
        self._db.execute("SAVEPOINT attempt")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK TO attempt")
            raise
        finally:
            self._db.execute("RELEASE attempt")

    def find(self, table: str, **match: Any) -> Row | None:
        """Fetch the row whose columns have these values."""
        where = " AND ".join(f"{column} IS ?" for column in match)
        return self._one(f"{_select(table)} WHERE {where} LIMIT 1", match.values())

    def get(self, table: str, **match: Any) -> Row:
        """Fetch a row that is known to exist."""
        row = self.find(table, **match)
        if row is None:
            raise LookupError(f"{table} has no row with {match}")
        return row

    def insert(self, table: str, values: Mapping[str, Any]) -> int:
        """Add a row and give its id."""
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        sql = f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - the names are the table's
        return self._db.execute(sql, tuple(values.values())).lastrowid or 0

    def update(self, table: str, row_id: int, values: Mapping[str, Any]) -> None:
        """Change columns of a row."""
        changes = ", ".join(f"{column} = ?" for column in values)
        sql = f"UPDATE {table} SET {changes} WHERE id = ?"  # noqa: S608 - the names are the table's
        self._db.execute(sql, (*values.values(), row_id))

    def delete(self, table: str, row_id: int) -> None:
        """Remove a row and everything below it."""
        self._db.execute(f"DELETE FROM {table} WHERE id = ?", (row_id,))  # noqa: S608 - the name is the table's

    def page(
        self,
        table: str,
        *,
        parent: int | None,
        tests: Sequence[tuple[str, str, Any]],
        order: Sequence[str],
        start: tuple[str, Sequence[Any]] | None,
        descending: bool,
        limit: int,
    ) -> list[Row]:
        """Fetch up to ``limit`` rows below a parent, beginning at a key and not at a count.

        Args:
            table: Where to look.
            parent: The id of the row above.
            tests: Column, comparison and value, all of which must hold.
            order: The columns of the key; together they are unique below a parent.
            start: A comparison and the key that the rows' keys are compared with.
            descending: The direction of the order.
            limit: How many rows at most.
        """
        where, values = ["parent IS ?"], [parent]
        for column, comparison, value in tests:
            where.append(f"{column} {comparison} ?")
            values.append(value)
        if start is not None:
            comparison, key = start
            where.append(f"({', '.join(order)}) {comparison} ({', '.join('?' * len(key))})")
            values.extend(key)
        direction = "DESC" if descending else "ASC"
        by = ", ".join(f"{column} {direction}" for column in order)
        sql = f"{_select(table)} WHERE {' AND '.join(where)} ORDER BY {by} LIMIT {limit}"
        return self._db.execute(sql, values).fetchall()

    def write_content(self, media: int, content: bytes | bytearray) -> None:
        """Keep the content of a file."""
        # Written into room made before: a value that is bound is copied twice on its way.
        self._db.execute("INSERT INTO contents VALUES (?, zeroblob(?))", (media, len(content)))
        with self._db.blobopen("contents", "data", media) as blob:
            blob.write(content)

    def read_content(self, media: int) -> bytes:
        """Fetch the content of a file."""
        with self._db.blobopen("contents", "data", media, readonly=True) as blob:
            return blob.read()

    def bound_participants(self, conversation: int) -> list[Row]:
        """Fetch those participants of a conversation that messages reach by SMS, WhatsApp or the like."""
        bound = "(address IS NOT NULL OR projected_address IS NOT NULL)"
        sql = f"{_select('participants')} WHERE parent = ? AND {bound}"
        return self._db.execute(sql, (conversation,)).fetchall()

    def conversation_with_pair(self, address: str, proxy_address: str, *, ignore: int | None) -> Row | None:
        """Fetch the conversation, not closed, in which another participant than ``ignore`` has this pair."""
        sql = (
            f"{_select('conversations')} JOIN participants ON participants.parent = conversations.id "
            "WHERE address = ? AND proxy_address = ? AND participants.id IS NOT ? AND state <> 'closed'"
        )
        return self._one(sql, (address, proxy_address, ignore))

    def _one(self, sql: str, values: Iterable[Any]) -> Row | None:
        # A cursor that is not read to its end would keep the transaction open, hence fetchall.
        return next(iter(self._db.execute(sql, tuple(values)).fetchall()), None)

    def _prepare(self, database: str, now: int) -> None:
        marks = (self._pragma("application_id"), self._pragma("user_version"))
        is_empty = not self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
        if marks != (_APPLICATION_ID, _SCHEMA_VERSION) and not (is_empty and marks == (0, 0)):
            raise ValueError(f"database {database!r} is not an emulator's file of this version")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        if not is_empty:
            return
        with self.transaction():
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            values = {"sid": new_sid("IS"), "friendly_name": "Default Conversations Service", "is_default": 1}
            self.insert("services", {**values, "created": now, "updated": now})

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])


def _select(table: str) -> str:
    return f"SELECT {table}.*{_COMPUTED.get(table, '')} FROM {table}"  # noqa: S608 - the name is the table's

"""Where are the rows, and how are they found?

Knows SQL and nothing of HTTP or of the API's rules. Table and column names come from the resource table,
never from a request; values are always bound.
"""

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import closing, contextmanager
from typing import Any, Final

from .schema import APPLICATION_ID, SCHEMA, VERSION

Row = sqlite3.Row

#: What a row shows beside its own columns.
_COMPUTED: Final[Mapping[str, str]] = {
    "accounts": ", (SELECT sid FROM services WHERE is_default) AS default_service_sid",
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

    def __init__(self, database: str) -> None:
        """Open the database and, where it is empty, lay it out.

        Raises:
            ValueError: The file cannot be used, or something else wrote it. It has not been changed.
        """
        try:
            self._db = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        except (sqlite3.Error, ValueError) as error:
            raise ValueError(f"database {database!r}: {error}") from error
        self._db.row_factory = sqlite3.Row
        try:
            self._prepare(database)
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
        return self._one(f"{_select(table)} WHERE {_where(match)} LIMIT 1", match.values())

    def rows(self, table: str, **match: Any) -> list[Row]:
        """Fetch all rows whose columns have these values, in the order of their making."""
        return self._db.execute(
            f"{_select(table)} WHERE {_where(match)} ORDER BY id", tuple(match.values())
        ).fetchall()

    def get(self, table: str, **match: Any) -> Row:
        """Fetch a row that is known to exist."""
        row = self.find(table, **match)
        if row is None:
            raise LookupError(f"{table} has no row with {match}")
        return row

    def insert(self, table: str, values: Mapping[str, Any]) -> int:
        """Add a row and give its id."""
        columns = ", ".join(values)
        sql = f"INSERT INTO {table} ({columns}) VALUES ({_marks(values)})"  # noqa: S608 - the names are the table's
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
            tests: Column, comparison and value, all of which must hold. ``IN`` takes several values.
            order: The columns of the key; together they are unique below a parent.
            start: A comparison and the key that the rows' keys are compared with.
            descending: The direction of the order.
            limit: How many rows at most.
        """
        where: list[str] = ["parent IS ?"]
        values: list[Any] = [parent]
        for column, comparison, value in tests:
            several = isinstance(value, (list, tuple))
            where.append(
                f"{column} {comparison} ({_marks(value)})" if several else f"{column} {comparison} ?"
            )
            values.extend(value if several else [value])
        if start is not None:
            comparison, key = start
            where.append(f"({', '.join(order)}) {comparison} ({_marks(key)})")
            values.extend(key)
        direction = "DESC" if descending else "ASC"
        by = ", ".join(f"{column} {direction}" for column in order)
        sql = f"{_select(table)} WHERE {' AND '.join(where)} ORDER BY {by} LIMIT {limit}"
        return self._db.execute(sql, values).fetchall()

    def next_due(self) -> tuple[int, str, int] | None:
        """Tell what happens next by itself: when, and the table and id of the row to which it happens."""
        sql = " UNION ALL ".join(
            f"SELECT * FROM (SELECT due, '{table}', id FROM {table} WHERE due IS NOT NULL ORDER BY due, id LIMIT 1)"  # noqa: E501, S608 - the names are these
            for table in ("conversations", "receipts")
        )
        return min((tuple(row) for row in self._db.execute(sql).fetchall()), default=None)

    def postpone(self, by: int) -> None:
        """Let everything that is to happen by itself happen later."""
        with self.transaction():
            self._db.execute("UPDATE conversations SET last_activity = last_activity + ?", (by,))
            self._db.execute("UPDATE receipts SET due = due + ?", (by,))

    def image(self) -> bytes:
        """Copy everything, as it is now."""
        with closing(sqlite3.connect(":memory:")) as copy:
            self._db.backup(copy)
            image = bytearray(copy.serialize())
        # SQLite's documentation: memory knows no WAL mode, which these two bytes tell of.
        image[18:20] = b"\1\1"
        return bytes(image)

    def restore(self, image: bytes) -> None:
        """Bring everything back to what an image holds."""
        with closing(sqlite3.connect(":memory:")) as copy:
            copy.deserialize(image)
            copy.backup(self._db)

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

    def crowd(self, conversation: int) -> tuple[int, int]:
        """Count the participants of a conversation: all, and those that are not on chat."""
        sql = "SELECT count(*), count(*) - count(identity) FROM participants WHERE parent = ?"
        everybody, phones = self._db.execute(sql, (conversation,)).fetchone()
        return everybody, phones

    def rooms(self, service: int, identity: str) -> int:
        """Count the open conversations of a service in which an identity takes part."""
        sql = (
            # from the few conversations of one identity, and not from all of the service
            "SELECT count(*) FROM participants CROSS JOIN conversations "
            "ON conversations.id = participants.parent "
            "WHERE identity = ? AND conversations.parent = ? AND state <> 'closed'"
        )
        return int(self._db.execute(sql, (identity, service)).fetchone()[0])

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

    def _prepare(self, database: str) -> None:
        marks = (self._pragma("application_id"), self._pragma("user_version"))
        is_empty = not self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
        if marks != (APPLICATION_ID, VERSION) and not (is_empty and marks == (0, 0)):
            foreign = "is not an emulator's file of this version: give another file, or delete it"
            raise ValueError(f"database {database!r} {foreign}")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        if not is_empty:
            return
        with self.transaction():
            for statement in SCHEMA.split(";"):
                self._db.execute(statement)

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])


def _where(match: Iterable[str]) -> str:
    return " AND ".join(f"{column} IS ?" for column in match) or "TRUE"


def _marks(values: Sized) -> str:
    return ", ".join("?" * len(values))


def _select(table: str) -> str:
    return f"SELECT {table}.*{_COMPUTED.get(table, '')} FROM {table}"  # noqa: S608 - the name is the table's

"""What the workspace remembers: JSON documents by kind and key, in one SQLite file.

Every change is written at once, so a killed workspace comes back as it was. SQLite's own durability against a
power cut is switched off: a sandbox does not need it.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]


class Store:
    """Thread-safe. `lock` also guards read-then-write sequences of the callers (re-entrant)."""

    def __init__(self, file: Path) -> None:
        self.lock = threading.RLock()
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS documents (kind TEXT, key TEXT, body TEXT, PRIMARY KEY (kind, key))"
        )

    def get(self, kind: str, key: str) -> Document | None:
        """The document, or None."""
        with self.lock:
            row = self._connection.execute(
                "SELECT body FROM documents WHERE kind = ? AND key = ?", (kind, key)
            ).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, kind: str, key: str, body: Document) -> Document:
        """Creates or replaces; returns the document."""
        with self.lock:
            self._connection.execute(
                "INSERT INTO documents VALUES (?, ?, ?) "
                "ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
                (kind, key, json.dumps(body)),
            )
        return body

    def delete(self, kind: str, key: str) -> bool:
        """Whether there was one."""
        with self.lock:
            cursor = self._connection.execute("DELETE FROM documents WHERE kind = ? AND key = ?", (kind, key))
        return cursor.rowcount > 0

    def all(self, kind: str) -> list[Document]:
        """Every document of a kind, by key."""
        with self.lock:
            rows = self._connection.execute(
                "SELECT body FROM documents WHERE kind = ? ORDER BY key", (kind,)
            ).fetchall()
        return [json.loads(row[0]) for row in rows]

    def keys(self, kind: str) -> list[str]:
        """Every key of a kind, in order."""
        with self.lock:
            rows = self._connection.execute(
                "SELECT key FROM documents WHERE kind = ? ORDER BY key", (kind,)
            ).fetchall()
        return [row[0] for row in rows]

    def next_number(self, name: str, first: int) -> int:
        """A counter that never repeats, across restarts too."""
        with self.lock:
            current = (self.get("counter", name) or {"next": first})["next"]
            self.put("counter", name, {"next": current + 1})
        return current

    @contextmanager
    def together(self) -> Iterator[None]:
        """All changes of the block, or none."""
        with self.lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """After this the store cannot be used."""
        with self.lock:
            self._connection.close()

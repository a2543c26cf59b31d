"""Souche's own reads and writes in the file of the journal, which belongs to DBOS."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote


def statuses(journal: Path) -> dict[str, str]:
    """The status of each operation that DBOS knows, by its id. Nothing is written."""
    if not journal.exists():
        return {}
    with closing(sqlite3.connect(f"file:{quote(str(journal))}?mode=ro", uri=True)) as connection:
        table = "SELECT 1 FROM sqlite_master WHERE name = 'workflow_status'"
        if connection.execute(table).fetchone() is None:
            return {}
        return dict(connection.execute("SELECT workflow_uuid, status FROM workflow_status"))


def use_write_ahead_log(journal: Path) -> None:
    """Set WAL mode, which DBOS does not set. The mode is stored in the file (https://www.sqlite.org/wal.html)."""
    with closing(sqlite3.connect(journal)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


class Synced(sqlite3.Connection):
    """Each commit waits until it is on the medium, for any default of SQLite's build."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute("PRAGMA synchronous=FULL")


@dataclass(frozen=True)
class Writers:
    """The workers whose steps the journal has: each start of its process. They are recorded in the journal's own file,
    so a lost or foreign journal names no worker of this process."""

    journal: Path

    def add(self, worker_id: str) -> list[str]:
        """Add a worker. Returns the earlier ones."""
        with self._transaction() as connection:
            before = [row[0] for row in connection.execute("SELECT worker FROM souche_writers")]
            connection.execute("INSERT INTO souche_writers VALUES (?)", [worker_id])
        return before

    def keep_only(self, worker_id: str) -> None:
        """Forget all others, whose operations this worker has adopted."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM souche_writers WHERE worker <> ?", [worker_id])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.journal, timeout=30)) as connection, connection:
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("CREATE TABLE IF NOT EXISTS souche_writers (worker TEXT PRIMARY KEY)")
            yield connection

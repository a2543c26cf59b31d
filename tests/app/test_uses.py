"""What depends on an image or a snapshot is found by indexes: images and snapshots are many."""

from typing import Any

import sqlalchemy as sa

from souche.app.context.region import Region
from souche.db import uses
from souche.model.accounts import Principal
from tests.support.resources import make_image, make_snapshot

# PostgreSQL scans a small table, unless scans are disabled.
PREPARATIONS = {"sqlite": "SELECT 1", "postgresql": "SET LOCAL enable_seqscan = off"}
EXPLANATIONS = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN"}


def test_no_table_is_read_whole(region: Region, alice: Principal, on_both: str) -> None:
    image, snapshot = make_image(region, alice), make_snapshot(region, alice)
    asked: list[tuple[str, Any]] = []
    with region.store.read() as connection:
        sa.event.listen(
            connection, "before_cursor_execute", lambda *given: asked.append((given[2], given[3]))
        )
        uses.of_image(connection, image, alice.account_id)
        uses.of_snapshot(connection, snapshot.snapshot_id, alice.account_id)
        statements = list(asked)
        connection.exec_driver_sql(PREPARATIONS[on_both])
        plans = [
            step[-1]
            for text, parameters in statements
            for step in connection.exec_driver_sql(f"{EXPLANATIONS[on_both]} {text}", parameters)
        ]
    assert len(statements) > 5
    assert [each for each in plans if each.startswith("SCAN") or "Seq Scan" in each] == []

"""CPU of a page of ReadVms, ReadVolumes, ReadSnapshots and ReadImages, in one process, without HTTP and signatures.

No two requests are the same, so no whole answer is cached. "cached": the JSON of each resource is. "changed": all
resources of the page have changed since the last request. "nothing cached": as the first request after a start.

    python -m tools.bench_pages
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from tests.support import resources
from tests.support.region import make_account, make_region

from souche.api import actions
from souche.api.protocol.answers import Answers
from souche.api.protocol.json_cache import JsonCache
from souche.app.context.region import Region
from souche.db import schema
from souche.db.engines.sqlite import Sqlite
from souche.db.store import Store
from souche.model.accounts import Principal

ROWS: Final = 20
REQUESTS: Final = 200
ROUNDS: Final = 3
TABLES: Final = {
    "ReadVms": schema.vms,
    "ReadVolumes": schema.volumes,
    "ReadSnapshots": schema.snapshots,
    "ReadImages": schema.images,
}


def main() -> None:
    """Fill a region, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--count", type=int, default=300, help="VMs, volumes beside theirs, snapshots, images"
    )
    count: int = parser.parse_args().count
    print(f"CPU in us of a page of {ROWS} of {count}         cached   changed   nothing cached")
    with tempfile.TemporaryDirectory(prefix="souche-bench-") as scratch, _region(Path(scratch)) as region:
        who = make_account(region)
        for number in range(count):
            resources.make_vm(region, who)
            resources.make_volume(region, who)
            resources.make_snapshot(region, who)
            resources.make_image(region, who, f"image-{number}")
        for action, table in TABLES.items():
            _print_figures(region, who, action, table)


@contextmanager
def _region(folder: Path) -> Iterator[Region]:
    """Like the tests' regions, but with a store that compares nothing."""
    made = make_region(folder)
    made.store.close()
    store = Store(Sqlite(folder / "region.db"))
    yield replace(made, store=store)
    store.close()


def _print_figures(region: Region, who: Principal, action: str, table: sa.Table) -> None:
    answers = Answers(region, JsonCache(region.store.change_mark))

    def change() -> None:
        with region.store.begin() as connection:
            connection.execute(table.update().values(version=table.c.version + 1))

    def read(answers: Answers, number: int) -> None:
        body = json.dumps({"ResultsPerPage": ROWS}).encode() + b" " * number
        answers.answer(actions.outscale_action(action), who, body, "request")

    figures = (
        _microseconds(lambda: None, lambda number: read(answers, number)),
        _microseconds(change, lambda number: read(answers, number)),
        _microseconds(
            lambda: None, lambda number: read(Answers(region, JsonCache(region.store.change_mark)), number)
        ),
    )
    print("{:34}{:10.0f}{:10.0f}{:17.0f}".format(action, *figures))


def _microseconds(before: Callable[[], None], work: Callable[[int], None]) -> float:
    """CPU time of one piece of work, without `before`: the mean of the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        spent = 0.0
        for number in range(REQUESTS):
            before()
            start = time.process_time()
            work(number)
            spent += time.process_time() - start
        best = min(best, spent / REQUESTS)
    return best * 1_000_000


if __name__ == "__main__":
    main()

"""Writers of one process queue: no writer waits forever."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from souche.db.store import Store
from souche.db.writers import Writers
from souche.errors import WritersBusy
from tests.support import databases
from tests.support.polling import eventually

SECONDS = 10


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as threads:
        yield threads


def queue_up(
    writers: Writers, threads: ThreadPoolExecutor, order: list[str], *names: str
) -> list[Future[None]]:
    """Have writers wait, one behind the other; those whose name begins with "request" are requests, of the account
    that is named before a colon."""

    def write(name: str) -> None:
        account_id, _, what = name.rpartition(": ")
        with writers.turn(request=what.startswith("request"), account_id=account_id):
            order.append(name)

    futures = []
    for name in names:
        before = writers.waiting
        futures.append(threads.submit(write, name))
        eventually(lambda before=before: writers.waiting > before)  # type: ignore[misc]  # mypy: a lambda with a default
    return futures


def test_writers_come_in_the_order_in_which_they_asked(threads: ThreadPoolExecutor) -> None:
    writers, order = Writers(SECONDS), list[str]()
    names = [f"request {number}" for number in range(16)]
    with writers.turn(request=True):
        asked = queue_up(writers, threads, order, *names)
    for each in asked:
        each.result(SECONDS)
    assert order == names


def test_accounts_take_turns(threads: ThreadPoolExecutor) -> None:
    """An account with many requests waits for itself."""
    writers, order = Writers(SECONDS), list[str]()
    many = [f"a: request {number}" for number in range(16)]
    with writers.turn(request=True, account_id="a"):
        asked = queue_up(writers, threads, order, *many, "b: request 1", "c: request 1", "b: request 2")
    for each in asked:
        each.result(SECONDS)
    first = ["a: request 0", "b: request 1", "c: request 1", "a: request 1", "b: request 2"]
    assert order == first + many[2:]


def test_requests_and_the_work_behind_them_take_turns(threads: ThreadPoolExecutor) -> None:
    writers, order = Writers(SECONDS), list[str]()
    with writers.turn(request=True):
        asked = queue_up(writers, threads, order, "work 1", "work 2", "work 3", "request 1", "request 2")
    for each in asked:
        each.result(SECONDS)
    assert order == ["request 1", "work 1", "request 2", "work 2", "work 3"]


def test_a_writer_that_waits_for_too_long_gives_up_and_the_next_has_its_turn(
    threads: ThreadPoolExecutor,
) -> None:
    writers = Writers(0.1)
    with writers.turn(request=True):
        with pytest.raises(WritersBusy):
            threads.submit(queue_up, writers, threads, [], "request").result(SECONDS)[0].result(SECONDS)
        assert writers.waiting == 0
    with writers.turn(request=False):
        pass


def test_transactions_that_write_queue_without_a_connection(
    tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    """SQLite itself would make each of them retry: the first might be the last."""
    store = Store(databases.kind().empty(tmp_path / "queue.db"))
    order: list[int] = []

    def write(number: int) -> None:
        with store.begin(request=True) as connection:
            connection.execute(sa.text("INSERT INTO numbers VALUES (:number)"), {"number": number})
            order.append(number)

    with store.begin() as connection:
        connection.execute(sa.text("CREATE TABLE numbers (number INTEGER)"))
    with store.begin():
        futures = []
        for number in range(24):
            futures.append(threads.submit(write, number))
            eventually(lambda number=number: store.writers.waiting > number)  # type: ignore[misc]  # as above
        pool = store.engine.pool
        assert isinstance(pool, sa.QueuePool)
        assert pool.checkedout() == 1
    for each in futures:
        each.result(SECONDS)
    store.close()
    assert order == list(range(24))

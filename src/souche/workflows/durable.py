"""Runs workflows durably with DBOS: every step is journalled in a database, and what a crash interrupted is
resumed at the next start, from the step that was not finished (https://docs.dbos.dev/architecture).

Crash-only: there is no orderly end for a workflow in flight; ending the process at any moment is right.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
from dbos import DBOS, DBOSConfig, DBOSConfiguredInstance, SetWorkflowID

from souche.errors import SoucheError, Unavailable
from souche.model.operations import Argument, Operation
from souche.workflows import engine
from souche.workflows.parts import Parts

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 30.0
ATTEMPTS_WHEN_UNAVAILABLE = 6
MAX_THREADS = 128
REMEMBERED = 1000
# Workflows are resumed only by the version that began them; steps keep their names and meanings across
# releases, so all releases are one version to DBOS.
JOURNAL_VERSION = "1"

log = structlog.get_logger()


def attempt(
    action: Callable[[], None], *, until_success: bool, pause: Callable[[float], None] = time.sleep
) -> None:
    """Run `action`, trying again with growing pauses: after Unavailable a few times, or with `until_success`
    after any SoucheError and without end."""
    attempts = 0
    while True:
        try:
            return action()
        except SoucheError as error:
            attempts += 1
            again = until_success or (isinstance(error, Unavailable) and attempts < ATTEMPTS_WHEN_UNAVAILABLE)
            if not again:
                raise
            log.warning("step failed, will be tried again", reason=str(error), attempts=attempts)
            pause(min(FIRST_PAUSE_SECONDS * 2**attempts, LONGEST_PAUSE_SECONDS))


class DbosJournal:
    """Each step becomes a DBOS step: its result, or its error, is remembered under its place in the workflow."""

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> None:
        DBOS.run_step({"name": name}, lambda: attempt(action, until_success=until_success))


class _Ended:
    """Lets a thread of this process wait for a workflow of this process."""

    def __init__(self) -> None:
        self._guard = threading.Condition()
        self._ended: deque[str] = deque(maxlen=REMEMBERED)

    def tell(self, operation_id: str) -> None:
        with self._guard:
            self._ended.append(operation_id)
            self._guard.notify_all()

    def wait(self, operation_id: str, timeout_seconds: float) -> bool:
        with self._guard:
            return self._guard.wait_for(lambda: operation_id in self._ended, timeout_seconds)


@DBOS.dbos_class()
class _Runner(DBOSConfiguredInstance):
    """What DBOS calls. Arguments are plain values, since the journal keeps them."""

    def __init__(self, catalogue: engine.Catalogue, parts: Parts) -> None:
        super().__init__(config_name="region")
        self._catalogue = catalogue
        self._parts = parts
        self._locks = engine.Locks()
        self.ended = _Ended()

    @DBOS.workflow(max_recovery_attempts=None)
    def run(
        self, operation_id: str, workflow: str, subject_id: str, arguments: Mapping[str, Argument]
    ) -> bool:
        operation = Operation(operation_id, workflow, subject_id, arguments)
        try:
            return engine.run(self._catalogue[workflow], self._parts, operation, DbosJournal(), self._locks)
        finally:
            self.ended.tell(operation_id)


class DurableWorkflows:
    """The region's workflows on DBOS; one per process."""

    def __init__(self, journal: Path, catalogue: engine.Catalogue, parts: Parts, executor_id: str) -> None:
        """`journal` is the SQLite file. `executor_id` names this process: it resumes only what was its own."""
        _use_write_ahead_log(journal)
        self._parts = parts
        self._runner = _Runner(catalogue, parts)
        DBOS(config=_configuration(journal, executor_id))

    def launch(self) -> None:
        """Resume what was interrupted, and start every promise that nobody has started."""
        DBOS.launch()
        self.start_outstanding()

    def start(self, operation: Operation) -> None:
        """Start a promised workflow. To start one that runs already, or has ended, is harmless."""
        with SetWorkflowID(operation.operation_id):
            DBOS.start_workflow(
                self._runner.run,
                operation.operation_id,
                operation.workflow,
                operation.subject_id,
                dict(operation.arguments),
            )

    def wait(self, operation_id: str, timeout_seconds: float) -> bool:
        """Wait for a workflow that this process has started; whether it ended in time."""
        return self._runner.ended.wait(operation_id, timeout_seconds)

    def start_outstanding(self) -> None:
        """Start every promise in the database: those of other processes, and those that a crash left."""
        for operation in engine.outstanding(self._parts):
            self.start(operation)

    def close(self) -> None:
        """Stop taking work. Workflows in flight are resumed at the next launch."""
        DBOS.destroy(destroy_registry=False)


def _configuration(journal: Path, executor_id: str) -> DBOSConfig:
    return {
        "name": "souche",
        "system_database_url": f"sqlite:///{journal}",
        "executor_id": executor_id,
        "application_version": JOURNAL_VERSION,
        "max_executor_threads": MAX_THREADS,
        "enable_otlp": False,
        "console_log_level": "WARNING",
    }


def _use_write_ahead_log(journal: Path) -> None:
    """DBOS does not do it itself; the mode stays with the file (https://www.sqlite.org/wal.html)."""
    connection = sqlite3.connect(journal)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()

"""Runs workflows durably with DBOS: every step is journalled in a database. After a crash, the next start resumes
interrupted workflows from their first unfinished step (https://docs.dbos.dev/architecture).

Crash-only: there is no orderly shutdown of operations; the process may be killed at any moment."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from functools import partial
from itertools import zip_longest
from pathlib import Path

import structlog
from dbos import DBOS, DBOSConfig, SetWorkflowID
from structlog.contextvars import bound_contextvars

from souche.db import operations
from souche.db.operations import Turn
from souche.db.store import Reader
from souche.errors import RecordsUnavailable
from souche.model.operations import Operation
from souche.model.workers import Worker
from souche.operations import stored
from souche.reconcile.each import each
from souche.workflows import engine, journal_file
from souche.workflows.attempts import attempt, log_failure
from souche.workflows.claims import ClaimLost, Claims, Fenced
from souche.workflows.parts import Parts
from souche.workflows.runs import Runs

MAX_THREADS = 1024
SWEEP_SECONDS = 1.0
ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
KEPT = timedelta(hours=1)
BATCH = 200
# Threads queue for a connection. SQLite has no queue: faster writers can overtake a waiting one repeatedly.
JOURNAL_CONNECTIONS = 3
# DBOS resumes a workflow only in its own version. Releases keep the names and meanings of steps, so they share one.
JOURNAL_VERSION = "1"

log = structlog.get_logger()


class DbosJournal:
    """Each step becomes a DBOS step: its success, or the reason of its failure, is recorded under its position in the
    workflow. `pause` waits before a step is retried."""

    def __init__(self, pause: Callable[[float], None] = time.sleep) -> None:
        self._pause = pause

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> str | None:
        with bound_contextvars(step=name):
            return DBOS.run_step(
                {"name": name}, lambda: attempt(action, until_success=until_success, pause=self._pause)
            )


class Stopped(engine.BrokenOff):
    """The region's workflows are closed."""


class Retrying:
    """Steps are retried as by `DbosJournal`, but nothing is recorded: for workflows with an `Ending`. `pause` waits
    before a step is retried, `proceed` raises when the run must stop."""

    def __init__(self, pause: Callable[[float], None], proceed: Callable[[], None]) -> None:
        self._pause = pause
        self._proceed = proceed

    def once(self, name: str, action: Callable[[], None], *, until_success: bool) -> str | None:
        self._proceed()
        with bound_contextvars(step=name):
            return attempt(action, until_success=until_success, pause=self._wait)

    def _wait(self, seconds: float) -> None:
        self._pause(seconds)
        self._proceed()


def as_it_is(journal: engine.Journal) -> engine.Journal:
    """The journal, unwrapped."""
    return journal


class DurableWorkflows:
    """The region's workflows; one per process. Workflows with an `Ending` run in threads of this process, and restart
    from the database after a crash. All others run on DBOS.

    An operation begins when no earlier one works on the same resources and its account has a free slot (`runs`). Both
    are checked in the database whenever an operation is requested or ends, so waiting operations need no thread. Each
    of several processes on the same records begins only the operations that it has claimed (`claims`).
    """

    def __init__(
        self,
        database: Path,
        catalogue: engine.Catalogue,
        parts: Parts,
        executor_id: str,
        through: Callable[[engine.Journal], engine.Journal] = as_it_is,
    ) -> None:
        """`database` is DBOS's SQLite file. `executor_id` names this process: it resumes only its own operations.
        `through` wraps the steps before they reach a journal."""
        journal_file.use_write_ahead_log(database)
        self._writers = journal_file.Writers(database)
        self._claims = Claims(parts.store)
        self._context = ExitStack()
        self._catalogue = catalogue
        self._names = {
            lane: frozenset(name for name, workflow in catalogue.items() if workflow.lane is lane)
            for lane in engine.Lane
        }
        self._parts = parts
        self._wake = threading.Event()
        self._ending = False
        self._abandoned: set[str] = set()
        self._runs = Runs(self._wake.set)
        self._journal = through(DbosJournal(self._runs.pause))
        self._unjournalled = through(Retrying(self._runs.pause, self._proceed))
        self._beginner = threading.Thread(target=self._begin_in_turn, name="workflow-turns", daemon=True)
        self._run = self._register()
        DBOS(config=_configuration(database, executor_id))

    @property
    def worker(self) -> Worker:
        """This process as a worker."""
        return self._claims.worker

    def _register(self) -> Callable[[str, str, str, Mapping[str, object]], None]:
        """The one function that DBOS calls, also after a crash. Journals keep its name and its plain arguments."""

        @DBOS.workflow(name="run", max_recovery_attempts=None)
        def run(operation_id: str, workflow: str, subject_id: str, arguments: Mapping[str, object]) -> None:
            with suppress(ClaimLost), self._ended(operation_id):
                self._wait_for_earlier(operation_id)
                params = stored.read(workflow, arguments)
                self._work(Operation(operation_id, workflow, subject_id, params))

        return run

    @contextmanager
    def _ended(self, operation_id: str) -> Iterator[None]:
        """On leaving, the operation has ended or was interrupted."""
        self._runs.enter(operation_id)
        is_lost = False
        try:
            yield
        except ClaimLost:
            with suppress(RecordsUnavailable):  # `revive` looks again
                is_lost = engine.is_outstanding(self._parts, operation_id)
            raise
        except Exception:
            self._runs.break_off(operation_id)
            raise
        finally:
            self._runs.end(operation_id)
            if is_lost:
                log.warning("another worker has the operation", operation=operation_id)
                self._runs.release(operation_id)

    def _work(self, operation: Operation) -> None:
        """Run an operation in this thread. One with an `Ending` that an earlier release began on DBOS starts over."""
        workflow = self._catalogue[operation.workflow]
        self._runs.begin(operation, workflow.lane)
        journal = self._journal if workflow.journalled else self._unjournalled
        with bound_contextvars(operation=operation.operation_id):
            check = partial(self._claims.check, operation.operation_id)
            engine.run(workflow, self._parts, operation, Fenced(journal, check), self.worker.worker_id)

    def _work_alone(self, operation: Operation) -> None:
        try:
            with self._ended(operation.operation_id):
                self._work(operation)
        except engine.BrokenOff:
            pass  # the next process, or another one, restarts it
        except Exception as error:
            log_failure(error, "operation interrupted, a sweep resumes it", operation=operation.operation_id)

    def _proceed(self) -> None:
        if self._ending:
            raise Stopped

    def _wait_for_earlier(self, operation_id: str) -> None:
        """Wait until no earlier operation works on the same resources. Operations that the journal resumes began in
        order, unless an earlier version began them, or the database was restored from a backup since."""
        while not self._is_next(operation_id):
            self._runs.wait_for_another(SWEEP_SECONDS)

    def _is_next(self, operation_id: str) -> bool:
        """Whether this worker's operation can run. False while the database is unavailable."""
        try:
            if engine.is_next(self._parts, operation_id):
                return True
            self._claims.check(operation_id)
        except RecordsUnavailable:
            pass
        return False

    def launch(self) -> None:
        """Resume interrupted operations, and start every operation whose turn it is."""
        self._context.enter_context(self._claims.kept())
        former = self._writers.add(self.worker.worker_id)
        # An operation that has ended in the journal and has no claim restarts from its first step: its run lost the
        # claim, or the database was restored from a backup.
        known = journal_file.statuses(self._writers.journal).items()
        begun = [operation_id for operation_id, status in known if status not in ENDED]
        own = self._claims.adopt(former, begun)
        self._writers.keep_only(self.worker.worker_id)
        DBOS.launch()
        self._runs.leave_to_journal(_statuses(own))
        self._beginner.start()
        self.start_outstanding()

    def start(self, operation: Operation) -> None:  # noqa: ARG002
        """Start an operation when its turn comes. Starting an operation that already runs or has ended is harmless."""
        self._wake.set()

    def start_outstanding(self) -> None:
        """Start every operation in the database that can run and is not started, unless DBOS resumes it."""
        self._wake.set()

    def _begin_in_turn(self) -> None:
        while not self._ending:
            self._wake.wait()
            self._wake.clear()
            try:
                for operation in self._in_turn():
                    self._begin(operation)
            except Exception as error:
                log_failure(error, "operations were not started, the sweep will")

    def _in_turn(self) -> list[Operation]:
        """The operations to begin now, claimed: one of each account, then the next of each."""
        with self._parts.store.reader() as reader:
            found = [
                self._free(reader, account_id, lane)
                for account_id, workflows in operations.waiting(reader).items()
                for lane in engine.Lane
                if not workflows.isdisjoint(self._names[lane])
            ]
        return self._claimed([turn for turns in zip_longest(*found) for turn in turns if turn is not None])

    def _free(self, reader: Reader, account_id: str, lane: engine.Lane) -> list[Turn]:
        """The account's operations for which this process has free slots, reserved."""
        free = self._runs.free(account_id, lane)
        if not free:
            return []
        found: list[Turn] = []
        mine = self.worker.worker_id
        try:
            for turn in operations.whose_turn(reader, account_id, self._names[lane], mine):
                if self._runs.claim(turn.operation, lane):
                    found.append(turn)
                if len(found) == free:
                    break
        except Exception as error:
            known = (
                self._parts.store.database.failure(error) or error
            )  # within a read, it is still the driver's
            log_failure(known, "operations cannot be read, others go on", account=account_id)
        return found

    def _claimed(self, turns: Sequence[Turn]) -> list[Operation]:
        """The operations that this worker has claimed, or claims now. The others are left."""
        mine = self.worker.worker_id
        others = [each.operation.operation_id for each in turns if each.worker_id != mine]
        taken: set[str] = set()
        try:
            taken = self._take(others) if others else taken
        except Exception as error:
            log_failure(error, "operations were not claimed, the sweep will", operations=others)
        for operation_id in set(others) - taken:
            self._runs.drop(operation_id)
        return [
            each.operation for each in turns if each.worker_id == mine or each.operation.operation_id in taken
        ]

    def _take(self, operation_ids: Sequence[str]) -> set[str]:
        """Claim operations that are unclaimed, or a dead worker's. Records of an earlier run in this journal are
        erased, so they start from the first step. An operation whose earlier run has not ended here is not claimed."""
        statuses = _statuses(operation_ids)
        ended = [operation_id for operation_id, status in statuses.items() if status in ENDED]
        if ended:
            DBOS.delete_workflows(ended)
        free = [each for each in operation_ids if each not in statuses or statuses[each] in ENDED]
        return self._claims.take(free) if free else set()

    def _begin(self, operation: Operation) -> None:
        try:
            if not self._catalogue[operation.workflow].journalled:
                thread = threading.Thread(
                    target=self._work_alone, args=[operation], name="workflow", daemon=True
                )
                thread.start()
                return
            with SetWorkflowID(operation.operation_id):
                DBOS.start_workflow(
                    self._run,
                    operation.operation_id,
                    operation.workflow,
                    operation.subject_id,
                    stored.arguments_of(operation.params),
                )
        except Exception:
            self._runs.drop(operation.operation_id)
            log.exception("operation not started, the sweep will", operation=operation.operation_id)

    def wait(self, operation_id: str, timeout_seconds: float) -> bool:
        """Wait for an operation that this process has started. Returns whether it ended in time."""
        return self._runs.wait(operation_id, timeout_seconds)

    def revive(self) -> None:
        """Continue operations that stopped because their journal failed. Journalled steps stay; a step that may have
        been done is repeated. An operation that cannot be resumed is retried at the next call, and delays no other."""
        outstanding, own = self._claims.outstanding()
        idle = [operation_id for operation_id in outstanding if not self._runs.runs(operation_id)]
        statuses = _statuses(idle)
        for operation_id in idle:
            if operation_id not in own:
                self._runs.release(operation_id)
            elif operation_id not in statuses:
                self._runs.forget(operation_id)
        known = [(operation_id, status) for operation_id, status in statuses.items() if operation_id in own]
        each(known, lambda found: self._revive(*found), lambda found: found[0])
        self._end_abandoned(statuses, own)
        self._wake.set()

    def _end_abandoned(self, statuses: Mapping[str, str], own: set[str]) -> None:
        """Handle operations that DBOS believes to run, but no thread ran at two sweeps: their end or resumption was not
        written. This worker's are resumed. Another's are cancelled, so that `_take` may start them over."""
        pending = {operation_id for operation_id, status in statuses.items() if status == "PENDING"}
        abandoned = {operation_id for operation_id in pending if not self._runs.runs(operation_id)}
        lasting, self._abandoned = abandoned & self._abandoned, abandoned
        for operation_id in lasting:
            log.warning("nothing runs an operation that the journal has begun", operation=operation_id)
        each(lasting & own, lambda operation_id: DBOS.resume_workflow(operation_id), str)
        each(lasting - own, lambda operation_id: DBOS.cancel_workflow(operation_id), str)

    def _revive(self, operation_id: str, status: str) -> None:
        ended, broken_off = status in ENDED, self._runs.is_broken_off(operation_id)
        if not (ended or broken_off) or not engine.is_outstanding(self._parts, operation_id):
            return
        log.warning("operation interrupted, it is resumed", operation=operation_id, status=status)
        if ended:
            # The journal says success, but the database still has the operation: it was restored from a backup.
            done = 0 if status == "SUCCESS" else len(DBOS.list_workflow_steps(operation_id))
            DBOS.rewind_workflow(operation_id, start_step=done + 1)
        else:  # not even the end is in the journal
            DBOS.resume_workflow(operation_id)
        self._runs.resume(operation_id)

    def forget_ended(self) -> None:
        """Keep the journal small: forget operations that ended some time ago."""
        before = (self._parts.clock.now() - KEPT).isoformat()
        outstanding = {operation.operation_id for operation in engine.outstanding(self._parts)}
        while True:
            ended = DBOS.list_workflows(
                status=list(ENDED),
                completed_before=before,
                limit=BATCH + len(outstanding),
                load_input=False,
                load_output=False,
            )
            forgotten = [each.workflow_id for each in ended if each.workflow_id not in outstanding]
            if not forgotten:
                return
            DBOS.delete_workflows(forgotten)

    def close(self) -> None:
        """Stop taking work. Operations in flight are resumed at the next launch."""
        self._ending = True
        self._wake.set()
        if self._beginner.is_alive():
            self._beginner.join()
        DBOS.destroy(destroy_registry=True)
        self._context.close()


def _statuses(operation_ids: Collection[str]) -> dict[str, str]:
    """DBOS's statuses of these operations; unknown ones are missing."""
    if not operation_ids:
        return {}
    found = DBOS.list_workflows(workflow_ids=list(operation_ids), load_input=False, load_output=False)
    return {each.workflow_id: each.status for each in found}


def _configuration(database: Path, executor_id: str) -> DBOSConfig:
    return {
        "name": "souche",
        "system_database_url": f"sqlite:///{database}",
        "db_engine_kwargs": {"connect_args": {"factory": journal_file.Synced}},
        "executor_id": executor_id,
        "application_version": JOURNAL_VERSION,
        "sys_db_pool_size": JOURNAL_CONNECTIONS,
        "max_executor_threads": MAX_THREADS,
        "enable_otlp": False,
        "console_log_level": "WARNING",
    }

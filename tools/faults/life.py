"""One life of a region, in a separate process. It reports by lines of JSON on a pipe. It is killed, or at the end of a
round, completes all work and ends."""

import gc
import json
import os
import random
import select
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from souche.api import actions
from souche.api.protocol.dispatch import dispatch
from souche.app import accounts
from souche.clock import SystemClock
from souche.config import Settings
from souche.db import image_reports
from souche.errors import SoucheError, UserError
from souche.main import drivers, regions, serving
from souche.model.accounts import Principal
from souche.trust.engine import NoEngine
from souche.workflows import engine
from souche.workflows.durable import DurableWorkflows
from tools.faults import buckets, requests, seen
from tools.faults.deaths import DeadlyJournal, Death, Reaper
from tools.faults.imports import Imports
from tools.faults.warm import freeze, keep_compiled
from tools.faults.watch import LOOK_SECONDS, Watch

Line = dict[str, Any]

POLL_SECONDS: Final = 0.03
SETTLING_POLLS: Final = 3000
"""90 seconds; more on a busy machine"""
UNBOUNDED: Final = 1e12
PAUSE_SECONDS: Final = 0.04
"""between two requests, like a nearby client"""
LIVES_THAT_LOOK: Final = 20
"""one life in this many examines the disks of images"""
LONGEST_POLLS: Final = 40
"""for the work of one request: guests may stop slowly"""


@dataclass(frozen=True)
class Plan:
    """The plan of a life. Without a `death` it answers no requests, and ends when all work is done. `aim`: a workflow
    that some of its requests start. The region's clock is `ahead_seconds` ahead of this machine's."""

    settings: Settings
    seed: int
    death: Death | None
    imports: Imports
    accounts: tuple[str, ...] = ()
    requests: int = 6
    aim: str | None = None
    ahead_seconds: float = 0


class ShiftedClock:
    """A clock that is wrong."""

    def __init__(self, ahead_seconds: float) -> None:
        self._ahead = timedelta(seconds=ahead_seconds)

    def now(self) -> datetime:
        return SystemClock().now() + self._ahead


def run(act: Callable[[Callable[[Line], None]], None], log_file: Path) -> list[Line]:
    """Run a function in a separate process. Returns its reports until its end, of any kind; the last line is
    `{"status": ...}`. A process that hangs is killed."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(readable)
        _become(act, writable, log_file)
    os.close(writable)
    data, hangs = _drain(readable, Watch(child))
    if hangs:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    lines = [json.loads(line) for line in data.splitlines(keepends=True) if line.endswith(b"\n")]
    return [*lines, {"status": os.waitstatus_to_exitcode(status), "hangs": hangs}]


def _become(act: Callable[[Callable[[Line], None]], None], writable: int, log_file: Path) -> None:
    """The child: never returns."""
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)

    def tell(line: Line) -> None:
        os.write(writable, json.dumps(line).encode() + b"\n")

    gc.disable()  # a life is short
    try:
        act(tell)
    except SoucheError as error:
        tell({"refused to start": str(error), "kind": type(error).__name__})
    except BaseException:
        tell({"broke": traceback.format_exc()})
    finally:
        os._exit(0)


def _drain(readable: int, watch: Watch) -> tuple[bytes, bool]:
    """All output until the end, and whether the process hangs."""
    data = b""
    with open(readable, "rb", buffering=0) as pipe:
        while True:
            ready, _, _ = select.select([pipe], [], [], LOOK_SECONDS)
            piece = pipe.read(65_536) if ready else None
            if piece == b"":
                return data, False
            if piece is None and watch.hangs():
                return data, True
            data += piece or b""


def _put(module: ModuleType, name: str, part: object) -> None:
    """Replace a part in the composition root, in this process only.

    Raises:
        AttributeError: the composition root uses no part of this name.
    """
    getattr(module, name)
    setattr(module, name, part)


def _put_no_engine() -> None:
    """Leave out the examination of disks: it starts a sandbox with another Python, which takes longer than the rest of
    a life."""
    for name in ("SandboxedEngine", "ApplianceEngine"):
        _put(drivers, name, lambda *_settings: NoEngine())


def live(plan: Plan, tell: Callable[[Line], None]) -> None:
    """The life."""
    reaper = Reaper(plan.death, lambda how: tell({"died": how}))
    _put(serving, "DurableWorkflows", partial(DurableWorkflows, through=partial(DeadlyJournal, reaper)))
    _put(serving, "external_oos", _folder_oos)
    for module in (drivers, regions):
        _put(module, "SystemClock", partial(ShiftedClock, plan.ahead_seconds))
    if plan.death is None or plan.seed % LIVES_THAT_LOOK:
        _put_no_engine()
    with serving.serve(plan.settings) as served:
        reaper.started()
        if plan.death is None:
            _settle(served, tell)
            os._exit(0)
        _ask(plan, served, reaper, tell)
        reaper.kill("idle")


def _folder_oos(settings: Settings) -> buckets.AtomicOos:
    return buckets.oos(settings.home)


def _ask(plan: Plan, served: serving.Served, reaper: Reaper, tell: Callable[[Line], None]) -> None:
    """Send the requests. If the life has not met its death then, send one more that leads to another death."""
    source = random.Random(plan.seed)  # noqa: S311  repeatable, not secret
    for number in range(plan.requests + 1):
        if number == plan.requests:
            reaper.hasten(source.randint(1, 12))
        account_id = source.choice(plan.accounts)
        here = requests.look(served.region, account_id, plan.imports, source)
        aimed = plan.aim is not None and number in (0, 2)
        action, request = requests.for_workflow(here, str(plan.aim)) if aimed else requests.choose(here)
        tell({"asked": number, "action": action, "request": request})
        tell({"number": number, **_answer(served, account_id, action, request)})
        threading.Event().wait(PAUSE_SECONDS * source.random())
    _await_idle(served, LONGEST_POLLS)


def _await_idle(served: serving.Served, most_polls: int) -> bool:
    """Wait until no operation is outstanding. Returns whether that happened."""
    for _ in range(most_polls):
        if not engine.outstanding(served.parts):
            return True
        threading.Event().wait(POLL_SECONDS)
    return False


def _answer(served: serving.Served, account_id: str, action: str, request: requests.Request) -> Line:
    question = (served.region, Principal(account_id), json.dumps(request).encode(), "fault")
    try:
        return {"answer": dispatch(actions.outscale_action(action), *question)}
    except UserError as error:
        return {"refused": str(error)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _settle(served: serving.Served, tell: Callable[[Line], None]) -> None:
    """Let all work end, and the sweeps remove leftovers."""
    quiet = polls = 0
    while quiet < 3:
        left = engine.outstanding(served.parts)
        with served.parts.store.read() as connection:
            looked_into = image_reports.next_image(connection) is None
        quiet = quiet + 1 if looked_into and not left else 0
        polls += 1
        if polls > SETTLING_POLLS:
            tell({"unsettled": [each.operation_id for each in left]})
            return
        threading.Event().wait(POLL_SECONDS)
    for _ in range(2):  # the second collection removes the layers that the first has merged
        served.parts.volumes.collect()
    served.parts.volumes.record_hashes(UNBOUNDED)
    tell({"settled": True})


def prepare(settings: Settings, names: tuple[str, ...], tell: Callable[[Line], None]) -> None:
    """The first life of a home: creates accounts with a few resources each."""
    _put_no_engine()
    _put(serving, "external_oos", _folder_oos)
    with serving.serve(settings) as served:
        _fill(served, names, tell)
        _settle(served, tell)
        os._exit(0)


def rehearse(settings: Settings, names: tuple[str, ...], imports: Imports) -> None:
    """Live a life in this process, with a request for each workflow, so that lives forked from it find everything
    compiled. It ends gracefully."""
    keep_compiled()
    _put(serving, "external_oos", _folder_oos)
    told: list[Line] = []
    with serving.serve(settings) as served:
        _fill(served, names, told.append)
        source = random.Random(0)  # noqa: S311  repeatable, not secret
        for workflow in requests.WORKFLOWS:
            here = requests.look(served.region, told[0]["account"], imports, source)
            action, request = requests.for_workflow(here, workflow)
            _answer(served, told[0]["account"], action, request)
            _await_idle(served, SETTLING_POLLS)
        _settle(served, told.append)
    with serving.serve(settings):  # a restart, as after a crash
        pass
    seen.look(settings.home)
    freeze()


def _fill(served: serving.Served, names: tuple[str, ...], tell: Callable[[Line], None]) -> None:
    for name in names:
        account, _, _ = accounts.create(served.region, name)
        volume = _made(
            served, account.account_id, "CreateVolume", SubregionName=served.region.subregion_name, Size=1
        )
        snapshot = _made(served, account.account_id, "CreateSnapshot", VolumeId=volume["Volume"]["VolumeId"])
        mapping = {"DeviceName": "/dev/sda1", "Bsu": {"SnapshotId": snapshot["Snapshot"]["SnapshotId"]}}
        root = {"RootDeviceName": "/dev/sda1", "BlockDeviceMappings": [mapping]}
        image = _made(served, account.account_id, "CreateImage", ImageName="first", **root)
        for _ in range(2):
            _made(served, account.account_id, "CreateVms", ImageId=image["Image"]["ImageId"])
        tell({"account": account.account_id})


def _made(served: serving.Served, account_id: str, action: str, **request: object) -> Line:
    """The answer of an action, once its operation is done."""
    body = json.dumps(request).encode()
    answer: Line = json.loads(
        json.dumps(dispatch(actions.outscale_action(action), served.region, Principal(account_id), body, "0"))
    )
    _await_idle(served, SETTLING_POLLS)
    return answer

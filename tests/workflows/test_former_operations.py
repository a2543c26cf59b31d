"""What releases before typed params have stored is read, and its work ends: a region is upgraded while work is under
way. These texts are as those releases wrote them, and do not change with the code."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa

from souche.db import operations, schema
from souche.model.operations import Operation, Params, RawParams
from souche.operations import stored
from souche.operations.backups import CaptureForBackup
from souche.operations.exports import ExportImage, ExportSnapshot, RefreshExport
from souche.operations.firewalls import ApplyPublicIps, ApplySecurityGroups
from souche.operations.images import CleanImage, CopyImage, CreateImage, ImportImage, ImportImageFromManifest
from souche.operations.snapshots import CopySnapshot, CreateSnapshot, DeleteSnapshot, ImportSnapshot
from souche.operations.vms import CreateVm, DeleteVm, RebootVm, StartVm, StopVm
from souche.operations.volumes import CreateVolume, DeleteVolume, LinkVolume, UnlinkVolume, UpdateVolume
from souche.workflows.catalogue import CATALOGUE
from souche.workflows.durable import JOURNAL_VERSION, DurableWorkflows
from souche.workflows.engine import Step, Workflow
from souche.workflows.parts import Parts
from tests.support.polling import eventually
from tests.workflows.scenarios import SCENARIOS, Scenario
from tests.workflows.world import MemoryDisks, Original, Seen, assemble, original

ROWS: Final[list[tuple[str, str, Params]]] = [
    ("apply_public_ips", '{"vm_ids": "i-1"}', ApplyPublicIps(("i-1",))),
    ("apply_public_ips", '{"vm_ids": "i-1,i-2"}', ApplyPublicIps(("i-1", "i-2"))),
    ("apply_security_groups", '{"security_group_ids": "sg-1,sg-2"}', ApplySecurityGroups(("sg-1", "sg-2"))),
    ("apply_security_groups", '{"vm_id": "i-1"}', ApplySecurityGroups(vm_id="i-1")),
    ("capture_for_backup", '{"snapshot_prefix": "backup-1-"}', CaptureForBackup("backup-1-")),
    ("clean_image", "{}", CleanImage()),
    ("copy_image", "{}", CopyImage()),
    ("copy_snapshot", '{"source_snapshot_id": "snap-1"}', CopySnapshot("snap-1")),
    ("create_image", '{"vm_id": "i-1", "restart": true}', CreateImage("i-1", restart=True)),
    (
        "create_image",
        '{"vm_id": "i-1", "restart": true, "generation": 3}',
        CreateImage("i-1", restart=True, generation=3),
    ),
    ("create_snapshot", '{"volume_id": "vol-1"}', CreateSnapshot("vol-1")),
    ("create_vm", '{"boot": true}', CreateVm(boot=True)),
    ("create_volume", "{}", CreateVolume()),
    ("delete_snapshot", "{}", DeleteSnapshot()),
    ("delete_vm", "{}", DeleteVm()),
    ("delete_volume", "{}", DeleteVolume()),
    ("export_image", '{"region": "eu-test-1"}', ExportImage("eu-test-1")),
    ("export_snapshot", "{}", ExportSnapshot()),
    (
        "import_image",
        '{"path": "/home/x/staging/disk", "format": "raw", "size_bytes": 1073741824, "grace_days": 30}',
        ImportImage("/home/x/staging/disk", "raw", 1024**3, 30),
    ),
    (
        "import_image",
        '{"path": "/x", "format": "qcow2", "size_bytes": 1073741824, "grace_days": 0, "verify": true}',
        ImportImage("/x", "qcow2", 1024**3, 0, verify=True),
    ),
    ("import_image_from_manifest", "{}", ImportImageFromManifest()),
    ("import_snapshot", "{}", ImportSnapshot()),
    ("link_volume", '{"vm_id": "i-1"}', LinkVolume("i-1")),
    ("reboot_vm", "{}", RebootVm()),
    ("refresh_export", '{"days": 7}', RefreshExport(7)),
    ("start_vm", "{}", StartVm()),
    ("stop_vm", '{"force": false}', StopVm(force=False)),
    (
        "stop_vm",
        '{"force": true, "behavior": "stop", "reason": "Server.InternalError: it panicked"}',
        StopVm(force=True, behavior="stop", reason="Server.InternalError: it panicked"),
    ),
    ("unlink_volume", '{"vm_id": "i-1"}', UnlinkVolume("i-1")),
    ("update_volume", '{"volume_id": "vol-1"}', UpdateVolume("vol-1")),
]

JOURNALLED: Final[list[tuple[Operation, str, str]]] = [
    (
        Operation(
            "create_image:ami-0000000a",
            "create_image",
            "ami-0000000a",
            CreateImage("i-00000001", restart=True),
        ),
        '{"vm_id": "i-00000001", "restart": true}',
        "gASVeAAAAAAAAAB9lCiMBGFyZ3OUKIwZY3JlYXRlX2ltYWdlOmFtaS0wMDAwMDAwYZSMDGNyZWF0ZV9pbWFnZZSMDGFtaS0wMDAwMDAwYZR9"
        "lCiMBXZtX2lklIwKaS0wMDAwMDAwMZSMB3Jlc3RhcnSUiHV0lIwGa3dhcmdzlH2UdS4=",
    ),
    (
        Operation("stop_vm:i-00000001:1", "stop_vm", "i-00000001", StopVm(force=False)),
        '{"force": false}',
        "gASVVAAAAAAAAAB9lCiMBGFyZ3OUKIwUc3RvcF92bTppLTAwMDAwMDAxOjGUjAdzdG9wX3ZtlIwKaS0wMDAwMDAwMZR9lIwFZm9yY2WUiXN0"
        "lIwGa3dhcmdzlH2UdS4=",
    ),
    (
        Operation(
            "apply_public_ips:i-00000002:1f",
            "apply_public_ips",
            "i-00000002",
            ApplyPublicIps(("i-00000001", "i-00000002")),
        ),
        '{"vm_ids": "i-00000001,i-00000002"}',
        "gASVfwAAAAAAAAB9lCiMBGFyZ3OUKIweYXBwbHlfcHVibGljX2lwczppLTAwMDAwMDAyOjFmlIwQYXBwbHlfcHVibGljX2lwc5SMCmktMDAw"
        "MDAwMDKUfZSMBnZtX2lkc5SMFWktMDAwMDAwMDEsaS0wMDAwMDAwMpRzdJSMBmt3YXJnc5R9lHUu",
    ),
]
"""operations that the journal had begun, with their rows in the database, and DBOS's record of the call."""


def test_every_workflow_has_a_former_row() -> None:
    assert {workflow for workflow, _arguments, _params in ROWS} == set(stored.KINDS) == set(CATALOGUE)


@pytest.mark.parametrize(("workflow", "arguments", "params"), ROWS)
def test_a_former_row_is_read(workflow: str, arguments: str, params: Params) -> None:
    assert stored.read_json(workflow, arguments) == params


@pytest.mark.parametrize(("workflow", "arguments", "params"), ROWS)
def test_what_is_stored_now_is_read_as_it_was(workflow: str, arguments: str, params: Params) -> None:
    assert stored.read_json(workflow, json.dumps(stored.arguments_of(params))) == params


@pytest.mark.parametrize("text", ["", "damaged", '"damaged"', "[]", "{}", '{"boot": "perhaps"}'])
def test_what_cannot_be_read_is_kept_apart(text: str) -> None:
    assert isinstance(stored.read_json("create_vm", text), RawParams)


def test_the_arguments_of_a_workflow_of_another_release_are_kept() -> None:
    params = stored.read_json("sing", '{"loud": true}')
    assert stored.arguments_of(params) == {"loud": True}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return original(tmp_path_factory.mktemp("originals") / "memory", "memory")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_work_of_a_former_row_ends_as_that_of_a_new_one(
    scenario: Scenario, origin: Original, tmp_path: Path
) -> None:
    formers = [arguments for workflow, arguments, _params in ROWS if workflow == scenario.workflow]
    expected = _ended(origin, tmp_path / "new", scenario, None)
    assert expected.outstanding == []
    assert _ended(origin, tmp_path / "former", scenario, formers[0]) == expected


def _ended(origin: Original, home: Path, scenario: Scenario, former: str | None) -> Seen:
    """A world after the work. `former` is a row of the workflow, whose values are replaced by those of the scenario."""
    world = origin.copy(home)
    scenario.request(world, origin.cast)
    if former is not None:
        values = stored.arguments_of(world.the_operation().params)
        named = {
            name: ",".join(value) if isinstance(value, list) else value
            for name, value in values.items()
            if name in json.loads(former)
        }
        assert set(named) == set(json.loads(former))
        with world.region.store.begin() as connection:
            connection.execute(schema.operations.update().values(arguments=named))
    world.run(world.the_operation())
    seen = world.see()
    world.close()
    return seen


@pytest.mark.parametrize(
    ("operation", "arguments", "inputs"), JOURNALLED, ids=[each[0].workflow for each in JOURNALLED]
)
def test_what_the_former_journal_had_begun_ends(
    tmp_path: Path, operation: Operation, arguments: str, inputs: str
) -> None:
    world = assemble(tmp_path, MemoryDisks(), seed=1)
    world.region.store.migrate()
    given: list[Operation] = []

    def note(_parts: Parts, each: Operation) -> None:
        given.append(each)

    kind = stored.KINDS[operation.workflow]
    catalogue = {operation.workflow: Workflow(kind, (Step("note", note),))}
    journal = tmp_path / "journal.sqlite"
    first = DurableWorkflows(journal, catalogue, world.parts, "test")
    first.launch()
    first.close()
    with world.region.store.begin() as connection:
        operations.insert(connection, replace(operation, account_id="alice"), [], world.parts.clock.now())
        former: sa.ColumnClause[Any] = sa.literal_column("'" + arguments + "'")
        connection.execute(schema.operations.update().values(arguments=former))
    _begin(journal, operation.operation_id, inputs)
    workflows = DurableWorkflows(journal, catalogue, world.parts, "test")
    workflows.launch()
    eventually(lambda: world.outstanding() == [])
    workflows.close()
    world.close()
    assert given == [operation]  # of no account: as the journal has it, and not the database


def _begin(journal: Path, operation_id: str, inputs: str) -> None:
    """Write into a journal that a workflow has begun."""
    status: dict[str, Any] = {
        "workflow_uuid": operation_id,
        "status": "PENDING",
        "name": "run",
        "executor_id": "test",
        "created_at": 1795858605000,
        "updated_at": 1795858605000,
        "application_version": JOURNAL_VERSION,
        "application_id": "",
        "recovery_attempts": 1,
        "priority": 0,
        "serialization": "py_pickle",
        "was_forked_from": 0,
        "rate_limited": 0,
        "attributes": "null",
        "is_debounced": 0,
        "application_name": "souche",
    }
    given = {"workflow_uuid": operation_id, "inputs": inputs, "retention_timestamp": 1795858605000}
    with closing(sqlite3.connect(journal)) as connection, connection:
        for table, row in (("workflow_status", status), ("workflow_input", given)):
            places = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", [*row.values()])  # noqa: S608

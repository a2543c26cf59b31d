"""Databases, operations, buckets, staged files and secrets: each kind of damage is found."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Final

import pytest

from souche import staged
from souche.compute.inspection import ComputeState
from souche.db import operations
from souche.errors import Unavailable
from souche.fsck.examine import examine
from souche.fsck.findings import Level
from souche.home import Home
from souche.main import checking
from souche.model.operations import Operation, RawParams
from souche.operations.volumes import DeleteVolume
from souche.signing import SigningKey
from souche.vault import Vault
from tests.fsck.homes import Damage, codes, execute, look, mend
from tests.support.resources import make_export_task, read_snapshot
from tests.workflows.world import Cast, World

BEGINNING: Final = b"SQLite format 3\0"


def _database_lost(world: World, cast: Cast) -> str:
    world.close()
    for file in world.home.glob("region.sqlite*"):
        file.unlink()
    return "region.sqlite"


def _database_empty(world: World, cast: Cast) -> str:
    _database_lost(world, cast)
    (world.home / "region.sqlite").touch(0o600)
    return "region.sqlite"


def _database_overwritten(world: World, cast: Cast) -> str:
    _database_lost(world, cast)
    (world.home / "region.sqlite").write_bytes(BEGINNING + b"\xff" * 8192)
    return "region.sqlite"


def _index_damaged(world: World, cast: Cast) -> str:
    """A row that an index does not know."""
    world.close()
    with closing(sqlite3.connect(world.home / "region.sqlite")) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        name = "ix_images_name"
        kept = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
        connection.execute(
            "UPDATE sqlite_master SET sql = ? WHERE name = ?", (kept.replace("(name)", "(description)"), name)
        )
        connection.commit()
    return "region.sqlite"


def _database_out_of_reach(world: World, cast: Cast) -> str:
    """As on a medium that is mounted read-only."""
    world.close()
    for file in world.home.glob("region.sqlite*"):
        file.unlink()
    (world.home / "region.sqlite").mkdir()
    return "region.sqlite"


def _database_newer(world: World, cast: Cast) -> str:
    execute(world, "UPDATE alembic_version SET version_num = '9999'")
    return "region.sqlite"


def _reference_broken(world: World, cast: Cast) -> str:
    with closing(sqlite3.connect(world.home / "region.sqlite")) as connection:
        connection.execute("UPDATE volumes SET account_id = '1' WHERE volume_id = ?", (cast.volume_id,))
        connection.commit()
    return cast.volume_id


def _journal_overwritten(world: World, cast: Cast) -> str:
    journal = world.home / "journal.sqlite"
    journal.write_bytes(BEGINNING + b"\xff" * 8192)
    journal.chmod(0o600)
    return "journal.sqlite"


def _disks_of_another_region(world: World, cast: Cast) -> str:
    (world.home / "disks" / "region-id").write_text("00000000-0000-0000-0000-000000000000\n")
    return "region-id"


def _key_lost(world: World, cast: Cast) -> str:
    (world.home / "vault.key").unlink()
    return "vault.key"


def _key_of_another(world: World, cast: Cast) -> str:
    key = world.home / "vault.key"
    key.unlink()
    key.touch(0o600)
    key.write_bytes(b"A" * 43 + b"=")
    return "vault.key"


def _key_for_everybody(world: World, cast: Cast) -> str:
    (world.home / "vault.key").chmod(0o644)
    return "vault.key"


def _signing_key_overwritten(world: World, cast: Cast) -> str:
    (world.home / "signing.key").write_bytes(b"overwritten")
    return "signing.key"


def _signing_key_for_everybody(world: World, cast: Cast) -> str:
    (world.home / "signing.key").chmod(0o644)
    return "signing.key"


def _served(world: World) -> None:
    """As a start leaves the home."""
    facts = {"Compute": "simulated", "GuestNetwork": "10.77.0.0/24", "ProcessId": None}
    home = Home(world.home)
    home.record_facts({**facts, "OosListen": "127.0.0.1:1", "KeyFingerprint": "SHA256:before"})
    home.oos_data.mkdir(parents=True)
    home.journal.touch(0o600)
    SigningKey.open(home.signing_key, Vault.open(home.vault_key))


def _signing_key_lost(world: World, cast: Cast) -> str:
    _served(world)
    (world.home / "signing.key").unlink()
    return "signing.key"


def _objects_lost(world: World, cast: Cast) -> str:
    _served(world)
    alice = cast.alice.account_id
    execute(world, "INSERT INTO buckets (name, account_id) VALUES ('photos', :alice)", alice=alice)
    (world.home / "oos" / "data").rmdir()
    return "oos/data"


def _workflow_unknown(world: World, cast: Cast) -> str:
    with world.region.store.begin() as connection:
        strange = Operation("sing:vol-1", "sing", "vol-00000000", RawParams({}))
        operations.insert(connection, strange, [], world.region.clock.now())
    return "vol-00000000"


FAULTS: Final[dict[str, tuple[str, Damage]]] = {
    "database lost": ("DatabaseMissing", _database_lost),
    "database empty": ("DatabaseMissing", _database_empty),
    "database overwritten": ("DatabaseDamaged", _database_overwritten),
    "database out of reach": ("DatabaseUnreadable", _database_out_of_reach),
    "index damaged": ("DatabaseDamaged", _index_damaged),
    "database of a newer release": ("DatabaseNewer", _database_newer),
    "reference broken": ("ReferenceBroken", _reference_broken),
    "journal overwritten": ("JournalDamaged", _journal_overwritten),
    "disks of another region": ("IdentityDiffers", _disks_of_another_region),
    "vault's key lost": ("VaultKeyMissing", _key_lost),
    "vault's key of another region": ("VaultKeyWrong", _key_of_another),
    "vault's key for everybody": ("FileOpen", _key_for_everybody),
    "signing key overwritten": ("SigningKeyDamaged", _signing_key_overwritten),
    "signing key for everybody": ("FileOpen", _signing_key_for_everybody),
    "signing key lost": ("SigningKeyMissing", _signing_key_lost),
    "objects lost": ("ObjectsMissing", _objects_lost),
    "operation of an unknown workflow": ("OperationUnknown", _workflow_unknown),
}


@pytest.mark.parametrize("name", FAULTS)
def test_damage_is_found(name: str, home: tuple[World, Cast]) -> None:
    world, cast = home
    code, damage = FAULTS[name]
    resource_id = damage(world, cast)
    report = look(world.home)
    assert (code, resource_id) in codes(report)
    assert not report.is_well


def test_a_file_with_secrets_is_closed_to_others_when_mended(home: tuple[World, Cast]) -> None:
    world, cast = home
    _key_for_everybody(world, cast)
    mend(world.home)
    assert codes(look(world.home)) == []


def test_a_database_of_an_older_release_is_told_and_no_fault(home: tuple[World, Cast]) -> None:
    world, _cast = home
    execute(world, "UPDATE alembic_version SET version_num = '0001'")
    report = look(world.home)
    assert codes(report) == [("DatabaseOlder", "region.sqlite")]
    assert report.is_well
    assert report.not_looked_at


@pytest.mark.parametrize("name", ["region-id", "journal.sqlite", "staging"])
def test_what_the_next_start_makes_again_is_told_and_no_fault(name: str, home: tuple[World, Cast]) -> None:
    world, _cast = home
    _served(world)
    assert codes(look(world.home)) == []
    gone = world.home / name
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    report = look(world.home)
    assert codes(report) == [("FileMissing", name)]
    assert report.is_well


def test_guests_that_nobody_can_be_asked_for_are_told(home: tuple[World, Cast]) -> None:
    world, _cast = home
    (world.home / "serving.json").unlink()
    assert [each for each in look(world.home).not_looked_at if each.startswith("guests: ")]


def test_a_staged_file_that_nothing_wants_is_told(home: tuple[World, Cast]) -> None:
    world, _cast = home
    disk = world.home / "staging" / "disk.raw"
    disk.touch()
    with staged.held(disk):
        assert codes(look(world.home)) == []
    report = look(world.home)
    assert codes(report) == [("StagedLeft", "disk.raw")]
    assert report.is_well


def test_an_operation_that_the_journal_has_ended_is_told(home: tuple[World, Cast]) -> None:
    world, cast = home
    with world.region.store.begin() as connection:
        broken = Operation("delete_volume:x", "delete_volume", cast.volume_id, DeleteVolume())
        operations.insert(connection, broken, [], world.region.clock.now())
    journal = world.home / "journal.sqlite"
    journal.touch(0o600)
    with closing(sqlite3.connect(journal)) as connection_of_journal:
        connection_of_journal.execute("CREATE TABLE workflow_status (workflow_uuid TEXT, status TEXT)")
        connection_of_journal.execute("INSERT INTO workflow_status VALUES ('delete_volume:x', 'ERROR')")
        connection_of_journal.commit()
    assert codes(look(world.home)) == [("OperationBroken", cast.volume_id)]


def test_what_a_failed_export_left_in_its_bucket_is_found(home: tuple[World, Cast]) -> None:
    world, cast = home
    task = make_export_task(world.region, cast.alice, read_snapshot(world.region, cast.snapshot_id))
    execute(world, "DELETE FROM export_disks")
    execute(world, "UPDATE export_tasks SET state = 'failed'")
    world.oos.ensure_bucket(task.bucket, cast.alice.account_id)
    key = task.disk_key(cast.snapshot_id)
    with checking.opened(Home(world.home)) as region:
        told = replace(region, objects=world.oos.store())
        assert codes(examine(told, pause=_at_once)) == []
        world.oos.store().start_upload(task.bucket, key)
        assert codes(examine(told, pause=_at_once)) == [("UploadLeft", task.task_id)]
        world.oos.store().put(task.bucket, key, b"", metadata={})
        found = codes(examine(told, pause=_at_once))
        assert found == [("UploadLeft", task.task_id), ("ObjectLeft", task.task_id)]


def test_records_of_buckets_that_are_not_as_the_store_has_them_are_found(home: tuple[World, Cast]) -> None:
    """A bucket of a crash between the store and its record is a leftover; one of a deleted account is a fault."""
    world, cast = home
    alice = cast.alice.account_id
    for name in ("recorded", "record-left"):
        execute(world, f"INSERT INTO buckets (name, account_id) VALUES ('{name}', '{alice}')")  # noqa: S608
    execute(world, "UPDATE buckets SET policy_pending = 1 WHERE name = 'recorded'")
    there = {"recorded": alice, "unrecorded": alice, "orphan": "999999999999"}
    with checking.opened(Home(world.home)) as region:
        report = examine(replace(region, buckets=lambda: there), pause=_at_once)
    assert {(each.code, each.resource_id, each.level) for each in report.findings} == {
        ("BucketWithoutAccount", "orphan", Level.FAULT),
        ("BucketUnrecorded", "unrecorded", Level.LEFTOVER),
        ("BucketRecordLeft", "record-left", Level.LEFTOVER),
        ("PolicyPending", "recorded", Level.LEFTOVER),
    }


class Silent:
    """A hypervisor that cannot be reached."""

    def inspect(self) -> ComputeState:
        raise Unavailable(what="libvirt", reason="no such socket")


def test_a_hypervisor_that_cannot_be_reached_is_told_and_no_fault(home: tuple[World, Cast]) -> None:
    with checking.opened(Home(home[0].home)) as region:
        report = examine(replace(region, compute=Silent()), pause=_at_once)
    assert report.is_well
    assert "guests: libvirt cannot be reached at the moment: no such socket" in report.not_looked_at


def test_what_passes_is_no_finding(home: tuple[World, Cast]) -> None:
    """A finding of the first read that the second one does not confirm."""
    world, _cast = home
    left = world.home / "disks" / "work" / "abcdefgh"
    left.mkdir()
    with checking.opened(Home(world.home)) as region:
        report = examine(region, pause=lambda _seconds: shutil.rmtree(left, ignore_errors=True))
    assert codes(report) == []


def _at_once(_seconds: float) -> None:
    """Nothing changes meanwhile."""

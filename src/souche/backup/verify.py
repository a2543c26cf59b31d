"""Verifies backups: every object of every backup exists and has its original bytes."""

import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from souche.backup import manifest as manifests
from souche.backup.make import OnProgress
from souche.backup.manifest import BACKUPS, BadBackup, Stored
from souche.backup.repository import DamagedObject, NotInBackup, Repository, fetch
from souche.backup.restore import NoBackups


@dataclass(frozen=True)
class Finding:
    """A fault of an object or a manifest, and the backups that need it."""

    key: str
    problem: str
    backup_ids: tuple[str, ...]


@dataclass(frozen=True)
class Verified:
    """The checked backups, and the faults."""

    backups: int
    objects: int
    bytes: int
    findings: tuple[Finding, ...]


def verify(repository: Repository, on_progress: OnProgress) -> Verified:
    """Read everything. Each object is copied to a temporary folder for hashing, one at a time.

    Raises:
        NoBackups; those of the object store.
    """
    keys = repository.keys(BACKUPS)
    if not keys:
        raise NoBackups
    needed: dict[Stored, list[str]] = defaultdict(list)
    findings: list[Finding] = []
    for key in keys:
        try:
            manifest = manifests.read_manifest(repository.read(key))
        except BadBackup as error:
            findings.append(Finding(key, str(error), (Path(key).stem,)))
            continue
        for stored in set(manifest.stored):
            needed[stored].append(manifest.backup_id)
    done, total = 0, sum(stored.bytes for stored in needed)
    with tempfile.TemporaryDirectory() as place:
        for stored, backup_ids in needed.items():
            if problem := _problem(repository, stored, Path(place) / "object"):
                key = manifests.object_key(stored.sha256)
                findings.append(Finding(key, problem, tuple(backup_ids)))
            done += stored.bytes
            on_progress("reading", done, total)
    return Verified(len(keys), len(needed), total, tuple(findings))


def _problem(repository: Repository, stored: Stored, path: Path) -> str | None:
    try:
        fetch(repository, stored, path, lambda _count: None)
    except (NotInBackup, DamagedObject) as error:
        return str(error)
    finally:
        path.unlink(missing_ok=True)
    return None

"""The state when all work is done: findings, records, guests, objects, and the content of every disk. Read in a
separate process."""

import gzip
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from souche.db import schema
from souche.fsck.examine import examine
from souche.fsck.look import Region
from souche.home import Home
from souche.main import checking
from souche.objects.base import ObjectStore
from tools.faults import buckets, disks

Row = dict[str, Any]
Line = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """Rows by id; the digest of each disk and the hashes of its blocks by id; `exported` is the digest of the disk in
    each object; `unreadable` says which disks could not be read."""

    findings: list[list[str]]
    volumes: dict[str, Row]
    snapshots: dict[str, Row]
    images: dict[str, Row]
    vms: dict[str, Row]
    exports: dict[str, Row]
    links: dict[str, Row]
    updates: dict[str, Row]
    mappings: list[Row]
    contents: dict[str, dict[str, str]]
    exported: dict[str, str]
    unreadable: dict[str, str]


def tell(home: Path, line: Callable[[Line], None]) -> None:
    """Look, and report."""
    line(asdict(look(home)))


def look(home: Path) -> Seen:
    with checking.opened(Home(home)) as region:
        store = buckets.oos(home).store()
        folder = home.parent.parent / "buckets"
        names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        return look_at(home, replace(region, objects=store), names, _at_once)


def look_at(home: Path, region: Region, names: list[str], pause: Callable[[float], None]) -> Seen:
    """Read the state of the home, and of the buckets of these names."""
    report = examine(region, deep=True, pause=pause)
    findings = [[each.code, each.resource_id, each.text] for each in report.findings]
    with region.store.read() as connection:
        tables = {
            "volumes": _rows(connection, schema.volumes, "volume_id", "state", "size_gib", "snapshot_id"),
            "snapshots": _rows(
                connection,
                schema.snapshots,
                *("snapshot_id", "state", "volume_id", "source_snapshot_id", "image_id", "description"),
                "volume_size_gib",
            ),
            "images": _rows(
                connection, schema.images, "image_id", "state", "source_vm_id", "source_image_id"
            ),
            "vms": _rows(connection, schema.vms, "vm_id", "state", "state_reason", "image_id"),
            "exports": _rows(
                connection,
                schema.export_tasks,
                *(
                    "task_id",
                    "state",
                    "comment",
                    "snapshot_id",
                    "image_id",
                    "disk_format",
                    "prefix",
                    "bucket",
                ),
            ),
            "links": _rows(
                connection, schema.volume_links, "volume_id", "state", "vm_id", "delete_on_vm_deletion"
            ),
            "updates": _rows(
                connection, schema.volume_update_tasks, "task_id", "state", "volume_id", "target_size_gib"
            ),
        }
        columns = schema.image_mappings.c
        mapped = sa.select(columns.image_id, columns.device_name, columns.snapshot_id)
        mappings = [dict(row._mapping) for row in connection.execute(mapped)]  # noqa: SLF001
    contents, unreadable = _contents(home / "disks")
    return Seen(
        **tables,
        findings=findings,
        mappings=mappings,
        contents=contents,
        unreadable=unreadable,
        exported=_exported(region.objects, names) if region.objects else {},
    )


def _rows(connection: sa.Connection, table: sa.Table, key: str, *columns: str) -> dict[str, Row]:
    chosen = connection.execute(sa.select(table.c[key], *(table.c[name] for name in columns)))
    return {row[0]: dict(zip(columns, row[1:], strict=True)) for row in chosen}


def _contents(root: Path) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    contents: dict[str, dict[str, str]] = {}
    unreadable: dict[str, str] = {}
    for kind in ("volumes", "snapshots"):
        for link in sorted((root / kind).iterdir()):
            try:
                contents[link.name] = _plain(disks.read(link.resolve()))
            except (OSError, ValueError) as error:
                unreadable[link.name] = str(error)
    return contents, unreadable


def _plain(content: Mapping[int, bytes]) -> dict[str, str]:
    return {str(offset): block.hex() for offset, block in sorted(content.items())}


def _exported(store: ObjectStore, names: list[str]) -> dict[str, str]:
    """The digest of the disk in each object."""
    found: dict[str, str] = {}
    for bucket in names:
        for key in store.keys(bucket, ""):
            if key.endswith(".gz"):
                found[key] = disks.digest(_unpacked(gzip.decompress(store.get(bucket, key)), key))
    return found


def _unpacked(data: bytes, key: str) -> dict[int, bytes]:
    if key.endswith(".raw.gz"):
        return disks.read_raw(data)
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return disks.read(Path(file.name))


def _at_once(_seconds: float) -> None:
    """Does not sleep: nothing is under way."""

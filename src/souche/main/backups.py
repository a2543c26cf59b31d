"""Backups of a region, for the operator's commands: their place and their parts."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from urllib.parse import urlsplit

from souche.admin import backups as actions
from souche.backup import make, restore, verify
from souche.backup.bucket import BucketRepository
from souche.backup.folder import FolderRepository
from souche.backup.make import FrozenRecords, MadeBackup, OnProgress, Source
from souche.backup.manifest import Bucket, Manifest
from souche.backup.repository import BackupFailed, Repository
from souche.backup.restore import BackupEntry
from souche.backup.verify import Verified
from souche.cli.composition import BackupPlace, Operated, RecordsPlace
from souche.clock import SystemClock
from souche.config import BadSetting, check_url, host_and_port
from souche.db import row_copies, vms
from souche.db.engines.sqlite import ReadOnlySqlite, copy_pages
from souche.db.store import Store
from souche.home import Facts, Home
from souche.main.administration import administer
from souche.main.database_url import database_url
from souche.main.drivers import read_key_file
from souche.main.operating import operate
from souche.main.records import Place, known
from souche.main.restored_records import RestoredRecords
from souche.main.volume_stores import open_archive
from souche.objects.s3 import S3Access, S3Store
from souche.states import VmState

SCHEME = "s3"


class Backups:
    """The commands about backups (`cli.composition.Backups`)."""

    def make(self, path: Path, place: BackupPlace, on_progress: OnProgress) -> MadeBackup:
        """Back up the region in a home folder, which may be served at the same time."""
        home = Home(path.resolve())
        _check_apart(place, home, home.server_facts())
        with operate(home.path) as region, home.administer():  # no named state takes its place meanwhile
            source = Source(
                home.path,
                str(home.server_facts().get("Region") or ""),
                region.do(actions.region_id),
                open_archive(home.path),
                _Records(home, region),
            )
            return make.make(source, _repository(place), SystemClock().now(), on_progress)

    def restore(
        self,
        place: BackupPlace,
        backup_id: str | None,
        home: Path,
        records: RecordsPlace,
        on_progress: OnProgress,
    ) -> Manifest:
        """Make a region from a backup, in a new home."""
        _check_apart(place, Home(home.resolve()), {})
        is_on_server = database_url(records.url, records.file) is not None
        repository = _repository(place)
        manifest = restore.find(repository, backup_id)
        server = _server(home, records, manifest) if is_on_server else None
        restore.restore(repository, manifest, home.resolve(), open_archive, on_progress, server)
        if manifest.buckets:
            on_progress("making buckets", 0, None)
            Home(home.resolve()).oos_data.mkdir(mode=0o700, parents=True, exist_ok=True)
            with administer(home) as administered:
                for bucket in manifest.buckets:
                    administered.ensure_bucket(bucket.name, bucket.account_id)
        return manifest

    def verify(self, place: BackupPlace, on_progress: OnProgress) -> Verified:
        """Check every backup in a place."""
        return verify.verify(_repository(place), on_progress)

    def every(self, place: BackupPlace) -> list[BackupEntry]:
        """Every backup in a place, oldest first."""
        return restore.every(_repository(place))


def _server(home: Path, wanted: RecordsPlace, manifest: Manifest) -> RestoredRecords:
    file = str(Path(wanted.file).resolve()) if wanted.file else ""
    return RestoredRecords(Home(home.resolve()), Place(wanted.url, file, manifest.region_id))


def _repository(place: BackupPlace) -> Repository:
    parts = urlsplit(place.name)
    if parts.scheme != SCHEME:
        return FolderRepository(Path(place.name).resolve())
    if not parts.netloc:
        raise BadSetting(flag=place.name, reason="s3://BUCKET/PREFIX is expected")
    if not place.oos_endpoint or place.oos_key_file is None:
        raise BadSetting(flag="--oos-endpoint", reason="a bucket needs it, and --oos-key-file")
    check_url("--oos-endpoint", place.oos_endpoint)
    access_key_id, secret_key = read_key_file(place.oos_key_file)
    access = S3Access(place.oos_endpoint, access_key_id, secret_key)
    return BucketRepository(S3Store(access), parts.netloc, parts.path)


def _check_apart(place: BackupPlace, home: Home, facts: Facts) -> None:
    """Refuse places that would be lost with the home: the home itself, and the region's own object store. Refuse a home
    inside the backup folder, which would look like a backup.

    Raises:
        BackupFailed.
    """
    if urlsplit(place.name).scheme == SCHEME:
        if place.oos_endpoint and _is_own_store(place.oos_endpoint, facts):
            raise BackupFailed(
                reason="that is the region's own object store, which is lost with it: name another one"
            )
        return
    folder = Path(place.name).resolve()
    if folder.is_relative_to(home.path) and folder != home.path:
        raise BackupFailed(
            reason=f"{folder} is in the region's home, and is lost with it: name another place"
        )
    if home.path.is_relative_to(folder):
        raise BackupFailed(reason=f"{home.path} is in {folder}: put homes and backups into different folders")


def _is_own_store(endpoint: str, facts: Facts) -> bool:
    """Whether an endpoint leads to the embedded object store of a region, by its name or by its address."""
    listen = facts.get("OosListen")
    if not isinstance(listen, str):
        return False
    if endpoint.rstrip("/") == str(facts.get("Oos")).rstrip("/"):
        return True
    host, port = host_and_port("--oos-listen", listen)
    parts = urlsplit(endpoint)
    if parts.hostname is None or parts.port != port:
        return False
    own, other = _addresses(host), _addresses(parts.hostname)
    everywhere = any(each.is_unspecified for each in own) and any(each.is_loopback for each in other)
    return everywhere or bool(own & other)


def _addresses(host: str) -> set[IPv4Address | IPv6Address]:
    """The addresses of a name; none if it cannot be resolved."""
    try:
        return {ip_address(each[4][0]) for each in socket.getaddrinfo(host, None)}
    except OSError:
        return set()


class _Records:
    """The records of a region in a home folder (`backup.make.Records`)."""

    def __init__(self, home: Home, region: Operated) -> None:
        self._home = home
        self._region = region

    @contextmanager
    def frozen(self) -> Iterator[FrozenRecords]:
        """By a transaction: the file's pages are copied, or the server's rows."""
        place = known(self._home)
        database = place.open() if place else ReadOnlySqlite(self._home.database)
        copy = row_copies.to_file if place else copy_pages
        with closing(Store(database)) as store, store.read() as connection:
            database.allow_pauses(connection)
            states = [state for state in VmState if state not in (VmState.STOPPED, VmState.TERMINATED)]
            running = vms.in_states(connection, states)

            def copied(path: Path) -> None:
                path.touch(0o600)
                copy(connection, path)

            yield FrozenRecords({volume.volume_id for vm in running for volume in vm.volumes}, copied)

    def buckets(self) -> Sequence[Bucket]:
        """Those of the embedded store."""
        found = self._region.do(actions.buckets)
        return [Bucket(name, account_id) for name, account_id in found.items()]

    def capture(self, backup_id: str, volume_ids: Sequence[str]) -> None:
        self._region.do(actions.capture, backup_id, list(volume_ids))

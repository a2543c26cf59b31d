"""The embedded OOS: accounts kept apart, ports kept on loopback, a server kept alive."""

import itertools
import os
import random
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from tools.harness import wait_for

from souche import run
from souche.clock import SystemClock
from souche.errors import ProgramFailed, ProgramTimedOut
from souche.formats import gzip_members
from souche.objects.base import BadBucketName, BucketAccessRefused, ObjectsFailed
from souche.objects.patient import Patience, PatientStore
from souche.objects.rotation import MOST_BYTES
from souche.objects.seaweedfs import argv
from souche.objects.seaweedfs.accounts import AccountKey
from souche.objects.seaweedfs.argv import Ports, UnsafeWord
from souche.objects.seaweedfs.ports import kept_ports
from souche.objects.seaweedfs.server import SeaweedFs, Settings
from souche.transfer.multipart import BucketSink
from tests.objects.server import ALICE, BOB, OPERATOR, PROGRAM, free_port, seaweedfs, store, store_of

MIB = 1024 * 1024
PORTS = Ports(1, 2, 3, 4, 5, 6, 7, 8)
EXTRA = AccountKey(ALICE.account_id, "EXTRAKEY", "extra-secret")


def test_the_server_is_told_everything() -> None:
    assert argv.server(Path("/v/weed"), Path("/h/data"), PORTS, "192.0.2.1", 8, 512 * MIB) == [
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *("/v/weed", "-logtostderr", "server", "-dir=/h/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *("-s3.ip.bind=192.0.2.1", "-s3.port=8", "-s3.port.grpc=7"),
        *("-master.port=1", "-master.port.grpc=2", "-volume.port=3", "-volume.port.grpc=4"),
        *("-filer.port=5", "-filer.port.grpc=6"),
        *("-disableHttp", "-filer", "-filer.disableHttp", "-s3"),
        *("-s3.allowDeleteBucketNotEmpty=false", "-s3.autoCreateBucket=false"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
        *("-volume.max=100000", "-master.electionTimeout=1s"),
        *("-volume.preStopSeconds=1", "-master.volumeSizeLimitMB=1024"),
        "-volume.minFreeSpace=512MiB",
    ]


@pytest.mark.parametrize("secret", ["a b", "a;b", "a\nb", "a'b", "", "a$b"])
def test_words_that_the_shell_would_misread(secret: str) -> None:
    with pytest.raises(UnsafeWord):
        argv.set_key("000000000001", "KEY", secret)


def test_an_account_has_its_own_buckets_only(oos: SeaweedFs, bucket_name: str) -> None:
    oos.accounts.ensure_bucket(bucket_name, ALICE.account_id)
    oos.accounts.ensure_bucket(bucket_name, ALICE.account_id)
    assert oos.filer.owner(bucket_name) == ALICE.account_id
    with pytest.raises(BucketAccessRefused, match="another account"):
        oos.accounts.ensure_bucket(bucket_name, BOB.account_id)
    with pytest.raises(BucketAccessRefused):
        store_of(oos, BOB).ensure_bucket("one-more-bucket")
    for bad in ("Bad", "status"):  # SeaweedFS has its own page at the second: it cannot be listed
        with pytest.raises(BadBucketName, match="healthz, metrics or status"):
            oos.accounts.ensure_bucket(bad, ALICE.account_id)


def test_rights_end_with_the_bucket(oos: SeaweedFs, bucket_name: str) -> None:
    """She deletes it by S3; he makes one of the same name; she has no way in."""
    oos.accounts.ensure_bucket(bucket_name, ALICE.account_id)
    store_of(oos, ALICE)._client.delete_bucket(Bucket=bucket_name)
    oos.accounts.ensure_bucket(bucket_name, BOB.account_id)
    store_of(oos, BOB).put(bucket_name, "key", b"his", metadata={})
    with pytest.raises(BucketAccessRefused):
        store_of(oos, ALICE).get(bucket_name, "key")


def test_rights_that_were_lost_are_given_again(oos: SeaweedFs, bucket_name: str) -> None:
    oos.accounts.ensure_bucket(bucket_name, ALICE.account_id)
    oos.accounts._change(argv.revoke_bucket(bucket_name, ALICE.account_id))
    with pytest.raises(BucketAccessRefused):
        store_of(oos, ALICE).put(bucket_name, "key", b"x", metadata={})
    oos.accounts.ensure_bucket(bucket_name, ALICE.account_id)
    store_of(oos, ALICE).put(bucket_name, "key", b"x", metadata={})


def test_keys_come_and_go_while_it_runs(oos: SeaweedFs, bucket_name: str) -> None:
    oos.accounts.ensure_bucket(bucket_name, ALICE.account_id)
    oos.accounts.set_key(EXTRA)
    store_of(oos, EXTRA).put(bucket_name, "key", b"x", metadata={})
    oos.accounts.remove_key(EXTRA.account_id, EXTRA.access_key_id)
    with pytest.raises(BucketAccessRefused):
        store_of(oos, EXTRA).get(bucket_name, "key")
    store_of(oos, ALICE).get(bucket_name, "key")


def test_keys_are_synced(oos: SeaweedFs, bucket_name: str) -> None:
    oos.accounts.ensure_bucket(bucket_name, ALICE.account_id)
    oos.accounts.set_key(EXTRA)
    oos.accounts.sync_keys([ALICE, BOB])
    known = {each.account_id: each.access_key_ids for each in oos.accounts.identities()}
    assert known[ALICE.account_id] == {ALICE.access_key_id}
    assert known["souche"] == {"OPERATORKEY"}
    store_of(oos, ALICE).keys(bucket_name, "")


def test_strangers_on_loopback_cannot_make_themselves_known(oos: SeaweedFs) -> None:
    """SeaweedFS's own shell, without the region's certificate."""
    with pytest.raises((ProgramFailed, ProgramTimedOut)):
        run.run(argv.shell(PROGRAM, oos._ports), timeout_seconds=2, stdin=b"s3.configure\n")


def test_strangers_on_loopback_cannot_reach_what_is_stored(oos: SeaweedFs, bucket_name: str) -> None:
    """By HTTP: not at the filer, not at the master, and at the volume server only with a token: the id of a chunk, such
    as `fs.meta.cat` tells, is not enough."""
    oos.accounts.ensure_bucket(bucket_name, ALICE.account_id)
    store_of(oos, ALICE).put(bucket_name, "key", b"secret" * 10_000, metadata={})
    told = oos.accounts._tell(f"fs.meta.cat /buckets/{bucket_name}/key")
    (chunk,) = re.findall(r'"fileId": +"([^"]+)"', told)
    ports = oos._ports
    refusals = {
        f"{ports.filer}/buckets/{bucket_name}/key": 404,
        f"{ports.filer}/buckets/": 404,
        f"{ports.master}/dir/assign?collection={bucket_name}": 404,
        f"{ports.master}/dir/lookup?fileId={chunk}": 404,
        f"{ports.master}/col/delete?collection={bucket_name}": 404,
        f"{ports.volume}/{chunk}": 401,
    }
    for address, status in refusals.items():
        assert requests.get(f"http://127.0.0.1:{address}", timeout=5).status_code == status, address
    at = f"http://127.0.0.1:{ports.volume}/{chunk}"
    assert requests.put(at, data=b"x", timeout=5).status_code == 401
    assert requests.delete(at, timeout=5).status_code == 401
    assert store_of(oos, ALICE).get(bucket_name, "key") == b"secret" * 10_000


def test_it_lives_on(tmp_path: Path) -> None:
    """S3 alone leaves loopback (127.0.0.2 stands for an address of the machine); after a kill it restarts with its
    data; after a stop its ports are free."""
    with seaweedfs(tmp_path, host="127.0.0.2", accounts=()) as server:
        objects = store(server, *OPERATOR)
        objects.ensure_bucket("kept")
        objects.put("kept", "key", b"still here", metadata={})
        for port in (server._ports.master, server._ports.volume, server._ports.filer):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.2", port), timeout=1).close()
        assert server._server is not None
        first = server._server.pid
        os.kill(first, signal.SIGKILL)
        wait_for(
            lambda: server._server is not None and server._server.pid != first, "another server", 10, 0.05
        )
        server.wait_until_ready()
        assert objects.get("kept", "key") == b"still here"
    assert not server.is_ready()


def test_nobody_else_on_the_machine_reads_what_it_keeps(tmp_path: Path) -> None:
    """Secret keys are among it. A folder that was open before is closed."""
    home = tmp_path / "oos"
    (home / "data").mkdir(parents=True)
    for folder in (home, home / "data"):
        folder.chmod(0o755)
    with seaweedfs(home):
        made = [path for path in (home / "data").rglob("*") if not path.is_symlink()]
        assert any(ALICE.secret_key.encode() in path.read_bytes() for path in made if path.is_file())
        for path in (home, home / "data", *made):
            assert path.stat().st_mode & 0o077 == 0, path
        assert ALICE.secret_key not in (home / "log").read_text()


def test_a_server_that_does_not_come_up_says_so(tmp_path: Path) -> None:
    settings = Settings(tmp_path, Path("/bin/false"), "127.0.0.1", free_port())
    with pytest.raises(ObjectsFailed, match="did not start"):
        SeaweedFs(settings, SystemClock()).start()


def test_the_end_of_a_former_start_does_not_end_the_next(tmp_path: Path) -> None:
    """The next start checks S3 before its process exists, as on a busy machine."""
    program = tmp_path / "weed"
    program.symlink_to("/bin/false")
    server = LateBegin(Settings(tmp_path / "oos", program, "127.0.0.1", free_port()), SystemClock())
    with pytest.raises(ObjectsFailed):
        server.start()
    other = tmp_path / "other"
    other.symlink_to(PROGRAM)
    other.replace(program)
    while server.asked.acquire(blocking=False):
        pass
    server.start()
    try:
        assert server.is_ready()
    finally:
        server.stop()


class LateBegin(SeaweedFs):
    """Its process begins after `wait_until_ready` asked for the second time."""

    def __init__(self, settings: Settings, clock: SystemClock) -> None:
        super().__init__(settings, clock)
        self.asked = threading.Semaphore(0)

    def is_ready(self) -> bool:
        ready = super().is_ready()
        self.asked.release()
        return ready

    def _begin(self) -> subprocess.Popen[bytes]:
        assert self.asked.acquire(timeout=30)
        assert self.asked.acquire(timeout=30)
        return super()._begin()


def test_a_server_that_keeps_ending_is_started_again_ever_more_seldom(tmp_path: Path) -> None:
    """And to stop does not wait for the next start."""
    program, starts = tmp_path / "weed", tmp_path / "starts"
    program.write_text(f"#!/bin/sh\ndate +%s.%N >> {starts}\nexit 1\n")
    program.chmod(0o755)
    server = SeaweedFs(Settings(tmp_path / "oos", program, "127.0.0.1", free_port()), SystemClock())
    server._keeper = threading.Thread(target=server._keep, daemon=True)
    server._keeper.start()
    wait_for(lambda: starts.exists() and starts.read_text().count("\n") == 4, "the fourth start", 20, 0.05)
    times = [float(line) for line in starts.read_text().split()]
    first, second, third = (later - earlier for earlier, later in itertools.pairwise(times))
    assert first >= 0.5
    assert second >= 1
    assert third >= 2
    server.stop()
    assert starts.read_text().count("\n") == 4
    assert not server._keeper.is_alive()


def test_an_upload_goes_on_when_the_server_is_killed(tmp_path: Path) -> None:
    """Killed by its process id at the third part, and once more when it has come back."""
    with seaweedfs(tmp_path, accounts=()) as server:
        objects = store(server, *OPERATOR)
        objects.ensure_bucket("exports")
        pieces = [random.Random(number).randbytes(8 * MIB) for number in range(6)]

        def stream() -> Iterator[bytes]:
            for number, piece in enumerate(pieces):
                if number in (2, 5):
                    assert server._server is not None
                    os.kill(server._server.pid, signal.SIGKILL)
                yield piece

        asked: list[str] = []
        sink = BucketSink(PatientStore(objects, Patience(120, asked.append)), "exports", "disk")
        sent = sink.write(stream(), most_bytes=48 * MIB, padding=gzip_members.padding)
        assert asked
        assert sent.object_bytes == 48 * MIB
        assert objects.get("exports", "disk") == b"".join(pieces)
        assert objects.uploads("exports", "") == []


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"master": 1}', "null", '"ports"'])
def test_other_ports_are_chosen_where_those_kept_are_damaged(tmp_path: Path, content: str) -> None:
    file = tmp_path / "ports.json"
    file.write_text(content)
    ports = kept_ports(file, 1)
    assert len(set(ports.all())) == 8
    assert kept_ports(file, 500) == ports


def test_what_is_stored_is_there_on_other_ports(tmp_path: Path, bucket_name: str) -> None:
    with seaweedfs(tmp_path / "oos") as server:
        server.accounts.ensure_bucket(bucket_name, ALICE.account_id)
        store_of(server, ALICE).put(bucket_name, "key", b"bytes", metadata={})
    before = (tmp_path / "oos" / "ports.json").read_text()
    (tmp_path / "oos" / "ports.json").write_text("damaged")
    with seaweedfs(tmp_path / "oos") as server:
        assert (tmp_path / "oos" / "ports.json").read_text() != before
        assert store_of(server, ALICE).get(bucket_name, "key") == b"bytes"


def test_its_log_stays_within_bounds(tmp_path: Path) -> None:
    log = tmp_path / "oos" / "log"
    log.parent.mkdir()
    log.write_bytes(b"line\n" * (MOST_BYTES // 5 + 1))
    with seaweedfs(tmp_path / "oos", accounts=()):
        assert 0 < log.stat().st_size < MOST_BYTES
        assert log.with_name("log.1").stat().st_size > MOST_BYTES

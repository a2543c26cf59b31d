"""The embedded OOS: accounts and buckets, the region's own key, its endpoint for clients; and any other S3 service."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from souche.clock import SystemClock
from souche.formats import bucket_policy
from souche.objects.base import BucketAccessRefused, ObjectsUnavailable
from souche.objects.external import ExternalOos
from souche.objects.s3 import S3Access, S3Store
from souche.objects.seaweedfs.embedded import PROGRAM, EmbeddedOos
from souche.objects.seaweedfs.server import Settings
from souche.vault import Vault
from tests.objects.oos_contract import OosContract
from tests.objects.server import ALICE, BOB, free_port
from tests.support.polling import eventually

PUBLISHED = "https://oos.example.org"


def embedded(home: Path, port: int, endpoint: str = "") -> EmbeddedOos:
    settings = Settings(home / "oos", PROGRAM, "127.0.0.1", port)
    return EmbeddedOos(settings, endpoint, Vault.open(home / "vault.key"), SystemClock())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedded")


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[EmbeddedOos]:
    oos = embedded(home, free_port())
    oos.start()
    yield oos
    oos.stop()


class TestEmbedded(OosContract):
    @pytest.fixture
    def oos(self, served: EmbeddedOos) -> EmbeddedOos:
        return served


class TestExternal(OosContract):
    @pytest.fixture
    def oos(self, served: EmbeddedOos) -> ExternalOos:
        return ExternalOos(served._access)


def store(oos: EmbeddedOos, access_key_id: str, secret_key: str) -> S3Store:
    return S3Store(S3Access(oos.endpoint, access_key_id, secret_key))


def test_a_new_server_is_never_open_where_others_reach_it(tmp_path: Path) -> None:
    """127.0.0.2 replaces an address of the machine."""
    settings = Settings(tmp_path / "oos", PROGRAM, "127.0.0.2", free_port())
    oos = EmbeddedOos(settings, "", Vault.open(tmp_path / "vault.key"), SystemClock())
    statuses: set[int] = set()
    started = threading.Event()

    def ask() -> None:
        while not started.is_set():
            with contextlib.suppress(requests.ConnectionError):
                statuses.add(requests.get(oos.endpoint, timeout=5).status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        oos.start()
        statuses.add(requests.get(oos.endpoint, timeout=5).status_code)
    finally:
        started.set()
        asking.join()
        oos.stop()
    assert statuses == {403}


def test_accounts_are_let_in_and_out(served: EmbeddedOos, bucket_name: str) -> None:
    served.sync_keys([ALICE])
    served.ensure_bucket(bucket_name, ALICE.account_id)
    alice = store(served, ALICE.access_key_id, ALICE.secret_key)
    alice.put(bucket_name, "key", b"hers", metadata={})
    served.sync_keys([ALICE, BOB])
    with pytest.raises(BucketAccessRefused):
        store(served, BOB.access_key_id, BOB.secret_key).get(bucket_name, "key")
    served.sync_keys([BOB])
    with pytest.raises(BucketAccessRefused):
        alice.get(bucket_name, "key")


def test_a_policy_may_be_removed_again(served: EmbeddedOos, bucket_name: str) -> None:
    """The sweep does, after a crash between the removal and its record."""
    served.ensure_bucket(bucket_name, ALICE.account_id)
    for _again in range(2):
        served.set_policy(bucket_name, None)


def test_a_bucket_that_its_policy_closes_to_everyone_is_removed(
    served: EmbeddedOos, bucket_name: str
) -> None:
    served.ensure_bucket(bucket_name, ALICE.account_id)
    served.store().put(bucket_name, "key", b"x", metadata={})
    arn = f"arn:aws:s3:::{bucket_name}"
    denies = {"Effect": "Deny", "Principal": "*", "Action": ["s3:*"], "Resource": [arn, f"{arn}/*"]}
    policy = {"Version": "2012-10-17", "Statement": [denies]}
    document = bucket_policy.obeyed(json.dumps(policy).encode(), bucket_name, lambda _account: None)
    served.set_policy(bucket_name, document)
    with pytest.raises(BucketAccessRefused):
        served.store().keys(bucket_name, "")
    served.remove_bucket(bucket_name, ALICE.account_id, lambda _deleted: None)
    assert served.owner(bucket_name) is None


def test_a_store_that_does_not_start_is_tried_again_beside_the_region(tmp_path: Path) -> None:
    """Meanwhile its buckets are reported as unavailable, without a detail of the machine."""
    program = tmp_path / "weed"
    program.symlink_to("/bin/false")
    settings = Settings(tmp_path / "oos", program, "127.0.0.1", free_port())
    oos = EmbeddedOos(settings, "", Vault.open(tmp_path / "vault.key"), SystemClock())
    oos.start_when_possible()
    try:
        asked: list[Callable[[], object]] = [
            oos.store,
            oos.buckets,
            lambda: oos.sync_keys([]),
            lambda: oos.ensure_bucket("exports", "123456789012"),
        ]
        for ask in asked:
            with pytest.raises(ObjectsUnavailable, match="it has not started") as refused:
                ask()
            assert str(tmp_path) not in str(refused.value)
        replaced = tmp_path / "other"
        replaced.symlink_to(PROGRAM)
        replaced.replace(program)
        eventually(lambda: has_started(oos), 60)
        oos.ensure_bucket("exports", "123456789012")
    finally:
        oos.stop()


def test_a_slow_start_holds_up_only_what_needs_buckets(tmp_path: Path) -> None:
    program = tmp_path / "weed"
    may_start = tmp_path / "may start"
    program.write_text(f'#!/bin/sh\nuntil [ -e "{may_start}" ]; do sleep 0.05; done\nexec "{PROGRAM}" "$@"\n')
    program.chmod(0o700)
    settings = Settings(tmp_path / "oos", program, "127.0.0.1", free_port())
    oos = EmbeddedOos(settings, "", Vault.open(tmp_path / "vault.key"), SystemClock())
    oos.start_when_possible()
    try:
        with pytest.raises(ObjectsUnavailable, match="still starting"):
            oos.check()
        made = threading.Thread(target=oos.ensure_bucket, args=("exports", ALICE.account_id))
        made.start()
        may_start.touch()
        made.join(60)
        oos.check()
        assert oos.owner("exports") == ALICE.account_id
        client = threading.Thread(target=oos.wait_for_keys)
        client.start()
        client.join(0.2)
        assert client.is_alive(), "the accounts' keys are not there"
        oos.sync_keys([])
        client.join(60)
        assert not client.is_alive()
    finally:
        may_start.touch()
        oos.stop()


def has_started(oos: EmbeddedOos) -> bool:
    with contextlib.suppress(ObjectsUnavailable):
        oos.store()
        return True
    return False


def test_a_store_that_never_starts_can_be_stopped(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "oos", Path("/bin/false"), "127.0.0.1", free_port())
    oos = EmbeddedOos(settings, "", Vault.open(tmp_path / "vault.key"), SystemClock())
    oos.start_when_possible()
    oos.stop()
    assert "oos-start" not in [thread.name for thread in threading.enumerate()]


def test_another_process_makes_buckets_beside_the_server(
    served: EmbeddedOos, home: Path, bucket_name: str
) -> None:
    beside = embedded(home, int(served.address[1]))
    beside.ensure_bucket(bucket_name, BOB.account_id)
    assert beside.store().keys(bucket_name, "") == []
    with pytest.raises(BucketAccessRefused):
        served.ensure_bucket(bucket_name, ALICE.account_id)


def test_urls_are_for_the_endpoint_of_clients(served: EmbeddedOos, home: Path, bucket_name: str) -> None:
    beside = embedded(home, int(served.address[1]), PUBLISHED)
    beside.ensure_bucket(bucket_name, BOB.account_id)
    beside.store().put(bucket_name, "key", b"x", metadata={})
    assert beside.store().presign(bucket_name, "key", 60).startswith(f"{PUBLISHED}/{bucket_name}/key?")


def test_the_key_of_the_region_stays_and_is_sealed(tmp_path: Path) -> None:
    first, second = embedded(tmp_path, 1), embedded(tmp_path, 1)
    assert first._access == second._access
    kept = (tmp_path / "oos" / "operator.key").read_bytes()
    assert first._access.secret_key.encode() not in kept
    assert (tmp_path / "oos" / "operator.key").stat().st_mode & 0o077 == 0


def test_a_region_that_has_lost_its_key_makes_another_and_the_old_one_ends(tmp_path: Path) -> None:
    port = free_port()
    first = embedded(tmp_path, port)
    first.start()
    first.ensure_bucket("kept", ALICE.account_id)
    first.store().put("kept", "key", b"still here", metadata={})
    first.stop()
    (tmp_path / "oos" / "operator.key").unlink()
    second = embedded(tmp_path, port)
    second.start()
    try:
        assert second.store().get("kept", "key") == b"still here"
        with pytest.raises(BucketAccessRefused):
            first.store().get("kept", "key")
    finally:
        second.stop()

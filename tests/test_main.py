"""The `souche` command as a process: it serves, ends, and continues after a restart."""

import fcntl
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from souche.api.actions import SOUCHE_ACTIONS
from souche.http.app import SOUCHE_PREFIX
from souche.main import administration, networks
from tests.support.certificates import certificate
from tests.support.polling import eventually
from tests.wire.server import Server
from tests.wire.signing import OSC_SDK_PYTHON

SOUCHE = Path(sys.executable).parent / "souche"
GRACE_SECONDS = 60


def souche(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [SOUCHE, *arguments], capture_output=True, text=True, timeout=GRACE_SECONDS, check=False
    )


def told(*arguments: str | Path) -> Any:
    """What a command that succeeds tells, as JSON."""
    done = souche(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Served:
    """A region that a process serves."""

    process: subprocess.Popen[bytes]
    facts: dict[str, Any]
    errors: Path

    def call(self, account: dict[str, Any], action: str, **request: object) -> dict[str, Any]:
        """A signed call that succeeds: of an action of OUTSCALE's, or of Souche's own."""
        server = Server(urlsplit(self.facts["Api"]).port or 0)
        key = {"key_id": account["AccessKeyId"], "secret": account["SecretKey"]}
        own = action in SOUCHE_ACTIONS
        form = replace(OSC_SDK_PYTHON, prefix=SOUCHE_PREFIX) if own else OSC_SDK_PYTHON
        answer = server.call(action, json.dumps(request).encode(), form, **key)
        assert answer.status == 200, answer.json
        found: dict[str, Any] = answer.json
        return found

    def volume_state(self, account: dict[str, Any], volume_id: str) -> str:
        answer = self.call(account, "ReadVolumes", Filters={"VolumeIds": [volume_id]})
        state: str = answer["Volumes"][0]["State"]
        return state


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def serve(home: Path) -> Iterator[Callable[[], Served]]:
    """Serves the region of `home` on a free port; what is still running after the test is killed."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(serving(home))


@contextmanager
def serving(home: Path, *options: str) -> Iterator[Served]:
    """The region of `home`, served on a free port; what still runs at the end is killed."""
    errors = home.with_name("errors")
    with errors.open("wb") as log:
        process = subprocess.Popen(
            [SOUCHE, "serve", "--home", home, "--listen", "127.0.0.1:0", "--compute", "simulated", *options],
            stderr=log,
        )
    try:
        facts = eventually(lambda: _facts(home, process, errors), GRACE_SECONDS)
        yield Served(process, facts, errors)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(GRACE_SECONDS)


def _facts(home: Path, process: subprocess.Popen[bytes], errors: Path) -> dict[str, Any] | None:
    assert process.poll() is None, errors.read_text()
    try:
        facts: dict[str, Any] = json.loads((home / "serving.json").read_text())
    except FileNotFoundError:
        return None
    return facts if facts["ProcessId"] == process.pid else None


@contextmanager
def blocked_disks(home: Path) -> Iterator[None]:
    """Hold the volume store's lock, as another process may: every workflow that needs a disk waits."""
    with (home / "disks" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Served]]:
    """A region that runs during these tests, for tests that do not change it."""
    home = tmp_path_factory.mktemp("region") / "home"
    with serving(home) as served:
        yield home, served


def test_region_is_served(region: tuple[Path, Served]) -> None:
    home, served = region
    account = told("account", "create", "alice", "--home", home)
    netloc = urlsplit(served.facts["Api"]).netloc
    assert served.call(account, "ReadRegions")["Regions"] == [{"Endpoint": netloc, "RegionName": "souche-1"}]
    assert told("info", "--home", home) == served.facts
    assert (served.facts["Compute"], served.facts["Accelerator"]) == ("simulated", "none")


def test_a_region_with_a_certificate_of_its_own_speaks_https(home: Path) -> None:
    with serving(home, "--tls-self-signed", "--oos-listen", "") as served:
        authority = home / "tls" / "ca.pem"
        api = served.facts["Api"]
        assert api.startswith("https://127.0.0.1:")
        assert requests.get(api, verify=str(authority), timeout=10).json()["Version"]
        said = served.errors.read_text()
        assert str(authority) in said
        assert served.facts["TlsFingerprint"] in said
        other = certificate(home.with_name("other"))
        for name in ("certificate.pem", "key.pem"):
            (home / "tls" / name).write_bytes((home.with_name("other") / name).read_bytes())
        eventually(lambda: _is_trusted(api, other.authority))
    modes = {name: (home / "tls" / name).stat().st_mode & 0o777 for name in ("", "ca.pem", "ca-key.pem")}
    assert modes == {"": 0o755, "ca.pem": 0o644, "ca-key.pem": 0o600}, (
        "clients read the authority's certificate"
    )


def _is_trusted(api: str, authority: Path) -> bool:
    try:
        return requests.get(api, verify=str(authority), timeout=10).ok
    except requests.exceptions.SSLError:
        return False


def test_a_region_tells_whether_it_is_ready_part_by_part(region: tuple[Path, Served]) -> None:
    home, served = region
    url = served.facts["Api"].removesuffix("/api/v1")
    assert requests.get(f"{url}/healthz", timeout=10).json() == {"Healthy": True}

    def parts() -> dict[str, bool]:
        answer = requests.get(f"{url}/readyz", timeout=10)
        found = {name: each["Ready"] for name, each in answer.json()["Checks"].items()}
        assert answer.status_code == (200 if all(found.values()) else 503)
        return found

    names = ("database", "store", "hypervisor")
    eventually(lambda: parts() == dict.fromkeys(names, True), GRACE_SECONDS)
    mark = home / "disks" / "region-id"
    mark.rename(mark.with_suffix(".away"))
    eventually(lambda: parts() == {**dict.fromkeys(names, True), "store": False})
    mark.with_suffix(".away").rename(mark)
    eventually(lambda: all(parts().values()))


@pytest.mark.parametrize("same_address", [True, False])
def test_second_server_of_a_home_is_refused(region: tuple[Path, Served], *, same_address: bool) -> None:
    home, served = region
    listen = urlsplit(served.facts["Api"]).netloc if same_address else "127.0.0.1:0"
    second = souche("serve", "--home", home, "--listen", listen, "--compute", "simulated")
    assert second.returncode == 1
    assert second.stderr == f"souche: Another process serves the region in {home}.\n"


def test_account_is_made_without_a_server_too(home: Path, serve: Callable[[], Served]) -> None:
    account = told("account", "create", "alice", "--home", home)
    served = serve()
    assert served.call(account, "ReadVms")["Vms"] == []
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(GRACE_SECONDS) == 0


def test_address_that_is_taken_is_refused(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        refused = souche("serve", "--home", home, "--listen", listen, "--compute", "simulated")
    assert refused.returncode == 1
    assert refused.stderr == f"souche: The region cannot listen on {listen}: Address already in use\n"


def test_info_of_a_region_that_was_neverserving(home: Path, *options: str) -> None:
    refused = souche("info", "--home", home)
    assert refused.returncode == 1
    assert "souche serve --home" in refused.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workflow_in_flight_is_resumed(
    home: Path, serve: Callable[[], Served], number: signal.Signals
) -> None:
    served = serve()
    account = told("account", "create", "alice", "--home", home)
    with blocked_disks(home):
        made = served.call(account, "CreateVolume", SubregionName="souche-1a", Size=1)
        volume_id = made["Volume"]["VolumeId"]
        assert served.volume_state(account, volume_id) == "creating"
        began = time.monotonic()
        served.process.send_signal(number)
        status = served.process.wait(GRACE_SECONDS)
        assert status == (0 if number == signal.SIGTERM else -number)
        assert time.monotonic() - began < 5
    again = serve()
    eventually(lambda: again.volume_state(account, volume_id) == "available")
    assert os.listdir(home / "disks" / "volumes") == [volume_id]  # noqa: PTH208


def test_disks_without_their_records_are_not_taken_for_leftovers(
    home: Path, serve: Callable[[], Served]
) -> None:
    """With an empty database every disk would have no owner, and be removed within seconds."""
    served, account = serve(), told("account", "create", "alice", "--home", home)
    made = served.call(account, "CreateVolume", SubregionName="souche-1a", Size=1)["Volume"]
    eventually(lambda: (home / "disks" / "volumes" / made["VolumeId"]).is_symlink(), GRACE_SECONDS)
    served.process.kill()
    served.process.wait(GRACE_SECONDS)
    for file in home.glob("region.sqlite*"):
        file.rename(home.with_name(file.name))
    for command in (
        ("serve", "--listen", "127.0.0.1:0", "--compute", "simulated"),
        ("account", "create", "bob"),
    ):
        refused = souche(*command, "--home", home)
        assert (refused.returncode, "region.sqlite" in refused.stderr) == (1, True), refused.stderr
    assert (home / "disks" / "volumes" / made["VolumeId"]).is_symlink()


def test_a_database_without_its_log_has_what_was_written_before_the_end(
    home: Path, serve: Callable[[], Served]
) -> None:
    served, account = serve(), told("account", "create", "alice", "--home", home)
    made = served.call(account, "CreateVolume", SubregionName="souche-1a", Size=1)["Volume"]["VolumeId"]
    eventually(lambda: served.volume_state(account, made) == "available", GRACE_SECONDS)
    served.process.terminate()
    assert served.process.wait(GRACE_SECONDS) == 0
    for log in home.glob("*.sqlite-*"):
        log.unlink()
    assert serve().volume_state(account, made) == "available"


def test_an_older_database_loses_no_disk(home: Path, serve: Callable[[], Served]) -> None:
    """The start says that disks have no record, and nothing is swept."""
    served, account = serve(), told("account", "create", "alice", "--home", home)
    served.process.terminate()
    served.process.wait(GRACE_SECONDS)
    older = (home / "region.sqlite").read_bytes()
    served = serve()
    made = served.call(account, "CreateVolume", SubregionName="souche-1a", Size=1)["Volume"]["VolumeId"]
    eventually(lambda: served.volume_state(account, made) == "available", GRACE_SECONDS)
    served.process.kill()
    served.process.wait(GRACE_SECONDS)
    for file in home.glob("region.sqlite*"):
        file.unlink()
    (home / "region.sqlite").write_bytes(older)
    again = serve()
    assert "disks without a record" in again.errors.read_text()
    assert made in again.errors.read_text()
    (kept,) = told("trash", "list", "--home", home)
    assert kept["ResourceId"] == made
    assert (home / "disks" / "volumes" / made).is_symlink()
    assert told("trash", "restore", made, "--account", "alice", "--home", home)["ResourceId"] == made
    assert again.volume_state(account, made) == "available"


def newer(home: Path) -> None:
    """The database of a Souche that is to come."""
    with closing(sqlite3.connect(home / "region.sqlite")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "newer Souche": newer,
    "region.sqlite is damaged": lambda home: (home / "region.sqlite").write_bytes(b"damaged " * 1000),
    "journal.sqlite is damaged": lambda home: (home / "journal.sqlite").write_bytes(b"damaged " * 1000),
    "vault.key is damaged": lambda home: (home / "vault.key").write_bytes(b""),
    "vault.key is missing": lambda home: (home / "vault.key").unlink(),
    "signing.key cannot be opened": lambda home: (home / "signing.key").write_bytes(b"damaged"),
    "region-id is of the region": lambda home: (home / "region-id").write_bytes(b""),
}


@pytest.mark.parametrize("said", DAMAGES)
def test_what_is_wrong_with_a_home_is_told_in_one_line(tmp_path: Path, said: str) -> None:
    home = tmp_path / "home"
    told("account", "create", "alice", "--home", home)
    DAMAGES[said](home)
    refused = souche("serve", "--home", home, "--listen", "127.0.0.1:0", "--compute", "simulated")
    (line,) = refused.stderr.splitlines()
    assert refused.returncode == 1
    assert line.startswith("souche: ")
    assert said in line


def test_a_setting_that_is_no_network_is_told_in_one_line(home: Path) -> None:
    refused = souche("serve", "--home", home, "--listen", "127.0.0.1:0", "--guest-network", "10.0.0.1/33")
    (line,) = refused.stderr.splitlines()
    assert (refused.returncode, "--guest-network" in line) == (1, True)


def test_what_was_served_is_told_again_where_that_was_damaged(
    home: Path, serve: Callable[[], Served]
) -> None:
    serve().process.kill()
    (home / "serving.json").write_text("{")
    assert "serving.json is damaged" in souche("info", "--home", home).stderr
    account = told("account", "create", "alice", "--home", home)
    (home / "serving.json").unlink()
    assert serve().call(account, "ReadVms")["Vms"] == []


def test_a_home_at_another_path_keeps_its_guests_network(tmp_path: Path) -> None:
    home, paths = tmp_path / "home", (tmp_path / f"elsewhere{number}" for number in count())
    with serving(home) as served:
        network = served.facts["GuestNetwork"]
    moved = next(path for path in paths if networks.GUESTS.of(path) != network)
    home.rename(moved)
    with administration.administer(moved) as administered:
        assert administered.region.network.cidr == network
    (moved / "serving.json").unlink()
    with serving(moved) as served:
        assert served.facts["GuestNetwork"] == network


def test_a_network_that_is_given_is_kept(home: Path, serve: Callable[[], Served]) -> None:
    with serving(home, "--guest-network", "10.99.0.0/24") as served:
        assert served.facts["GuestNetwork"] == "10.99.0.0/24"
    (home / "serving.json").unlink()
    assert serve().facts["GuestNetwork"] == "10.99.0.0/24"


def test_the_network_of_a_home_of_an_earlier_souche_is_what_its_server_said(home: Path) -> None:
    told("account", "create", "alice", "--home", home)
    (home / "serving.json").write_text(json.dumps({"GuestNetwork": "10.98.0.0/24", "ProcessId": 0}))
    with serving(home) as served:
        assert served.facts["GuestNetwork"] == "10.98.0.0/24"

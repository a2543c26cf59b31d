"""A region with a running guest is backed up, destroyed, and restored in another home: its guest boots again there,
with everything that it had written."""

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tools import harness

from souche.compute.libvirt.driver import LibvirtHypervisor
from tests.guests.conftest import Served, publish
from tests.objects.server import free_port

pytestmark = pytest.mark.guest

SOUCHE = Path(sys.executable).parent / "souche"


def souche(*arguments: str | Path) -> dict[str, Any]:
    """What a command tells, as JSON."""
    done = subprocess.run(
        [SOUCHE, *arguments, "--json"], capture_output=True, text=True, timeout=300, check=True
    )
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


@contextmanager
def serving(home: Path, who: harness.Credentials | None = None) -> Iterator[Served]:
    """A region of its own, whose guests, network and server are gone at the end."""
    listen = f"127.0.0.1:{free_port()}"
    server = harness.serve(home, listen, home.with_suffix(".log"))
    try:
        who = who or harness.create_account(home, "alice")
        yield Served(home, listen, server, who, harness.gateway(listen, who), "")
    finally:
        server.kill()
        server.wait()
        driver = LibvirtHypervisor(home, guest_network(home), accelerator="tcg")
        for vm_id in driver.power_states():
            driver.remove(vm_id)
        driver.remove_network()
        driver.close()


def guest_network(home: Path) -> str:
    """As the server said."""
    network: str = json.loads((home / "serving.json").read_text())["GuestNetwork"]
    return network


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that QEMU's user may pass through."""
    made = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="souche-backup-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def test_a_guest_boots_from_a_restored_backup_with_what_it_had_written(
    folder: Path, debian_12_image: Path
) -> None:
    marker = secrets.token_hex(16)
    with serving(folder / "region") as region:
        image_id = publish(region.home, debian_12_image)
        vm = region.launch(image_id, region.key("backed-up"), BootMode="legacy")
        region.ssh(vm, f"echo {marker} >marker; sync")
        souche("backup", folder / "backups", "--home", region.home)
        region.ssh(vm, "echo later >marker; sync")
        assert souche("backup", "verify", folder / "backups")["Findings"] == []
    shutil.rmtree(region.home)
    souche("restore", folder / "backups", "--home", folder / "restored")
    with serving(folder / "restored", region.who) as restored:
        restored.keys.update(region.keys)
        restored.wait_ssh(restored.wait_vm(vm["VmId"], "running"))
        assert restored.ssh(vm, "cat marker").strip() == marker

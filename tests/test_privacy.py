"""Another user of the machine can read no file of a region, by any name (issue 9, 3.1)."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from souche.compute.libvirt.host_paths import QEMU_USER, qemu_group
from souche.home import Home
from souche.storage.base import Capture
from souche.storage.qcow2 import Qcow2Store
from tests.storage.bench import SIZE, A, S
from tests.support.polling import eventually
from tests.test_main import serving, told

READ_ALL = """
import sys
for name in sys.stdin.read().split("\\0"):
    try:
        open(name, "rb").read(1)
    except OSError:
        continue
    print(name)
"""


def readable_by(user: str, files: list[Path]) -> set[Path]:
    """Which of these a user reads, who knows every name."""
    account = pwd.getpwnam(user)
    identity = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups"]
    done = subprocess.run(
        ["setpriv", *identity, "/usr/bin/python3", "-c", READ_ALL],
        input="\0".join(map(str, files)),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return {Path(line) for line in done.stdout.splitlines()}


@pytest.fixture
def home() -> Iterator[Path]:
    """In a folder that everybody may enter, with any TMPDIR."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "home"


def test_nobody_reads_no_file_of_a_served_region(home: Path) -> None:
    with serving(home) as served:
        account = told("account", "create", "alice", "--home", home)
        created = served.call(account, "CreateVolume", Size=1, SubregionName=served.facts["Region"] + "a")
        volume_id = created["Volume"]["VolumeId"]
        assert eventually(lambda: served.volume_state(account, volume_id) == "available", 20)
        served.call(account, "CreateSnapshot", VolumeId=volume_id)
        assert eventually(lambda: any((home / "disks" / "records").iterdir()), 20)
        files = [Path(root) / name for root, _, names in os.walk(home) for name in names]
        assert readable_by("root", files[:1]) == set(files[:1])
        assert readable_by("nobody", files) == set()
    layers = home / "disks" / "layers"
    assert layers in {file.parent for file in files}
    assert home / "region.sqlite" in files


def test_qemus_user_reads_the_layers_of_a_region_and_nothing_else(home: Path) -> None:
    region = Home(home)
    region.make()
    region.make_disks()
    region.narrow(qemu_group())
    store = Qcow2Store(home)
    store.create_volume(A, SIZE)
    store.capture([Capture(A, S)], vm_id=None, live=None)
    files = [Path(root) / name for root, _, names in os.walk(home) for name in names]
    layers = {file for file in files if file.parent.name == "layers"}
    links = {file for file in files if file.is_symlink()}
    assert readable_by("nobody", files) == set()
    assert readable_by(QEMU_USER, [file for file in files if file not in links]) == layers
    region.narrow(None)
    assert readable_by(QEMU_USER, files) == set()

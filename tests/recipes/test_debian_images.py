"""Built Debian images, looked at from outside and read-only, in one appliance for all tests of each.

`make test` builds debian-12 alone, as each build takes minutes; `make recipes` builds debian-13 too.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import guestfs
import pytest

from souche.model.image_builds import Build, changed_packages
from souche.recipes import debian
from souche.recipes.debian_files import FILES, apt_sources
from souche.recipes.debian_root import packages
from souche.recipes.partitions import BIOS_BOOT, EFI_SYSTEM, LINUX_ROOT_X86_64
from souche.recipes.recipe import Recipe
from souche.recipes.shelf import Shelf
from souche.run import run
from souche.storage import nbd
from souche.trust.children import socket_path

pytestmark = pytest.mark.guest

RECIPES = os.environ.get("SOUCHE_TEST_RECIPES", "debian-12").split(",")
DISK = "/dev/sda"
MIB = 1 << 20

# Runs a command, its output in a file, and prints its seconds of CPU and its peak in KiB. Not done in pytest's own
# process: what a child had at most (ru_maxrss) begins with what its parent has.
MEASURE = """
import resource, subprocess, sys
with open(sys.argv[1], "wb") as output:
    subprocess.run(sys.argv[2:], stdout=output, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


@dataclass(frozen=True)
class Built:
    """An image as /dev/sda of a running appliance, its root and its ESP mounted; its recipe and its packages."""

    g: guestfs.GuestFS
    recipe: Recipe
    packages: Mapping[str, str]


@pytest.fixture(scope="module", params=RECIPES)
def built(request: pytest.FixtureRequest) -> Iterator[Built]:
    disk: Path = request.getfixturevalue(f"{request.param.replace('-', '_')}_image")
    packages = json.loads(disk.with_suffix(".json").read_text())
    g = guestfs.GuestFS(python_return_dict=True)
    try:
        g.set_backend("direct")
        g.set_backend_settings(["force_tcg"])
        g.add_drive_opts(str(disk), format="qcow2", readonly=True)
        g.launch()
        g.mount_ro(f"{DISK}1", "/")
        g.mount_ro(f"{DISK}15", "/boot/efi")
        yield Built(g, Shelf().get(request.param), packages)
    finally:
        g.close()


@pytest.fixture
def image(built: Built) -> guestfs.GuestFS:
    return built.g


def test_the_partition_table_is_a_gpt_with_bios_boot_esp_and_a_root_at_the_end(
    image: guestfs.GuestFS,
) -> None:
    assert image.part_get_parttype(DISK) == "gpt"
    kinds = {number: image.part_get_gpt_type(DISK, number) for number in (1, 14, 15)}
    assert kinds == {14: BIOS_BOOT, 15: EFI_SYSTEM, 1: LINUX_ROOT_X86_64}
    by_number = {part["part_num"]: part for part in image.part_list(DISK)}
    assert set(by_number) == {1, 14, 15}
    assert max(by_number, key=lambda number: int(by_number[number]["part_start"])) == 1
    assert image.blockdev_getsize64(DISK) == 4096 * MIB


def test_file_systems_are_ext4_and_vfat(image: guestfs.GuestFS) -> None:
    assert (image.vfs_type(f"{DISK}1"), image.vfs_type(f"{DISK}15")) == ("ext4", "vfat")
    assert f"UUID={image.vfs_uuid(f'{DISK}1')} / ext4" in image.cat("/etc/fstab")
    assert f"UUID={image.vfs_uuid(f'{DISK}15')} /boot/efi vfat" in image.cat("/etc/fstab")


def test_both_firmwares_find_grub_and_grub_finds_a_kernel(image: guestfs.GuestFS) -> None:
    assert b"GRUB" in image.pread_device(DISK, 512, 0)
    assert image.is_file("/boot/efi/EFI/BOOT/BOOTX64.EFI")
    assert image.is_file("/boot/efi/EFI/debian/grubx64.efi")
    assert str(image.vfs_uuid(f"{DISK}1")) in image.cat("/boot/grub/grub.cfg")
    assert image.is_file("/vmlinuz", followsymlinks=True)
    assert image.is_file("/initrd.img", followsymlinks=True)


def test_clones_share_no_identity(image: guestfs.GuestFS) -> None:
    assert image.cat("/etc/machine-id").strip() in ("", "uninitialized")
    assert not image.exists("/var/lib/dbus/machine-id")
    assert list(image.glob_expand("/etc/ssh/ssh_host_*")) == []
    assert not image.exists("/var/lib/systemd/random-seed")
    assert not image.exists("/var/lib/cloud")


def test_nobody_has_a_password(image: guestfs.GuestFS) -> None:
    fields = [line.split(":") for line in image.read_lines("/etc/shadow")]
    assert {name: password for name, password, *_ in fields if password not in ("*", "!", "!*")} == {}
    assert "root" in {name for name, *_ in fields}


def test_nobody_may_log_in_before_the_first_boot(image: guestfs.GuestFS) -> None:
    assert not image.exists("/root/.ssh")
    assert list(image.ls("/home")) == []
    assert [path for path in image.glob_expand("/etc/ssh/*") if "authorized" in path] == []


def test_the_build_leaves_no_traces(built: Built) -> None:
    image = built.g
    files = {
        directory: [name for name in image.find(directory) if image.is_file(f"{directory}/{name}")]
        for directory in ("/var/log", "/var/lib/apt/lists", "/var/cache/apt", "/tmp", "/var/tmp")
    }
    assert {name for names in files.values() for name in names} <= {"/lock", "/archives/lock"}
    assert list(image.ls("/etc/apt/sources.list.d")) == ["debian.sources"]
    assert image.cat("/etc/apt/sources.list.d/debian.sources") == apt_sources(built.recipe)
    assert [path for path in image.glob_expand("/etc/*/*.d/*") if "mmdebstrap" in path] == []
    assert not image.exists("/etc/hostname")


@pytest.mark.parametrize("name", sorted(FILES))
def test_configuration_is_in_place(image: guestfs.GuestFS, name: str) -> None:
    assert image.cat(f"/{name}") == FILES[name]


def test_no_later_file_takes_the_data_source_back(image: guestfs.GuestFS) -> None:
    names = sorted(image.glob_expand("/etc/cloud/cloud.cfg.d/*.cfg"))
    assert [name for name in names if "datasource_list" in image.cat(name)][-1].endswith("/99_outscale.cfg")


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("apt-daily.timer", "/dev/null"),
        ("multi-user.target.wants/ssh.service", "/lib/systemd/system/ssh.service"),
        ("multi-user.target.wants/systemd-networkd.service", "/lib/systemd/system/systemd-networkd.service"),
        ("cloud-init.target.wants/cloud-final.service", "/lib/systemd/system/cloud-final.service"),
    ],
)
def test_units_are_enabled_or_masked(image: guestfs.GuestFS, link: str, target: str) -> None:
    assert image.readlink(f"/etc/systemd/system/{link}").removeprefix("/usr") == target


def test_programs_for_growing_and_for_the_guest_agent_are_there(image: guestfs.GuestFS) -> None:
    assert image.is_file("/usr/bin/growpart")
    assert image.is_file("/usr/sbin/qemu-ga")


def test_the_release_is_that_of_the_recipe(built: Built) -> None:
    assert f"VERSION_CODENAME={built.recipe.suite}\n" in built.g.cat("/etc/os-release")


def test_the_recorded_packages_are_those_in_the_image(built: Built) -> None:
    assert {"cloud-init", "curl", "grub-efi-amd64-bin", "openssh-server"} <= set(built.packages)
    status = built.g.cat("/var/lib/dpkg/status")
    assert status.count("\nStatus: install ok installed\n") == len(built.packages)
    version = built.packages["openssh-server"]
    assert f"Version: {version}\n" in status.split("\nPackage: openssh-server\n")[1].split("\n\n")[0]


def test_what_apt_plans_today_is_compared_with_what_is_in_the_image(built: Built, tmp_path: Path) -> None:
    """The same packages in the same words. An image from the cache may be a few days old, so some versions differ."""
    planned = debian.plan(built.recipe, work_dir=tmp_path)
    assert len(planned.keys() & built.packages.keys()) > 0.95 * len(built.packages)
    changed = changed_packages(Build("", "", built.packages), planned)
    assert len(changed) < 0.5 * len(built.packages)


def test_a_report_takes_little_time_and_memory(debian_12_image: Path, tmp_path: Path) -> None:
    """Less than 5 s, 1.5 s of CPU and 128 MiB, what runs in the sandbox; the best of three. A busy machine takes more
    CPU than a quiet one: `make bench` has the figure (`tools/bench_report.py`)."""
    with nbd.serve(debian_12_image, "qcow2", tmp_path) as uri:
        asked = {"sockets": [str(socket_path(uri))], "boot_modes": ["legacy", "uefi"], "today": "2026-11-27"}
        runs = [_measured(json.dumps(asked), tmp_path / "answer") for _ in range(3)]
    assert min(seconds for seconds, _, _ in runs) < 5
    assert min(cpu_seconds for _, cpu_seconds, _ in runs) < 1.5
    assert max(mib for _, _, mib in runs) < 128
    made = json.loads((tmp_path / "answer").read_text())
    assert made["os"] == "Debian GNU/Linux 12 (bookworm)"
    assert {each["severity"] for each in made["findings"]} == {"info"}


def _measured(asked: str, answer: Path) -> tuple[float, float, float]:
    """How long an examination takes, its CPU seconds, and the MiB that it had at most."""
    begun = time.monotonic()
    said = run(
        [sys.executable, "-c", MEASURE, answer, sys.executable, "-m", "souche.trust.inside", asked],
        timeout_seconds=60,
    )
    cpu_seconds, peak_kib = said.split()
    return time.monotonic() - begun, float(cpu_seconds), int(peak_kib) / 1024


def test_a_report_is_measured_without_what_its_parent_has(tmp_path: Path) -> None:
    """A process of pytest that has run thousands of tests has a GiB, and a child's peak begins with its parent's."""
    ballast = bytearray(os.urandom(MIB) * 256)
    said = run(
        [sys.executable, "-c", MEASURE, tmp_path / "output", sys.executable, "-c", "print('ended')"],
        timeout_seconds=60,
    )
    assert int(said.split()[1]) < len(ballast) // 1024 // 2
    assert (tmp_path / "output").read_text() == "ended\n"


def test_every_package_of_debian_13_is_in_its_archive(tmp_path: Path) -> None:
    """Whether or not it is built here: with all that they depend on."""
    recipe = Shelf().get("debian-13")
    planned = debian.plan(recipe, work_dir=tmp_path)
    assert set(packages(recipe)) <= planned.keys()
    assert planned["base-files"].startswith("13.")

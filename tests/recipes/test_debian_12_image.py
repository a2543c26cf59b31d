"""A built Debian 12 image, looked at from outside and read-only, in one appliance for all tests."""

from collections.abc import Iterator
from pathlib import Path

import guestfs
import pytest

from souche.recipes.debian_12_files import FILES
from souche.recipes.partitions import BIOS_BOOT, EFI_SYSTEM, LINUX_ROOT_X86_64

pytestmark = pytest.mark.guest

DISK = "/dev/sda"
MIB = 1 << 20


@pytest.fixture(scope="module")
def image(debian_12_image: Path) -> Iterator[guestfs.GuestFS]:
    """The image as /dev/sda of a running appliance, its root and its ESP mounted."""
    g = guestfs.GuestFS(python_return_dict=True)
    try:
        g.set_backend("direct")
        g.set_backend_settings(["force_tcg"])
        g.add_drive_opts(str(debian_12_image), format="qcow2", readonly=True)
        g.launch()
        g.mount_ro(f"{DISK}1", "/")
        g.mount_ro(f"{DISK}15", "/boot/efi")
        yield g
    finally:
        g.close()


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


def test_the_build_leaves_no_traces(image: guestfs.GuestFS) -> None:
    files = {
        directory: [name for name in image.find(directory) if image.is_file(f"{directory}/{name}")]
        for directory in ("/var/log", "/var/lib/apt/lists", "/var/cache/apt", "/tmp", "/var/tmp")
    }
    assert {name for names in files.values() for name in names} <= {"/lock", "/archives/lock"}
    assert list(image.ls("/etc/apt/sources.list.d")) == ["debian.sources"]
    assert "deb.debian.org" in image.cat("/etc/apt/sources.list.d/debian.sources")
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
        ("cloud-init.target.wants/cloud-init.service", "/lib/systemd/system/cloud-init.service"),
    ],
)
def test_units_are_enabled_or_masked(image: guestfs.GuestFS, link: str, target: str) -> None:
    assert image.readlink(f"/etc/systemd/system/{link}") == target


def test_programs_for_growing_and_for_the_guest_agent_are_there(image: guestfs.GuestFS) -> None:
    assert image.is_file("/usr/bin/growpart")
    assert image.is_file("/usr/sbin/qemu-ga")

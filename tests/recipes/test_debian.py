import io
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from souche.errors import ProgramFailed
from souche.recipes import debian
from souche.recipes.apt_mirrors import Mirrors
from souche.recipes.bootable_disk import GRUB_BIOS, GRUB_UEFI, grub_installations
from souche.recipes.debian_files import (
    CLOUD_INIT,
    FILES,
    MASKED_UNITS,
    added,
    apt_sources,
    fstab,
    grub_menu,
    overlay,
)
from souche.recipes.debian_root import build_sources, hooks, mmdebstrap_argv, packages
from souche.recipes.recipe import AddedFile, Recipe
from souche.recipes.shelf import Shelf

ROOT_UUID = UUID("12345678-1234-1234-1234-123456789abc")
MIRRORS = Mirrors("http://m/debian", "http://s/debian-security")
DEBIAN_12, DEBIAN_12_I386, DEBIAN_13 = map(Shelf().get, ("debian-12", "debian-12-i386", "debian-13"))


def test_mmdebstrap_is_told_the_architecture_and_the_packages() -> None:
    argv = mmdebstrap_argv(DEBIAN_12)
    assert argv[:4] == ["mmdebstrap", "--variant=minbase", "--format=tar", "--architectures=amd64"]
    assert argv[4] == f"--include={','.join(packages(DEBIAN_12))}"
    wanted = {"curl", "cloud-init", "grub-pc-bin", "grub-efi-amd64-bin", "linux-image-cloud-amd64"}
    assert wanted <= set(packages(DEBIAN_12))
    assert not [part for part in argv if "hook" in part]


def test_the_image_is_configured_before_packages_are_and_loses_the_builds_mirrors_at_the_end() -> None:
    done = hooks(DEBIAN_12, Path("/w d"))
    assert done[0] == "--essential-hook=tar-in '/w d/configuration.tar' /"
    assert "--customize-hook=download /var/lib/dpkg/status '/w d/status'" in done
    assert done[-1] == "--customize-hook=upload '/w d/debian.sources' /etc/apt/sources.list.d/debian.sources"
    assert not [part for part in done if "files.tar" in part]


def test_a_recipes_files_come_after_the_packages_and_its_commands_after_the_files() -> None:
    own = replace(DEBIAN_12, files=(AddedFile("/etc/motd", b"hi"),), commands=("echo 'a' > /b",))
    done = hooks(own, Path("/w"))
    files = done.index("--customize-hook=tar-in /w/files.tar /")
    assert done[files + 1] == """--customize-hook=chroot "$1" /bin/sh -e -c 'echo '"'"'a'"'"' > /b'"""
    assert files + 1 < done.index('--customize-hook=rm -f "$1"/etc/ssh/ssh_host_*')


def test_no_hook_empties_tmp_where_mmdebstrap_keeps_its_apt_configuration() -> None:
    assert not [part for part in hooks(DEBIAN_12, Path("w")) if '"$1"/tmp' in part]


def test_sources_have_updates_and_security() -> None:
    assert build_sources(DEBIAN_12, MIRRORS) == (
        "deb http://m/debian bookworm main\n"
        "deb http://m/debian bookworm-updates main\n"
        "deb http://s/debian-security bookworm-security main\n"
    )
    bare = replace(DEBIAN_13, updates=False, security=False, components=("main", "contrib"))
    assert build_sources(bare, MIRRORS) == "deb http://m/debian trixie main contrib\n"


def test_a_recipes_own_mirrors_are_those_of_the_build_and_of_the_image() -> None:
    own = replace(DEBIAN_13, mirror="http://o/debian", security_mirror="http://o/security")
    assert "http://m" not in build_sources(own, MIRRORS)
    assert "deb http://o/security trixie-security main\n" in build_sources(own, MIRRORS)
    assert "URIs: http://o/debian\nSuites: trixie trixie-updates\n" in apt_sources(own)


def test_an_image_gets_its_updates_from_debian_whatever_it_was_built_from() -> None:
    assert (
        apt_sources(DEBIAN_12)
        == """\
Types: deb
URIs: http://deb.debian.org/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://deb.debian.org/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
    )


def test_cloud_init_reads_the_regions_metadata_only() -> None:
    config = yaml.safe_load(CLOUD_INIT)
    assert config["datasource_list"] == ["Ec2"]
    assert config["datasource"]["Ec2"]["metadata_urls"] == ["http://169.254.169.254:80"]
    assert config["datasource"]["Ec2"]["strict_id"] is False
    user = config["system_info"]["default_user"]
    assert (user["name"], user["lock_passwd"]) == ("outscale", True)
    assert user["sudo"] == ["ALL=(ALL) NOPASSWD:ALL"]


def test_the_data_source_list_is_one_line_with_inner_blanks_as_ds_identify_reads_it() -> None:
    assert "datasource_list: [ Ec2 ]\n" in CLOUD_INIT


def test_no_password_logs_in_by_ssh() -> None:
    lines = FILES["etc/ssh/sshd_config.d/10-keys-only.conf"].splitlines()
    assert {"PasswordAuthentication no", "PermitRootLogin no"} <= set(lines)


def test_systemd_waits_for_devices_of_a_slow_machine() -> None:
    """A guest on a busy host gave up its serial console after 90 seconds, and never came to a login prompt."""
    assert "DefaultDeviceTimeoutSec=900\n" in FILES["etc/systemd/system.conf.d/10-slow-devices.conf"]


def test_kernels_installed_later_boot_with_the_same_options() -> None:
    options = "console=tty0 console=ttyS0,115200 net.ifnames=0 no_timer_check"
    assert f'GRUB_CMDLINE_LINUX="{options}"' in FILES["etc/default/grub"]
    assert f"linux /vmlinuz root=UUID={ROOT_UUID} ro {options} quiet\n" in grub_menu(ROOT_UUID)


def test_fstab_names_file_systems_by_uuid() -> None:
    assert fstab(ROOT_UUID, "1234-ABCD") == (
        f"UUID={ROOT_UUID} / ext4 defaults,errors=remount-ro 0 1\n"
        "UUID=1234-ABCD /boot/efi vfat umask=0077,nofail 0 0\n"
    )


def test_grub_is_installed_for_both_firmwares_and_at_the_removable_path() -> None:
    assert grub_installations(DEBIAN_13.boot_modes) == [GRUB_BIOS, GRUB_UEFI]
    assert GRUB_BIOS == ("grub-install", "--target=i386-pc", "/dev/disk/guestfs/image")
    assert GRUB_UEFI[:2] == ("grub-install", "--target=x86_64-efi")
    assert {"--no-nvram", "--force-extra-removable"} <= set(GRUB_UEFI)


def test_an_i386_image_has_a_kernel_of_its_own_and_no_uefi() -> None:
    assert "--architectures=i386" in mmdebstrap_argv(DEBIAN_12_I386)
    assert {"linux-image-686", "grub-pc-bin"} <= set(packages(DEBIAN_12_I386))
    assert "grub-efi-amd64-bin" not in packages(DEBIAN_12_I386)
    assert grub_installations(DEBIAN_12_I386.boot_modes) == [GRUB_BIOS]


def test_the_overlay_is_the_same_bytes_each_time_and_owned_by_root() -> None:
    assert overlay() == overlay()
    with tarfile.open(fileobj=io.BytesIO(overlay())) as archive:
        members = {member.name: member for member in archive}
    assert set(members) == {*FILES, *(f"etc/systemd/system/{unit}" for unit in MASKED_UNITS)}
    assert {(member.uid, member.gid, member.mtime) for member in members.values()} == {(0, 0, 0)}
    assert members["etc/systemd/system/apt-daily.timer"].linkname == "/dev/null"


def test_added_files_have_their_mode_and_belong_to_root() -> None:
    archive = added([AddedFile("/usr/local/bin/x", b"#!", 0o755), AddedFile("/etc/a", b"")])
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        members = [(each.name, each.mode, each.uid, each.size) for each in opened]
    assert members == [("etc/a", 0o644, 0, 0), ("usr/local/bin/x", 0o755, 0, 2)]


def test_the_qcow2_is_converted_from_a_named_format() -> None:
    assert debian.convert_argv(Path("/w/disk.raw"), Path("/o/.i.partial")) == [
        "qemu-img", "convert", "-f", "raw", "-O", "qcow2", "/w/disk.raw", "/o/.i.partial",
    ]  # fmt: skip


def test_a_failed_build_leaves_neither_output_nor_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(recipe: Recipe, archive: Path, *, work_dir: Path) -> Mapping[str, str]:
        (work_dir / "half").touch()
        raise ProgramFailed(program="mmdebstrap", status=1, stderr="no mirror")

    monkeypatch.setattr(debian, "make_root", fail)
    told: list[tuple[str, float]] = []
    with pytest.raises(ProgramFailed, match="no mirror"):
        debian.build(
            DEBIAN_13,
            tmp_path / "i.qcow2",
            work_dir=tmp_path / "work",
            progress=lambda *now: told.append(now),
        )
    assert [path.name for path in tmp_path.rglob("*")] == ["work"]
    assert told == [("installing packages (mmdebstrap)", 0.0)]


CHANGES: list[dict[str, Any]] = [
    {"suite": "forky"},
    {"family": "Other"},
    {"description": "another"},
    {"architecture": "i386"},
    {"boot_modes": ("legacy",)},
    {"disk_gib": 5},
    {"product_codes": ("0008",)},
    {"components": ("main", "contrib")},
    {"packages": ("nginx",)},
    {"kernel": "linux-image-amd64"},
    {"updates": False},
    {"security": False},
    {"mirror": "http://m/debian"},
    {"security_mirror": "http://m/debian-security"},
    {"files": (AddedFile("/etc/motd", b"hello"),)},
    {"commands": ("true",)},
]


def test_whatever_a_recipe_says_of_the_image_changes_its_digest() -> None:
    digests = {debian.digest(replace(DEBIAN_13, **change)) for change in ({}, *CHANGES)}
    assert len(digests) == len(CHANGES) + 1
    named = {key for change in CHANGES for key in change}
    assert {*Recipe.__dataclass_fields__} - named == {"name", "origin", "end_of_life"}


def test_name_place_and_end_of_life_of_a_recipe_do_not_change_its_digest() -> None:
    other = replace(DEBIAN_13, name="other", origin="/srv/other.toml", end_of_life=None)
    assert debian.digest(other) == debian.digest(DEBIAN_13)


@pytest.mark.parametrize("file", [AddedFile("/a", b"2"), AddedFile("/b", b"1"), AddedFile("/a", b"1", 0o600)])
def test_path_content_and_mode_of_an_added_file_change_the_digest(file: AddedFile) -> None:
    before = replace(DEBIAN_13, files=(AddedFile("/a", b"1"),))
    assert debian.digest(before) != debian.digest(replace(before, files=(file,)))


def test_what_the_builder_puts_into_every_image_changes_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    before = debian.digest(DEBIAN_13)
    monkeypatch.setattr(debian, "overlay", lambda: b"other files")
    assert debian.digest(DEBIAN_13) != before

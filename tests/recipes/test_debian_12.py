import io
import tarfile
from pathlib import Path
from uuid import UUID

import pytest
import yaml

from souche.errors import ProgramFailed
from souche.recipes import debian_12
from souche.recipes.apt_mirrors import Mirrors
from souche.recipes.bootable_disk import GRUB_INSTALLATIONS
from souche.recipes.debian_12_files import CLOUD_INIT, FILES, MASKED_UNITS, fstab, grub_menu, overlay
from souche.recipes.debian_12_root import PACKAGES, apt_sources, mmdebstrap_argv

ROOT_UUID = UUID("12345678-1234-1234-1234-123456789abc")


def test_mmdebstrap_reads_sources_from_stdin_and_configures_before_installing() -> None:
    argv = mmdebstrap_argv(
        Path("/w/root.tar"), "x86_64", configuration=Path("/w d/c.tar"), sources=Path("/w d/s")
    )
    assert argv[:4] == ["mmdebstrap", "--variant=minbase", "--format=tar", "--architectures=amd64"]
    assert argv[4] == f"--include={','.join(PACKAGES)},grub-efi-amd64-bin,linux-image-cloud-amd64"
    assert argv[-3:] == ["bookworm", "/w/root.tar", "-"]
    assert "--essential-hook=tar-in '/w d/c.tar' /" in argv
    assert argv[-4] == "--customize-hook=upload '/w d/s' /etc/apt/sources.list.d/debian.sources"


def test_no_hook_empties_tmp_where_mmdebstrap_keeps_its_apt_configuration() -> None:
    argv = mmdebstrap_argv(Path("r"), "x86_64", configuration=Path("c"), sources=Path("s"))
    assert not [part for part in argv if '"$1"/tmp' in part]


def test_sources_have_updates_and_security() -> None:
    assert apt_sources(Mirrors("http://m/debian", "http://s/debian-security")) == (
        "deb http://m/debian bookworm main\n"
        "deb http://m/debian bookworm-updates main\n"
        "deb http://s/debian-security bookworm-security main\n"
    )


def test_sources_without_security_updates() -> None:
    mirrors = Mirrors("http://m/debian", "http://s/debian-security")
    assert "security" not in apt_sources(mirrors, security=False)


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
    bios, uefi = GRUB_INSTALLATIONS["x86_64"]
    assert bios == ("grub-install", "--target=i386-pc", "/dev/disk/guestfs/image")
    assert uefi[:2] == ("grub-install", "--target=x86_64-efi")
    assert {"--no-nvram", "--force-extra-removable"} <= set(uefi)


def test_an_i386_image_has_a_kernel_and_a_boot_loader_of_its_own_and_no_uefi() -> None:
    argv = mmdebstrap_argv(Path("r"), "i386", configuration=Path("c"), sources=Path("s"))
    assert "--architectures=i386" in argv
    assert f"--include={','.join(PACKAGES)},linux-image-686" in argv
    assert GRUB_INSTALLATIONS["i386"] == (GRUB_INSTALLATIONS["x86_64"][0],)


def test_the_overlay_is_the_same_bytes_each_time_and_owned_by_root() -> None:
    assert overlay() == overlay()
    with tarfile.open(fileobj=io.BytesIO(overlay())) as archive:
        members = {member.name: member for member in archive}
    assert set(members) == {*FILES, *(f"etc/systemd/system/{unit}" for unit in MASKED_UNITS)}
    assert {(member.uid, member.gid, member.mtime) for member in members.values()} == {(0, 0, 0)}
    assert members["etc/systemd/system/apt-daily.timer"].linkname == "/dev/null"


def test_the_qcow2_is_converted_from_a_named_format() -> None:
    assert debian_12.convert_argv(Path("/w/disk.raw"), Path("/o/.i.partial")) == [
        "qemu-img", "convert", "-f", "raw", "-O", "qcow2", "/w/disk.raw", "/o/.i.partial",
    ]  # fmt: skip


def test_a_failed_build_leaves_neither_output_nor_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(archive: Path, *, work_dir: Path, **_options: object) -> None:
        (work_dir / "half").touch()
        raise ProgramFailed(program="mmdebstrap", status=1, stderr="no mirror")

    monkeypatch.setattr(debian_12, "make_root", fail)
    told: list[tuple[str, float]] = []
    with pytest.raises(ProgramFailed, match="no mirror"):
        debian_12.build(
            tmp_path / "i.qcow2", work_dir=tmp_path / "work", progress=lambda *now: told.append(now)
        )
    assert [path.name for path in tmp_path.rglob("*")] == ["work"]
    assert told == [("installing packages (mmdebstrap)", 0.0)]

"""`souche doctor`: every check against a machine laid out in a directory, or this one."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from souche.cli.composition import RecordsPlace
from souche.config import BadSetting
from souche.doctor import checks as doctor
from souche.doctor.findings import Check, Machine, Result, State
from souche.home import Home
from souche.main import records
from souche.main.command_line import composition
from souche.main.records import Place
from souche.room import GIB, Usage
from tests.support.databases import Databases

BY_NAME = {check.name: check for check in doctor.CHECKS}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty machine, whose programs are looked for in its `bin`."""
    (tmp_path / "bin").mkdir()
    return tmp_path


def look(name: str, machine: Machine) -> Result:
    """The result of one row."""
    [result] = doctor.examine((BY_NAME[name],), machine)
    return result


def machine_at(root: Path, home: Path | None = None) -> Machine:
    return Machine(home=home, root=root, program_path=str(root / "bin"))


def add_file(path: Path, *, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    path.chmod(mode)
    return path


def test_every_row_says_what_it_looks_at_and_how_to_mend_it() -> None:
    assert all(check.looks_at and check.remedy for check in doctor.CHECKS)


@pytest.mark.parametrize("check", doctor.CHECKS, ids=lambda check: check.name)
def test_a_remedy_names_make_for_a_checkout_only(check: Check) -> None:
    """A package and a wheel have no Makefile."""
    assert len(re.findall(r"`make \w+`", check.remedy)) == check.remedy.count("in a checkout")
    assert len(BY_NAME) == len(doctor.CHECKS)


@pytest.mark.parametrize(
    ("python", "state"),
    [((3, 10), State.MISSING), ((3, 11), State.OK), ((3, 13), State.OK), ((3, 14), State.MISSING)],
)
def test_python_versions(python: tuple[int, int], state: State) -> None:
    assert look("python", Machine(python=python)).state is state


def test_a_program_is_found(root: Path) -> None:
    program = add_file(root / "bin/qemu-img", mode=0o755)
    assert look("qemu-img", machine_at(root)) == Result("qemu-img", State.OK, str(program), "")


def test_a_missing_program_names_its_package(root: Path) -> None:
    result = look("dhcp_release", machine_at(root))
    assert (result.state, result.remedy) == (State.MISSING, "apt-get install -y dnsmasq-utils")


def test_the_object_store_is_there() -> None:
    assert look("object store", Machine()).detail.startswith("SeaweedFS 4.")


def test_an_object_store_that_should_answer_and_does_not(tmp_path: Path) -> None:
    facts = {"ProcessId": os.getpid(), "Oos": "http://127.0.0.1:1"}
    (tmp_path / "serving.json").write_text(json.dumps(facts))
    assert look("object store", Machine(tmp_path)).state is State.MISSING


def test_software_tpm_is_optional(root: Path) -> None:
    assert look("swtpm", machine_at(root)).state is State.WARNING


def test_the_sandbox_for_images_and_conversions_is_optional(root: Path) -> None:
    result = look("bubblewrap", machine_at(root))
    assert (result.state, "no bwrap in" in result.detail) == (State.WARNING, True)
    assert "apt-get install -y bubblewrap" in result.remedy
    assert look("bubblewrap", Machine()).state is State.OK


def test_without_br_netfilter_guests_are_not_kept_apart(root: Path) -> None:
    assert look("bridge netfilter", machine_at(root)).state is State.WARNING
    (root / "proc/sys/net/bridge").mkdir(parents=True)
    assert look("bridge netfilter", machine_at(root)).state is State.OK


def test_a_binding_that_python_cannot_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libvirt", None)
    result = look("python3-libvirt", Machine())
    assert result.state is State.MISSING
    assert "--system-site-packages" in result.remedy


def test_uefi_needs_both_files(root: Path) -> None:
    add_file(root / "usr/share/OVMF/OVMF_CODE_4M.fd")
    assert "OVMF_VARS_4M.fd" in look("uefi", machine_at(root)).detail
    add_file(root / "usr/share/OVMF/OVMF_VARS_4M.fd")
    assert look("uefi", machine_at(root)).state is State.OK


def test_a_kernel_needs_its_modules(root: Path) -> None:
    add_file(root / "boot/vmlinuz-6.1.0")
    assert look("kernel", machine_at(root)).state is State.MISSING
    add_file(root / "lib/modules/6.1.0/modules.dep")
    assert look("kernel", machine_at(root)).detail == "vmlinuz-6.1.0"


def test_the_log_daemon_must_listen() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:  # the name of a socket has at most 107 characters
        root = Path(short)
        assert look("virtlogd", machine_at(root)).state is State.MISSING
        path = add_file(root / "run/libvirt/virtlogd-sock")
        path.unlink()
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()
            assert look("virtlogd", machine_at(root)).state is State.OK
        assert (
            look("virtlogd", machine_at(root)).state is State.MISSING
        )  # a socket file left by a killed daemon


def test_a_home_that_qemu_cannot_reach() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as closed:  # only its owner may enter
        result = look("home", Machine(home=Path(closed, "not/made/yet")))
    assert result.state is State.MISSING
    assert closed in result.detail


def test_no_home_given() -> None:
    assert look("home", Machine()).state is State.OK


def look_at_database(path: Path | None, **named: str) -> Result:
    def database() -> str | None:
        return composition().look_at_database(path, RecordsPlace(**named))

    return look("database", Machine(database=database))


def test_a_database_that_is_fit(url: str, tmp_path: Path) -> None:
    file = tmp_path / "database-url"
    file.write_text(url)
    for named in ({"url": url}, {"file": str(file)}):
        found = look_at_database(None, **named)
        assert found.state is State.OK
        assert re.fullmatch(r"postgresql://\S+: PostgreSQL \d+\.\d+.*", found.detail)


def test_the_database_of_a_home(url: str, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert look_at_database(home.path).detail.startswith("no PostgreSQL")
    home.make()
    records.keep(home, Place(url, "", "the-id"))
    assert "PostgreSQL" in look_at_database(home.path).detail
    assert look_at_database(home.path).state is State.OK
    records.keep(home, Place("postgresql://nobody@127.0.0.1:1/none", "", "the-id"))
    assert look_at_database(home.path).state is State.MISSING
    assert look_at_database(home.path, url=url).state is State.OK


def test_databases_that_are_not_fit(databases: Databases) -> None:
    databases.server.execute("CREATE DATABASE unfit TEMPLATE template0 LOCALE 'C.UTF-8'")
    try:
        databases.server.execute("ALTER DATABASE unfit SET default_transaction_read_only TO on")
        for named, why in [
            ({"url": databases.server.url("unfit")}, "takes no writes"),
            ({"url": "postgresql://nobody@127.0.0.1:1/none"}, "refused"),
        ]:
            found = look_at_database(None, **named)
            assert found.state is State.MISSING
            assert why in found.detail
            assert "docs/databases.md" in found.remedy
    finally:
        databases.server.execute("DROP DATABASE unfit WITH (FORCE)")


def test_a_file_that_has_gone(tmp_path: Path) -> None:
    """Named on the command line, it is a wrong setting; named by the home, it is a finding."""
    gone = str(tmp_path / "gone")
    with pytest.raises(BadSetting, match="No such file"):
        look_at_database(None, file=gone)
    home = Home(tmp_path / "home")
    home.make()
    records.keep(home, Place("", gone, "the-id"))
    found = look_at_database(home.path)
    assert found.state is State.MISSING
    assert f"{gone}: No such file" in found.detail


def test_a_wrong_setting_is_told_in_one_line(tmp_path: Path) -> None:
    souche = Path(sys.executable).with_name("souche")
    words = ["doctor", "--compute", "simulated", "--database-file", str(tmp_path / "gone")]
    told = subprocess.run([souche, *words], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("souche: The setting --database-file is not valid")
    assert told.stderr.count("\n") == 1


@pytest.mark.parametrize(("free_gib", "state"), [(1, State.MISSING), (5, State.WARNING), (50, State.OK)])
def test_free_space(free_gib: int, state: State) -> None:
    assert doctor.free_space_finding(Path("/srv"), Usage(0, free_gib * GIB)).state is state


@pytest.mark.parametrize(("percent", "state"), [(79, State.OK), (80, State.WARNING), (96, State.WARNING)])
def test_a_medium_that_fills_is_told(percent: int, state: State) -> None:
    usage = Usage(percent * 100 * GIB, (100 - percent) * 100 * GIB)
    finding = doctor.free_space_finding(Path("/srv"), usage)
    assert finding.state is state
    assert f"{percent} % full" in finding.detail


def test_a_clock_before_the_installation_is_wrong() -> None:
    assert doctor.clock_finding(now=0, written=1).state is State.WARNING
    assert doctor.clock_finding(now=2, written=1).state is State.OK


def test_accelerators() -> None:
    assert doctor.accelerator_finding("kvm").state is State.OK
    assert doctor.accelerator_finding("tcg").state is State.WARNING


def test_versions_of_libvirt_are_read() -> None:
    answer = (
        "Compiled against library: libvirt 9.0.0\nUsing library: libvirt 9.0.0\nUsing API: QEMU 9.0.0\n"
        "Running hypervisor: QEMU 7.2.22\nRunning against daemon: 9.0.0\n"
    )
    assert doctor.libvirt_versions(answer) == "libvirt 9.0.0, QEMU 7.2.22"


@pytest.mark.guest
def test_this_machine_has_all_that_real_guests_need() -> None:
    """`make test` has set it up."""
    results = doctor.run_checks(None)
    assert [result for result in results if result.state is State.MISSING] == []

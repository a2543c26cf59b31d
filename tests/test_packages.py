"""Debian's package and the image for containers: what they are made from, and both run in a bare Debian.

The image is a bare root in which apt has installed the package, so one root serves the tests of both."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tools import make_deb, make_oci

from souche.cli.config_file import read_config_file
from souche.config import read_settings
from souche.doctor import checks as doctor
from souche.doctor.findings import Check

ROOT = Path(__file__).parent.parent
DEBIAN = ROOT / "packaging" / "debian"
SECONDS = 600
ASKED = """
import json, urllib.request
asked = urllib.request.Request("http://127.0.0.1:8808/api/v1/ReadRegions", b"{}", {"Content-Type": "application/json"})
print(urllib.request.urlopen(asked).read().decode())
"""


def packages(field: str) -> set[str]:
    """The packages of a field of the control file."""
    line = re.search(rf"^{field}: (.*)$", (DEBIAN / "control").read_text(), re.MULTILINE)
    assert line
    return {each.split()[0] for part in line[1].split(",") for each in part.split("|")}


def wanted(checks: list[Check]) -> set[str]:
    """The packages that the doctor's remedies install."""
    remedies = (re.match(r"apt-get install -y ([\w. +-]+)", each.remedy) for each in checks)
    return {name for found in remedies if found for name in found[1].split()}


def test_the_package_names_all_that_the_doctor_does() -> None:
    simulated = [each for each in doctor.CHECKS if each.name in doctor.SIMULATED]
    assert wanted(simulated) >= {"qemu-utils", "bubblewrap"}
    assert wanted(simulated) <= packages("Depends")
    assert wanted(list(doctor.CHECKS)) <= packages("Depends") | packages("Recommends")
    assert {"libvirt-daemon-system", "libvirt-clients"} <= packages("Recommends")


def test_the_lock_is_the_same_for_every_python() -> None:
    """pip decides about a marker by the Python that runs it, not by --python-version."""
    assert "python_" not in "".join(
        re.findall(r" ; (.*)", (ROOT / "requirements/runtime.txt").read_text())
    ).replace("platform_python_implementation", "")


def test_a_later_release_of_debian_has_a_later_version() -> None:
    versions = [
        make_deb.version_for(each)
        for each in sorted(make_deb.RELEASES.values(), key=lambda each: each.number)
    ]
    for former, later in pairwise(versions):
        subprocess.run(["dpkg", "--compare-versions", former, "lt", later], check=True)


def test_the_configuration_file_is_understood(tmp_path: Path) -> None:
    given = {"config": DEBIAN / "souche.toml"}
    assert read_settings(given, {}, read_config_file(given, {})).home == Path("/var/lib/souche")


@pytest.mark.parametrize("shell", make_deb.COMPLETIONS)
def test_a_shell_completes_the_program_of_the_package(shell: str) -> None:
    assert re.search(r"_SOUCHE_COMPLETE=complete_\w+ .*(\$1|souche)", make_deb.completion(shell))


def test_bash_completes_a_command() -> None:
    """As it does when Tab is pressed after `souche im`."""
    program = Path(sys.executable).parent / "souche"
    pressed = (
        f'COMP_WORDS=({program} im); COMP_CWORD=1; _souche_completion {program}; echo "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(
        ["bash", "-euc", f"{make_deb.completion('bash')}\n{pressed}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) == {"image", "import"}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="souche-packages-", dir="/var/tmp") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="module")
def package(folder: Path) -> Path:
    return make_deb.make(make_deb.RELEASES[make_oci.SUITE], folder)


@pytest.fixture(scope="module")
def image(package: Path, folder: Path) -> Path:
    """The image's files, by the names of OCI's layout."""
    make_oci.make(package, folder / "image.tar")
    unpacked = folder / "image"
    unpacked.mkdir()
    subprocess.run(["tar", "-C", unpacked, "-xf", folder / "image.tar"], check=True)
    return unpacked


def blob(image: Path, digest: str) -> Path:
    return image / "blobs" / digest.replace(":", "/")


def manifest(image: Path) -> dict[str, Any]:
    (entry,) = json.loads((image / "index.json").read_text())["manifests"]
    read: dict[str, Any] = json.loads(blob(image, entry["digest"]).read_text())
    return read


@pytest.fixture(scope="module")
def configuration(image: Path) -> dict[str, Any]:
    """How a container of the image is run."""
    read: dict[str, Any] = json.loads(blob(image, manifest(image)["config"]["digest"]).read_text())["config"]
    return read


@pytest.fixture(scope="module")
def root(image: Path, folder: Path) -> Path:
    """The image's root file system."""
    root = folder / "root"
    root.mkdir()
    for layer in manifest(image)["layers"]:
        archive = blob(image, layer["digest"])
        subprocess.run(
            ["tar", "-C", root, "--numeric-owner", "--exclude=./dev/*", "-xpf", archive], check=True
        )
    return root


def inside(root: Path, script: str, *options: str) -> str:
    """What a shell in the root prints. It has a network of its own, and its processes end with it."""
    words: list[str | Path] = [
        *("bwrap", "--bind", root, "/", "--dev", "/dev", "--proc", "/proc"),
        *("--tmpfs", "/run", "--tmpfs", "/tmp"),
        *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--die-with-parent", "--cap-add", "ALL"),
        *("--clearenv", "--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin", *options),
        *("--", "/bin/sh", "-euc", script),
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.guest
def test_the_package_has_the_unit_the_pages_and_the_completions(package: Path) -> None:
    listed = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True)
    names = {line.split()[5] for line in listed.stdout.splitlines()}
    assert names >= {
        "./etc/souche/souche.toml",
        "./usr/bin/souche",
        "./usr/lib/systemd/system/souche.service",
        "./usr/share/bash-completion/completions/souche",
        "./usr/share/man/man1/souche-serve.1.gz",
        "./usr/share/doc/souche/docs/operating.md",
    }
    assert {line.split()[1] for line in listed.stdout.splitlines()} == {"root/root"}
    assert not [each for each in names if "__pycache__" in each or each.endswith("/direct_url.json")]


@pytest.fixture(scope="module")
def served(root: Path, configuration: dict[str, Any]) -> list[Any]:
    """What was answered by a region that the image's entry point served, and by a command of its operator: it was
    asked, and told to stop."""
    started = " ".join([*configuration["Entrypoint"], *configuration["Cmd"]])
    user, group = configuration["User"].split(":")
    variables = [part for each in configuration["Env"] for part in ("--setenv", *each.split("=", 1))]
    script = f"""
        cd {configuration["WorkingDir"]}
        {started} >serve.log 2>&1 &
        server=$!
        souche wait --timeout 300 >&2 || {{ cat serve.log >&2; exit 1; }}
        python3 -c '{ASKED}'
        souche account create alice --json
        kill -s {configuration["StopSignal"].removeprefix("SIG")} $server
        wait $server
    """
    as_user = f'exec setpriv --reuid {user} --regid {group} --clear-groups /bin/sh -euc "$SCRIPT"'
    said = inside(root, as_user, *variables, "--setenv", "SCRIPT", script)
    return [json.loads(line) for line in said.split("\n") if line]


@pytest.mark.guest
def test_the_image_serves_a_region_to_a_user_that_is_not_root(
    root: Path, configuration: dict[str, Any], served: list[Any]
) -> None:
    regions, account = served
    assert regions["Regions"]
    assert account["AccessKeyId"]
    owner = (root / "var/lib/souche/region.sqlite").stat().st_uid
    assert configuration["User"] == f"{owner}:{owner}" != "0:0"


@pytest.mark.guest
def test_the_package_goes_and_leaves_the_region(root: Path, served: list[Any]) -> None:
    region, settings_file = root / "var/lib/souche/region.sqlite", root / "etc/souche/souche.toml"
    assert [region.exists(), settings_file.exists()] == [True, True]
    inside(root, "apt-get remove --yes souche")
    assert not (root / "usr/lib/souche").exists()
    assert not (root / "usr/bin/souche").is_symlink()
    assert [region.exists(), settings_file.exists()] == [True, True]
    inside(root, "apt-get purge --yes souche")
    assert not (root / "etc/souche").exists()
    assert region.exists()
    assert "souche" not in inside(root, "dpkg-query --show --showformat '${Package}\n'").split()

"""Writes the Debian packages of Souche for releases of Debian: `python -m tools.make_deb [--to FOLDER] RELEASE...`.

The package contains a virtual environment, /usr/lib/souche, with the wheels of requirements/runtime.txt for the
release's Python, the unit, the manual pages and the completions. Wheels are selected for that Python and not for this
one, so any machine builds the packages of all releases. It needs dpkg-deb and a registry with the wheels, but not root.
The same commit gives the same bytes: times are those of the commit, or of SOURCE_DATE_EPOCH. See docs/installing.md.
"""

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from souche import __version__
from tools import gen_man

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGING: Final = ROOT / "packaging"
ENVIRONMENT: Final = Path("usr/lib/souche")
DOCUMENTS: Final = Path("usr/share/doc/souche")
OLDEST_GLIBC, NEWEST_GLIBC = 5, 36  # minor versions: manylinux's oldest tag, Debian 12
COMPLETIONS: Final = {
    "bash": "usr/share/bash-completion/completions/souche",
    "zsh": "usr/share/zsh/vendor-completions/_souche",
    "fish": "usr/share/fish/vendor_completions.d/souche.fish",
}
COMPRESSION: Final = ("-Zzstd", "-z6")  # 8 s; xz takes minutes to save a tenth


@dataclass(frozen=True)
class Release:
    """A release of Debian: its number, and the minor version of its Python 3."""

    number: int
    python: int


RELEASES: Final = {"bookworm": Release(12, 11), "trixie": Release(13, 13)}


def version_for(release: Release) -> str:
    """The package's version. It is higher for a later release, so that an upgrade of Debian also upgrades Souche."""
    return f"{__version__}+deb{release.number}"


def make(release: Release, to: Path) -> Path:
    """Write the package for a release into a folder. Returns its path."""
    path = to / f"souche_{version_for(release)}_amd64.deb"
    with tempfile.TemporaryDirectory(prefix="souche-deb-") as folder:
        root = Path(folder) / "root"
        _make_environment(release, root / ENVIRONMENT, Path(folder) / "dist")
        _add_files(root)
        _set_modes(root)
        _add_control(release, root)
        to.mkdir(parents=True, exist_ok=True)
        _run("dpkg-deb", "--root-owner-group", *COMPRESSION, "--build", root, path)
    return path


def _make_environment(release: Release, environment: Path, dist: Path) -> None:
    """Make the environment as `python -m venv --system-site-packages` of that Python would, with the locked packages.
    Debian's bindings for libvirt and libguestfs are the system's."""
    packages = environment / f"lib/python3.{release.python}/site-packages"
    packages.mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = true\nversion = 3.{release.python}\n"
    )
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", dist)
    tags = [f"manylinux_2_{each}_x86_64" for each in range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1)]
    tags += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]
    pip: list[str | Path] = [
        *(sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-compile"),
        *("--root-user-action", "ignore", "--no-deps", "--only-binary", ":all:", "--target", packages),
        *("--implementation", "cp", "--python-version", f"3.{release.python}"),
        *(part for tag in tags for part in ("--platform", tag)),
    ]
    _run(*pip, "--retries", "5", "--require-hashes", "-r", ROOT / "requirements/runtime.txt")
    # By name, not by path: pip would record the path of this temporary folder.
    _run(*pip, "--no-index", "--find-links", dist, f"souche=={__version__}")
    _move_programs(packages, environment / "bin")


def _move_programs(packages: Path, programs: Path) -> None:
    """Move the needed programs: pip puts those of --target among the modules, for this Python. Only Souche's and those
    that it starts are kept."""
    programs.mkdir()
    (programs / "python3").symlink_to("/usr/bin/python3")
    (programs / "souche").write_text(
        f"#!/{ENVIRONMENT}/bin/python3\nimport sys\n\nfrom souche.main import cli\n\nsys.exit(cli())\n"
    )
    shutil.move(packages / "bin/weed", programs)
    shutil.rmtree(packages / "bin")
    shutil.rmtree(packages / "include", ignore_errors=True)


def _add_files(root: Path) -> None:
    (root / "usr/bin").mkdir()
    (root / "usr/bin/souche").symlink_to(f"/{ENVIRONMENT}/bin/souche")
    for source, target in _copies():
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, root / target)
    for name, text in gen_man.pages().items():
        _write_compressed(root / "usr/share/man/man1" / f"{name}.gz", text)
    _write_compressed(root / DOCUMENTS / "changelog.gz", (ROOT / "CHANGELOG.md").read_text())
    for shell, target in COMPLETIONS.items():
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        (root / target).write_text(completion(shell))


def _copies() -> Iterator[tuple[Path, Path | str]]:
    """Files of this repository, with their paths in the package."""
    yield PACKAGING / "systemd/souche.service", "usr/lib/systemd/system/souche.service"
    yield PACKAGING / "debian/souche.toml", "etc/souche/souche.toml"
    yield PACKAGING / "debian/copyright", DOCUMENTS / "copyright"
    tracked = _run(
        "git", "ls-files", "README*", "LICENSE", "docs", "examples", "packaging/monitoring"
    ).split()
    for each in map(Path, tracked):
        yield ROOT / each, DOCUMENTS / each


def completion(shell: str) -> str:
    """A shell's completion script, as the program itself prints it."""
    program = Path(sys.executable).parent / "souche"
    done = subprocess.run(
        [program],
        env=os.environ | {"_SOUCHE_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip() + "\n"


def _write_compressed(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def _set_modes(root: Path) -> None:
    """Set the modes, independent of the umask."""
    for path in root.rglob("*"):
        if not path.is_symlink():
            is_program = path.parent == root / ENVIRONMENT / "bin"
            path.chmod(0o755 if path.is_dir() or is_program else 0o644)
    root.chmod(0o755)


def _add_control(release: Release, root: Path) -> None:
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    control = root / "DEBIAN"
    control.mkdir()
    fields = (PACKAGING / "debian/control").read_text()
    (control / "control").write_text(
        fields.format(
            version=version_for(release),
            installed_kib=sum(path.stat().st_size for path in files) // 1024,
            python=f"3.{release.python}",
            next_python=f"3.{release.python + 1}",
        )
    )
    (control / "conffiles").write_text("/etc/souche/souche.toml\n")
    sums = (f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files)  # noqa: S324 (dpkg's format)
    (control / "md5sums").write_text("".join(sums))
    for name in ("postinst", "prerm", "postrm"):
        shutil.copyfile(PACKAGING / "debian" / name, control / name)
        (control / name).chmod(0o755)
    control.chmod(0o755)


def _git(*words: str) -> str:
    """Run git in this checkout, which may belong to another user."""
    return _run("git", "-c", f"safe.directory={ROOT}", *words)


def _run(*words: str | Path) -> str:
    """Run a program that must succeed. Returns its output."""
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def main() -> int:
    """Make the packages given on the command line."""
    parser = argparse.ArgumentParser(prog="make_deb", description="Write Debian's packages of Souche.")
    parser.add_argument("release", nargs="+", choices=RELEASES)
    parser.add_argument("--to", type=Path, default=ROOT / "dist", help="folder, dist/ by default")
    given = parser.parse_args()
    os.environ.setdefault("SOURCE_DATE_EPOCH", _git("log", "-1", "--format=%ct").strip())
    for name in given.release:
        print(make(RELEASES[name], given.to))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Writes an OCI image that serves a simulated region: `python -m tools.make_oci PACKAGE [--to FILE]`.

mmdebstrap makes a Debian root in which apt installs the package of tools/make_deb.py. buildah makes an image of that
root, without a daemon and without a base image from a registry. It needs root, mmdebstrap, buildah and a mirror of
Debian.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Final

from souche import __version__
from souche.recipes.apt_mirrors import host_mirrors
from souche.recipes.debian_root import DPKG_OPTIONS, NAMESPACES

ROOT: Final = Path(__file__).resolve().parent.parent
SUITE: Final = "bookworm"
USER_ID: Final = 10001
HOME: Final = "/var/lib/souche"
ENVIRONMENT: Final[Mapping[str, str]] = {
    "SOUCHE_HOME": HOME,
    "SOUCHE_COMPUTE": "simulated",
    "SOUCHE_LISTEN": "0.0.0.0:8808",
    "SOUCHE_OOS_LISTEN": "0.0.0.0:8809",
}
PORTS: Final = ("8808", "8809")


def make(package: Path, to: Path) -> None:
    """Write the image, an archive in OCI's layout, which podman and skopeo can load."""
    with tempfile.TemporaryDirectory(prefix="souche-oci-", dir="/var/tmp") as folder:
        root = Path(folder) / "root.tar"
        _make_root(package, root)
        to.unlink(missing_ok=True)
        _make_image(root, to, Path(folder) / "store")


def _make_root(package: Path, archive: Path) -> None:
    mirrors = host_mirrors()
    sources = "".join(
        f"deb {mirror} {suite} main\n"
        for mirror, suite in (
            (mirrors.main, SUITE),
            (mirrors.main, f"{SUITE}-updates"),
            (mirrors.security, f"{SUITE}-security"),
        )
    )
    install = "apt-get install --yes --no-install-recommends /tmp/souche.deb >/dev/null"
    user = f"useradd --uid {USER_ID} --user-group --home-dir {HOME} --create-home souche"
    hooks = (
        f'cp {quote(str(package.absolute()))} "$1"/tmp/souche.deb',
        f'chroot "$1" sh -c {quote(install)}',
        'rm "$1"/tmp/souche.deb',
        f'chroot "$1" {user}',
        'rm -rf "$1"/var/log/apt "$1"/var/log/dpkg.log "$1"/var/cache/ldconfig/aux-cache',
    )
    words: list[str | Path] = [
        *NAMESPACES,
        *("mmdebstrap", "--variant=minbase", "--format=tar", "--quiet"),
        *("--dpkgopt=force-unsafe-io", *(f"--dpkgopt={option}" for option in DPKG_OPTIONS)),
        *(f"--customize-hook={hook}" for hook in hooks),
        *(SUITE, archive, "-"),
    ]
    subprocess.run(words, input=sources, text=True, check=True)


def _make_image(root: Path, to: Path, store: Path) -> None:
    def buildah(*words: str | Path) -> str:
        storage = ("--root", store, "--runroot", store / "run", "--storage-driver", "vfs")
        done = subprocess.run(
            ["buildah", *storage, *words], stdout=subprocess.PIPE, text=True, check=True, env=_environment()
        )
        return done.stdout.strip()

    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, root, "/")
    buildah(
        "config",
        *(part for name, value in ENVIRONMENT.items() for part in ("--env", f"{name}={value}")),
        *(part for port in PORTS for part in ("--port", port)),
        *("--user", f"{USER_ID}:{USER_ID}", "--volume", HOME, "--workingdir", HOME),
        *("--entrypoint", '["/usr/bin/souche"]', "--cmd", "serve", "--stop-signal", "SIGTERM"),
        *("--label", f"org.opencontainers.image.version={__version__}", container),
    )
    buildah(
        "commit",
        "--quiet",
        "--format",
        "oci",
        "--disable-compression=false",
        container,
        f"oci-archive:{to}:souche:{__version__}",
    )


def _environment() -> dict[str, str]:
    """The environment without the user's service, which buildah would use."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "DBUS_"))}


def main() -> int:
    """Make the image of a package."""
    parser = argparse.ArgumentParser(prog="make_oci", description="Write an OCI image of Souche.")
    parser.add_argument("package", type=Path, help="Debian's package, for Debian 12")
    parser.add_argument("--to", type=Path, default=ROOT / f"dist/souche-{__version__}-oci.tar")
    given = parser.parse_args()
    make(given.package, given.to)
    print(given.to)
    return 0


if __name__ == "__main__":
    sys.exit(main())

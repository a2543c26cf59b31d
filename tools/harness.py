"""Shared by the demonstration, the benchmarks and the guest tests: a served region, a client, waiting."""

import hashlib
import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests
from osc_sdk_python import Gateway

from souche.compute.libvirt.driver import LibvirtHypervisor
from souche.compute.libvirt.host_paths import require_traversable
from souche.errors import ComputeFailed
from souche.run import run

ROOT = Path(__file__).resolve().parent.parent
SOUCHE = ROOT / ".venv/bin/souche"
REGION = "souche-1"
ANY_METRICS = ("--metrics-listen", "127.0.0.1:0")
"""several regions run at the same time"""
MOST_EXTENSION = 6
"""a step that makes progress may take at most this many times its timeout"""

Found = TypeVar("Found")


class Wrong(Exception):
    """A result is wrong."""


@dataclass(frozen=True)
class Credentials:
    """An account's access key."""

    account_id: str
    access_key_id: str
    secret_key: str


def demo_folder() -> Path:
    """`.demo` beside the sources. If QEMU's user cannot enter it (root's home is closed to it), a link to a folder
    below /var/lib."""
    link = ROOT / ".demo"
    if not link.exists():
        link.unlink(missing_ok=True)
        try:
            require_traversable(ROOT)
        except ComputeFailed:
            folder = Path("/var/lib") / f"souche-demo-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
            folder.mkdir(mode=0o711, exist_ok=True)
            link.symlink_to(folder)
        else:
            link.mkdir(mode=0o711)
    return link.resolve()


def wait_for(
    look: Callable[[], Found | None],
    what: str,
    timeout_seconds: float,
    pause_seconds: float = 0.5,
    progress: Callable[[], object] | None = None,
) -> Found:
    """The first true result of `look`.

    With `progress`, the timeout restarts whenever its value has changed: it waits for a slow machine, but not for one
    that is stuck. The limit is `MOST_EXTENSION` times the timeout.

    Raises:
        Wrong: there is none in time.
    """
    begun = since = time.monotonic()
    value = progress() if progress else None
    while not (found := look()):
        now = time.monotonic()
        if now - since > timeout_seconds:
            former, value = value, progress() if progress else None
            if value == former or now - begun > MOST_EXTENSION * timeout_seconds:
                raise Wrong(f"after {now - begun:.0f} s there is still not {what}")
            since = now
        time.sleep(pause_seconds)
    return found


def serve(home: Path, listen: str, log_file: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start `souche serve` in a new session, and wait until it answers.

    Raises:
        Wrong: it ends instead, or does not answer within a minute.
    """
    with log_file.open("ab") as log:
        server = subprocess.Popen(
            [SOUCHE, "serve", "--home", home, "--listen", listen, *ANY_METRICS, "--region", REGION, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    wait_for(lambda: answers(listen) or server.poll() is not None, "an answer from the server", 60, 0.1)
    if server.poll() is not None:
        raise Wrong(f"the server ended with status {server.returncode}; its log is {log_file}")
    return server


def guest_disk(device_name: str) -> str:
    """The path in a guest of the disk that the API calls `device_name`. It depends only on the letters of the name."""
    letters = re.sub(r"/dev/(sd|xvd)([a-z]+)[0-9]*", r"\2", device_name)
    return f"/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_sd{letters}"


def answers(listen: str) -> bool:
    """Whether a region answers at this address."""
    try:
        return requests.get(f"http://{listen}/api", timeout=5).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


def souche(*arguments: str | Path, timeout_seconds: float = 60) -> Any:
    """The output of a `souche` command with --json."""
    return json.loads(run([SOUCHE, *arguments, "--json"], timeout_seconds=timeout_seconds))


def create_account(home: Path, name: str) -> Credentials:
    """A new account of the region."""
    return credentials(souche("account", "create", name, "--home", home))


def credentials(facts: dict[str, str]) -> Credentials:
    """The credentials in the output of `souche account create --json`."""
    return Credentials(facts["AccountId"], facts["AccessKeyId"], facts["SecretKey"])


def gateway(listen: str, who: Credentials, path: str = "api/v1") -> Gateway:
    """A client of osc-sdk-python; `raw(action, ...)` of it raises requests.HTTPError for a refusal."""
    os.environ |= {
        "OSC_ACCESS_KEY": who.access_key_id,
        "OSC_SECRET_KEY": who.secret_key,
        "OSC_REGION": REGION,
        "OSC_ENDPOINT_API": f"http://{listen}/{path}",
    }
    return Gateway(limiter_max_requests=1000)  # the default is 5 a second


def hypervisor_of(home: Path) -> LibvirtHypervisor:
    """The driver of the region that was served in `home`, with the same network and public IPs: others would change the
    region's network."""
    facts = json.loads((home / "serving.json").read_text())
    return LibvirtHypervisor(home, facts["GuestNetwork"], facts.get("PublicIps"), accelerator="tcg")

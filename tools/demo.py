"""The main job, end to end, on real disks and real VMs: an official OMI boots, the running VM becomes an OMI, that OMI
boots, and so does a clean image of it. Another region imports the OMI by a URL, and boots it. Run it with `make demo`,
which does all set-up.

Every step prints one line with its duration. The first wrong result ends the run with status 1. The run leaves a usable
region in .demo/. A second run reuses the results of the first.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from souche import logs
from souche.errors import ProgramFailed, ProgramTimedOut
from tools import demo_regions
from tools.demo_client import (
    SECOND_DEVICE,
    Client,
    check_last_key,
    check_markers,
    check_opens,
    check_refused,
    write_markers,
)
from tools.harness import (
    REGION,
    SOUCHE,
    Credentials,
    Wrong,
    answers,
    credentials,
    demo_folder,
    serve,
    souche,
    wait_for,
)

DEMO = demo_folder()
HOME = DEMO / "region"
KNOWN = HOME / "demo"  # results of an earlier run, deleted with the region
LISTEN = "127.0.0.1:8808"
LAST_LINES = 8


def main() -> int:
    """Run all steps. Returns 0 if every result was right."""
    logs.configure("warning")
    try:
        _demo()
    except (Wrong, ProgramFailed, ProgramTimedOut, requests.HTTPError) as error:
        print(f"\nNot as it should be: {error}", file=sys.stderr)
        for log in sorted(DEMO.glob("serve*.log")):
            print(f"The end of a server's log, {log}:", file=sys.stderr)
            print("\n".join(log.read_text().splitlines()[-LAST_LINES:]), file=sys.stderr)
        return 1
    return 0


def _demo() -> None:
    with step("the region is served") as note:
        note(_serve())
        KNOWN.mkdir(exist_ok=True, mode=0o700)
    with step("1 the official Debian 12 OMI is published") as note:
        note(_official_image())
    with step("2 an account with an access key, and a key pair") as note:
        who = _account()
        client = Client(who, LISTEN, DEMO)
        first_key = client.keypair("first")
        note(f"account {who.account_id}")
    before = _disk_usage()
    with step("3 a VM with a second volume answers by SSH; a marker is on both disks") as note:
        official = client.official_image()
        vm = client.launch(official["ImageId"], first_key, [_second_volume()])
        markers = write_markers(vm)
        note(f"{vm.vm_id} at {vm.address}")
    with step("4 the running VM becomes an OMI") as note:
        image = client.image_of(vm)
        note(_captured(client, image))
    with step("  its report finds its author's key") as note:
        note(_found(client.report_of(image["ImageId"])))
    clean_id = client.clean_image_of(image)  # cleaned while the next VM boots
    with step(
        "5 a VM from that OMI has both markers, and its own key last; the author's key opens it"
    ) as note:
        second_key = client.keypair("second")
        clone = client.launch(image["ImageId"], second_key, [])
        check_markers(clone, markers)
        check_last_key(clone, second_key)
        check_opens(clone, first_key)
        note(f"{clone.vm_id} at {clone.address}")
    with step("6 a clean image of the OMI: nothing of its author's is found in it") as note:
        clean = client.cleaned(clean_id)
        note(_proved(client.report_of(clean_id)))
    with step("7 a VM from the clean OMI has the markers; the author's key opens it no more") as note:
        washed = client.launch(clean_id, client.keypair("third"), [])
        check_markers(washed, markers)
        check_refused(washed, first_key)
        note(f"{washed.vm_id} at {washed.address}")
    with step("8 the OMI is exported into a bucket") as note:
        url = demo_regions.export_image(client.call, image["ImageId"])
        note(url.partition("?")[0])
    with step("9 region B imports it by that URL alone, and a VM there has both markers") as note:
        note(_in_region_b(url, image["ImageName"], markers))
    with step("10 a snapshot in use is refused (409, 9094); all is deleted, the disks are as before") as note:
        client.refused_snapshot(image)
        client.delete_all([vm, clone, washed], image, clean)
        note(f"{wait_for(lambda: _back_to(before), 'the disk usage of before', 120)} bytes, before {before}")
    _how_to_go_on(who)


def _found(report: dict[str, Any]) -> str:
    """The codes of a report, most severe first. The author's key must be among them."""
    codes = dict.fromkeys(f"{each['Code']} ({each['Severity']})" for each in report["Findings"])
    if "authorized-key (high)" not in codes:
        raise Wrong(f"the report is {report}")
    return f"{report['Os']}: {', '.join(codes)}"


def _proved(report: dict[str, Any]) -> str:
    """The changes made to a clean image. Its report must have no finding of severity high."""
    high = [each["Code"] for each in report["Findings"] if each["Severity"] == "high"]
    if high:
        raise Wrong(f"the clean image still has {', '.join(high)}")
    done = dict.fromkeys(each["Code"] for each in report["Cleaning"]["Done"])
    return f"removed: {', '.join(done)}"


def _in_region_b(url: str, name: str, markers: tuple[str, str]) -> str:
    with demo_regions.region_b(DEMO, HOME) as who:
        client = Client(who, demo_regions.LISTEN, DEMO)
        image = demo_regions.import_image(client.call, url, name)
        vm = client.launch(image["ImageId"], client.keypair("fourth"), [])
        check_markers(vm, markers)
        client.delete_all([vm], image)
        return f"{image['ImageId']} available after {image['Seconds']:.1f} s, {vm.vm_id} at {vm.address}"


@contextmanager
def step(what: str) -> Iterator[Callable[[str], None]]:
    """Print one line for a step, with its notes and duration."""
    began = time.monotonic()
    noted: list[str] = []
    if sys.stdout.isatty():
        print(f"      ...  {what}", end="\r", flush=True)
    yield noted.append
    detail = f": {noted[-1]}" if noted else ""
    print(f"{time.monotonic() - began:7.1f} s  {what}{detail}", flush=True)


def _serve() -> str:
    if answers(LISTEN):
        if not (HOME / "serving.json").exists():
            raise Wrong(f"another region is served on {LISTEN}: stop it first")
        return "it was already"
    serve(HOME, LISTEN, DEMO / "serve.log")
    return f"http://{LISTEN}, accelerator {souche('info', '--home', HOME)['Accelerator']}"


def _official_image() -> str:
    known = KNOWN / "official.json"
    if known.exists():
        return f"{json.loads(known.read_text())['ImageName']} (built by an earlier run)"
    # Without run.py, so that the user sees the progress.
    built = subprocess.run(
        [SOUCHE, "image", "build", "debian-12", "--home", HOME, "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
    )
    if built.returncode != 0:
        raise Wrong(f"souche image build ended with status {built.returncode}")
    known.write_bytes(built.stdout)
    return str(json.loads(built.stdout)["ImageName"])


def _account() -> Credentials:
    known = KNOWN / "account.json"
    if not known.exists():
        facts = souche("account", "create", "demo", "--home", HOME)
        known.touch(mode=0o600)
        known.write_text(json.dumps(facts))
    return credentials(json.loads(known.read_text()))


def _second_volume() -> dict[str, object]:
    return {"DeviceName": SECOND_DEVICE, "Bsu": {"VolumeSize": 1}}


def _captured(client: Client, image: dict[str, Any]) -> str:
    pause = client.guest_pause_milliseconds(image["ImageId"])
    return (
        f"{image['ImageId']} available after {image['Seconds']:.2f} s, guest pause at most {pause:.1f} ms,"
        f" {len(image['BlockDeviceMappings'])} snapshots"
    )


def _disk_usage() -> int:
    """Bytes on the medium of all layers in the volume store."""
    layers = HOME / "disks" / "layers"
    return sum(_blocks(path) for path in layers.iterdir())


def _blocks(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def _back_to(before: int) -> int | None:
    now = _disk_usage()
    return now if now <= before else None


def _how_to_go_on(who: Credentials) -> None:
    osc_cli = KNOWN / "osc-cli.json"
    profile = {
        "access_key": who.access_key_id,
        "secret_key": who.secret_key,
        "region": REGION,
        "https": False,
    }
    osc_cli.touch(mode=0o600)
    osc_cli.write_text(json.dumps({"default": profile}))
    process = souche("info", "--home", HOME)["ProcessId"]
    print(f"""
The region goes on. In it are the official OMI and the account 'demo':

  export OSC_ACCESS_KEY={who.access_key_id} OSC_SECRET_KEY={who.secret_key}
  export OSC_REGION={REGION} OSC_ENDPOINT_API=http://{LISTEN}/api/v1

  osc-cli      .venv/bin/osc-cli --config_path {osc_cli} --endpoint http://{LISTEN} api ReadImages
  Terraform    provider "outscale" {{
                 access_key_id = "{who.access_key_id}"
                 secret_key_id = "{who.secret_key}"
                 api {{
                   endpoint = "http://{LISTEN}/api/v1"
                   region   = "{REGION}"
                   insecure = true
                 }}
               }}

Its log is {DEMO / "serve.log"}.
To stop it: kill {process}. To start it again: .venv/bin/souche serve --home {HOME}
To remove it with its guests and its network: stop it, then .venv/bin/souche destroy --home {HOME}""")


if __name__ == "__main__":
    sys.exit(main())

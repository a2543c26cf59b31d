"""The demonstration's part with two regions: an OMI is exported from one region into a bucket, and imported into the
other."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from osc_sdk_python import Gateway

from souche.run import run
from tools.harness import SOUCHE, Credentials, Wrong, create_account, serve, souche, wait_for

LISTEN: Final = "127.0.0.1:8818"
OOS_LISTEN: Final = "127.0.0.1:8819"
BUCKET: Final = "demo-exports"
MIB: Final = 1024 * 1024
TRANSFER_SECONDS: Final = 600


def export_image(call: Gateway, image_id: str) -> str:
    """Export an image into a bucket of the account's; returns the URL of the manifest."""
    wanted = {"DiskImageFormat": "qcow2", "OsuBucket": BUCKET, "OsuPrefix": "demo"}
    task = call.raw("CreateImageExportTask", ImageId=image_id, OsuExport=wanted)["ImageExportTask"]

    def ended() -> dict[str, Any] | None:
        filters = {"TaskIds": [task["TaskId"]]}
        found: dict[str, Any] = call.raw("ReadImageExportTasks", Filters=filters)["ImageExportTasks"][0]
        if found["State"] in ("failed", "cancelled"):
            raise Wrong(f"the export is {found['State']}: {found['Comment']}")
        return found if found["State"] == "completed" else None

    done = wait_for(ended, "a completed export", TRANSFER_SECONDS)
    return str(done["OsuExport"]["OsuManifestUrl"])


@contextmanager
def region_b(folder: Path, first: Path) -> Iterator[Credentials]:
    """A second region in its own home, which can import from the first region's object store. It runs while the context
    lives. Yields one of its accounts."""
    home = folder / "region-b"
    oos = str(souche("info", "--home", first)["Oos"]).removeprefix("http://")
    options = ("--oos-listen", OOS_LISTEN, "--allow-import", oos)
    server = serve(home, LISTEN, folder / "serve-b.log", *options)
    try:
        yield create_account(home, "demo")
    finally:
        server.terminate()
        server.wait()
        run([SOUCHE, "destroy", "--home", home, "--yes"], timeout_seconds=120)


def import_image(call: Gateway, url: str, name: str) -> dict[str, Any]:
    """Import an image, given only the URL. Returns the image; `Seconds` is the duration."""
    began = time.monotonic()
    made = call.raw("CreateImage", FileLocation=url, ImageName=name)["Image"]

    def settled() -> dict[str, Any] | None:
        found: dict[str, Any] = call.raw("ReadImages", Filters={"ImageIds": [made["ImageId"]]})["Images"][0]
        return found if found["State"] != "pending" else None

    image = wait_for(settled, "an imported image", TRANSFER_SECONDS, 0.2)
    if image["State"] != "available":
        raise Wrong(f"the import is {image['State']}: {image['StateComment']}")
    return image | {"Seconds": time.monotonic() - began}

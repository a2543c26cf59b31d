"""`souche image show`: what an image takes."""

from pathlib import Path

from tests.cli.conftest import Souche
from tests.trust import corpus


def test_what_an_image_takes_and_what_its_deletion_would_free(souche: Souche, tmp_path: Path) -> None:
    (told,) = souche("image", "publish", corpus.linux(tmp_path), "--name", "Web", "--format", "raw")
    (shown,) = souche("image", "show", told["ImageId"])
    assert (shown["ImageName"], shown["State"], len(shown["SnapshotIds"])) == (
        told["ImageName"],
        "available",
        1,
    )
    assert shown["OwnBytes"] == shown["FreedBytes"] > 2**16
    assert shown["SharedBytes"] == 0
    assert shown["ExportBytes"] > 2**16
    souche("account", "create", "alice")
    (copy,) = souche("image", "adopt", told["ImageId"], "--account", "alice", "--name", "copy")
    (after,) = souche("image", "show", copy["ImageId"])
    assert (after["OwnBytes"], after["FreedBytes"]) == (0, 0)
    assert (after["SharedBytes"], after["ExportBytes"]) == (shown["OwnBytes"], shown["ExportBytes"])
    assert f"SharedBytes      {shown['OwnBytes']}" in souche.run("image", "show", told["ImageId"])
    assert "doesn't exist" in souche.refusal("image", "show", "ami-00000000")

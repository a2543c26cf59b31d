"""`souche image origins` and `souche image attributes` (docs/trust.md)."""

from pathlib import Path

import pytest

from tests.cli.conftest import Souche
from tests.trust import corpus


@pytest.fixture
def image_id(souche: Souche, tmp_path: Path) -> str:
    disk = corpus.linux(tmp_path)
    (told,) = souche("image", "publish", disk, "--name", "Good", "--format", "raw")
    return str(told["ImageId"])


def test_an_images_origin_is_shown_and_its_attributes_are_set(souche: Souche, image_id: str) -> None:
    (told,) = souche("image", "origins", image_id)
    assert (told["ImageId"], told["Source"]) == (image_id, "official")
    assert told["Publisher"]["AccountAlias"] == "Outscale"
    options = ("--deletion-protection", "on", "--shutdown-behavior", "restart", "--boot-mode", "legacy")
    (attributes,) = souche("image", "attributes", image_id, *options)
    expected = {
        "DeletionProtection": True,
        "ShutdownBehavior": "restart",
        "Performance": None,
        "BootMode": "legacy",
    }
    assert attributes == {"ImageId": image_id, **expected}
    assert souche("image", "origins", image_id)[0]["VmAttributes"] == expected
    souche("image", "attributes", image_id, "--deletion-protection", "off", "--boot-mode", "unset")
    (attributes,) = souche("image", "attributes", image_id)
    assert attributes == {
        "ImageId": image_id,
        **expected,
        "DeletionProtection": False,
        "BootMode": None,
    }
    shown = souche.run("image", "origins", image_id)
    assert "Publisher.AccountAlias" in shown
    assert "VmAttributes.ShutdownBehavior" in shown
    assert "legacy" in souche.refusal("image", "attributes", image_id, "--boot-mode", "uefi")


@pytest.mark.parametrize("command", ["origins", "attributes"])
def test_an_image_that_there_is_not_is_told(souche: Souche, image_id: str, command: str) -> None:
    assert "ami-99999999" in souche.refusal("image", command, "ami-99999999")

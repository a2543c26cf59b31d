"""`souche image uses`, `souche snapshot uses`."""

from pathlib import Path

from tests.cli.conftest import Souche
from tests.trust import corpus


def test_uses_of_an_image_and_of_its_snapshot(souche: Souche, tmp_path: Path) -> None:
    (told,) = souche("image", "publish", corpus.linux(tmp_path), "--name", "Web", "--format", "raw")
    (shown,) = souche("image", "uses", told["ImageId"])
    assert shown["Aliases"] == {"Own": ["Web@latest"], "OfOthers": 0}
    assert shown["Shares"] == {"Public": True, "Accounts": 0}
    assert "Web@latest" in souche.run("image", "uses", told["ImageId"])
    assert "doesn't exist" in souche.refusal("image", "uses", "ami-00000000")
    assert "doesn't exist" in souche.refusal("snapshot", "uses", "snap-00000000")

"""`souche notices` and `souche image adopt` (docs/official-images.md)."""

from pathlib import Path

import pytest

from tests.cli.conftest import Souche
from tests.support.exported import qcow2


@pytest.fixture
def image_id(souche: Souche, tmp_path: Path) -> str:
    (tmp_path / "disk.qcow2").write_bytes(qcow2(b"disk"))
    (made,) = souche("image", "publish", tmp_path / "disk.qcow2", "--name", "Test")
    return str(made["ImageId"])


def test_an_image_is_adopted_and_its_withdrawal_is_told(
    souche: Souche, image_id: str, tmp_path: Path
) -> None:
    assert "name it with --account" in souche.refusal("image", "adopt", image_id)
    souche("account", "create", "alice")
    souche("account", "create", "bob")
    assert "name it with --account" in souche.refusal("image", "adopt", image_id)
    (made,) = souche("image", "adopt", image_id, "--account", "alice")
    assert made["ImageName"].startswith("Test-20")
    assert made["ImageId"] != image_id
    souche("image", "publish", tmp_path / "disk.qcow2", "--name", "Test")
    (told,) = souche.invoke("notices", "--json", "--account", "alice").stdout.splitlines()
    assert '"Event": "replaced"' in told
    assert image_id in told
    assert "replaced" in souche.invoke("notices", "--account=alice").stdout
    assert souche.invoke("notices", "--account=bob").stdout == ""
    souche("image", "withdraw", image_id, "--now")
    assert "doesn't exist" in souche.refusal("image", "adopt", image_id, "--account", "bob")
    assert "already belongs to" in souche.refusal("image", "adopt", made["ImageId"], "--account", "alice")

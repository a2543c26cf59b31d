"""docs/official-images.md says what the code does."""

from pathlib import Path

from souche.model.image_lives import GRACE_DAYS
from souche.model.product_types import BUILT_IN
from souche.model.quotas import QUOTAS

PAGE = (Path(__file__).parent.parent / "docs" / "official-images.md").read_text()


def test_every_quota_has_its_row() -> None:
    rows = [f"| `{quota.name}` | {quota.description} | {quota.default} |" for quota in QUOTAS]
    assert PAGE.rstrip().splitlines()[-len(rows) :] == rows


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"{GRACE_DAYS} by default" in PAGE
    assert all(product_type.product_type_id in PAGE for product_type in BUILT_IN)

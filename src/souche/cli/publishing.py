"""Publishing an image from a disk file, as `souche image publish` and `souche up` do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from souche import staged
from souche.admin.action import Facts
from souche.app.official_images import MOST_BYTES
from souche.cli import image_source
from souche.cli.actions import publications
from souche.cli.building import is_booted
from souche.cli.composition import Operated, Workshop
from souche.cli.image_source import ExpectedFile
from souche.errors import Invalid
from souche.formats import tiny_disk
from souche.model.accounts import PROVIDER_ALIAS
from souche.model.disk_imports import SourceFormat
from souche.model.image_lives import GRACE_DAYS
from souche.model.images import Architecture


class OneDisk(Invalid):
    """A publication has one disk: either FILE or --tiny. --format and the options that verify a file need FILE."""


@dataclass(frozen=True)
class Publication:
    """The disk to publish. `file` is a path or a URL; None: the tiny disk (`formats/tiny_disk.py`), whose marker is the
    family. `account` is a name or an ID; None: the account of `alias`."""

    family: str
    file: str | None
    disk_format: SourceFormat | None = None
    vouched: ExpectedFile = field(default_factory=ExpectedFile)
    boot_modes: tuple[str, ...] = ("legacy",)
    architecture: Architecture = "x86_64"
    description: str = ""
    product_codes: tuple[str, ...] = ()
    account: str | None = None
    alias: str = PROVIDER_ALIAS
    grace_days: int = GRACE_DAYS
    accepted: tuple[str, ...] = ()
    verify: bool = True

    def check(self) -> None:
        """Refuse what does not go together.

        Raises:
            OneDisk, BadMarker.
        """
        if self.file is None:
            if self.disk_format is not None or self.vouched != ExpectedFile():
                raise OneDisk
            tiny_disk.disk(self.family)


def publish(region: Operated, wanted: Publication) -> Facts:
    """The finished image.

    Raises:
        OneDisk, BadMarker, ImageFailed, and those of `image_source.taken_in` and `official_images.publish`.
    """
    wanted.check()
    given: Facts = {
        "family": wanted.family,
        "description": wanted.description,
        "architecture": wanted.architecture,
        "product_codes": list(wanted.product_codes),
        "grace_days": wanted.grace_days,
        "accepted": list(wanted.accepted),
    }
    account_id = region.do(publications.check, account=wanted.account, alias=wanted.alias, **given)
    terms = {
        **given,
        "account_id": account_id,
        "boot_modes": list(wanted.boot_modes),
        "verify": is_booted(region, verify=wanted.verify),
    }
    shop = region.workshop()
    with (
        _source(shop, wanted) as (source, disk_format),
        image_source.taken_in(shop, source, disk_format, wanted.vouched) as taken,
    ):
        disk = {"path": str(taken.path), "format": taken.format, "most_bytes": MOST_BYTES}
        image_id = region.do(publications.publish, disk, terms, None)
    return region.do(publications.finish, image_id)


@contextmanager
def _source(shop: Workshop, wanted: Publication) -> Iterator[tuple[str, SourceFormat | None]]:
    """The path or URL of the disk, and its format if it is known."""
    if wanted.file is not None:
        yield wanted.file, wanted.disk_format
        return
    with staged.folder(shop.staging) as folder:
        file = folder / "tiny.raw"
        file.write_bytes(tiny_disk.disk(wanted.family))
        yield str(file), "raw"

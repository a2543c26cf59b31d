"""Images that the operator makes from disk files on this machine: the provider's official images.

An official image belongs to the provider's account, shown with its alias "Outscale". It is public and x86_64. Each
update has a new id and a new name: `Debian-12-YYYY.MM.DD-N` (reference section 2). It withdraws the previous image of
its family (docs/official-images.md).

The operator can publish for any other account in the same way.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from souche import ids
from souche.app import accounts, images, product_codes
from souche.app.block_devices import SIZE_GIB
from souche.app.context import texts
from souche.app.context.region import Region, Work
from souche.app.images import ImageSettings
from souche.db import accounts as account_records
from souche.db import image_builds, image_reports, snapshots
from souche.db import images as image_records
from souche.model.accounts import PROVIDER_ALIAS, PROVIDER_NAME, Account, Principal
from souche.model.image_aliases import LATEST, AliasName
from souche.model.image_builds import Build
from souche.model.image_lives import GRACE_DAYS, MOST_GRACE_DAYS
from souche.model.image_reports import NOT_GENERALISED
from souche.model.images import ROOT_DEVICE_NAME, Architecture, BootMode, Image, ImageMapping
from souche.model.operations import id_of
from souche.model.snapshots import Snapshot
from souche.operations.images import ImportImage, import_image
from souche.refusals import NoSuchAccount
from souche.room import GIB
from souche.states import ImageState, SnapshotState
from souche.transfer.gate import AdmittedDisk
from souche.trust.codes import CODES
from souche.value_refusals import BadValue
from souche.words import Term

MOST_BYTES = SIZE_GIB[-1] * GIB
"""virtual size of the largest disk"""


@dataclass(frozen=True)
class DiskImage:
    """A disk file in the region's home that has passed the gate, and the image to make from it. The file is removed
    after its import.

    The previous image of the family can be launched for another `grace_days`. `accepted` are codes of findings of
    severity high that do not prevent publication. With `verify` the image is booted first. `build` records the recipe
    that built it.
    """

    disk: AdmittedDisk
    family: str
    description: str
    boot_modes: tuple[BootMode, ...]
    architecture: Architecture = "x86_64"
    product_codes: tuple[str, ...] = ()
    grace_days: int = GRACE_DAYS
    accepted: tuple[str, ...] = ()
    verify: bool = False
    build: Build | None = None

    @property
    def size_gib(self) -> int:
        """The size of the disk as a guest sees it, in whole GiB, rounded up."""
        return -(-self.disk.size_bytes // GIB)


def publisher(region: Region, account: str | None, alias: str = PROVIDER_ALIAS) -> Account:
    """The account to publish for, by name or id, else by alias. The provider's is made if it is missing.

    Raises:
        NoSuchAccount.
    """
    if account is not None:
        return accounts.known(region, account)
    if alias == PROVIDER_ALIAS:
        return provider(region)
    with region.store.read() as connection:
        found = account_records.aliased(connection, alias)
    if found is None:
        raise NoSuchAccount(account=alias)
    return found


def provider(region: Region) -> Account:
    """The provider's account, made if it is missing."""
    found = accounts.named(region, PROVIDER_NAME)
    if found:
        return found
    account, _key, _secret = accounts.create(region, PROVIDER_NAME, PROVIDER_ALIAS)
    return account


def publish(region: Region, disk: DiskImage, account: Account | None = None) -> Image:
    """Request a public image of the provider's, or of another account's. It is `pending` and visible to its owner only,
    until the disk was imported, examined and booted. Then it becomes public, and the former one of its family is
    withdrawn. Quotas do not apply to the operator.

    Raises:
        BadImageName, BadProductCodes, ValueTooLong, BadValue.
    """
    account = account or provider(region)
    _check(account, disk)
    who = Principal(account.account_id)
    with region.begin() as work:
        image = _record(region, who, account, disk, _next_name(region, work, who, disk.family))
        codes = product_codes.chosen(work.connection, who, disk.product_codes)
        image = replace(image, product_codes=codes)
        images.write(work, image)
        snapshots.insert(work.connection, _snapshot(image))
        if disk.build:
            image_builds.insert(work.connection, image.image_id, disk.build)
        if disk.accepted:
            image_reports.accept(work.connection, image.image_id, disk.accepted)
        work.operations.append(
            import_image(
                image,
                ImportImage(
                    path=str(disk.disk.path),
                    format=disk.disk.format,
                    size_bytes=image.root_mapping.volume_size_gib * GIB,
                    grace_days=disk.grace_days,
                    verify=disk.verify,
                ),
            )
        )
    return image


def newest(region: Region, account: Account, family: str) -> Image | None:
    """The newest image of an account's family that is available or pending, and not withdrawn; None: there is none. A
    family is the same in upper and lower case."""
    with region.store.read() as connection:
        published = image_records.published(connection)
    of_family = [
        image
        for image in published
        if image.account_id == account.account_id
        and (image.family or "").lower() == family.lower()
        and image.state in (ImageState.AVAILABLE, ImageState.PENDING)
        and image.launchable_until is None
    ]
    return of_family[-1] if of_family else None


def check_architecture(account: Account, architecture: Architecture) -> None:
    """Refuse an architecture that the account's images cannot have. Called before an image is built.

    Raises:
        BadValue: it is the provider's account, whose images are x86_64.
    """
    if account.alias == PROVIDER_ALIAS and architecture != "x86_64":
        raise BadValue(
            parameter=Term.ARCHITECTURE,
            reason="the official images are x86_64; publish for another --account",
        )


def check_product_codes(region: Region, account: Account, codes: Collection[str]) -> None:
    """Refuse product codes that the account's images cannot carry. Called before an image is built.

    Raises:
        BadProductCodes.
    """
    with region.store.read() as connection:
        product_codes.check(connection, Principal(account.account_id), codes)


def check_accepted(codes: Collection[str]) -> None:
    """Refuse codes that do not exist, or cannot be accepted.

    Raises:
        BadValue.
    """
    for code in codes:
        if code not in CODES:
            raise BadValue(
                parameter=Term.ACCEPTED_FINDING,
                reason=f"there is no code '{code}'; docs/trust.md lists all codes.",
            )
        if code == NOT_GENERALISED:
            raise BadValue(
                parameter=Term.ACCEPTED_FINDING, reason="a Windows image without sysprep cannot be published."
            )


def check_terms(
    account: Account,
    family: str,
    architecture: Architecture,
    *,
    grace_days: int = GRACE_DAYS,
    accepted: Collection[str] = (),
    description: str = "",
) -> None:
    """Refuse terms that no image can be published with. Called before its disk is downloaded or built.

    Raises:
        BadValue, ValueTooLong.
    """
    check_family(family)
    check_architecture(account, architecture)
    check_accepted(accepted)
    check_grace_days(grace_days)
    texts.check_description(description)


def check_family(family: str) -> None:
    """Refuse a name that no alias can have: `FAMILY@latest` names the newest image of each family.

    Raises:
        BadValue.
    """
    if not AliasName(family, LATEST).is_well_formed:
        reason = "1 to 100 of [a-zA-Z0-9_ ().-] are expected, without leading, trailing or double spaces."
        raise BadValue(parameter=Term.OFFICIAL_NAME, reason=reason)


def _check(account: Account, disk: DiskImage) -> None:
    check_terms(
        account,
        disk.family,
        disk.architecture,
        grace_days=disk.grace_days,
        accepted=disk.accepted,
        description=disk.description,
    )


def check_grace_days(days: int) -> None:
    """Refuse a number of days of grace that is too large.

    Raises:
        BadValue.
    """
    if not 0 <= days <= MOST_GRACE_DAYS:
        raise BadValue(parameter=Term.GRACE_DAYS, reason=f"0 to {MOST_GRACE_DAYS} is expected")


def _next_name(region: Region, work: Work, who: Principal, family: str) -> str:
    day = region.clock.now().strftime("%Y.%m.%d")
    number = 0
    while image_records.named(work.connection, who.account_id, f"{family}-{day}-{number}"):
        number += 1
    return f"{family}-{day}-{number}"


def _record(region: Region, who: Principal, account: Account, disk: DiskImage, name: str) -> Image:
    settings = ImageSettings(name, disk.description, disk.boot_modes)
    return replace(
        images.new_image(region, who, settings, name),
        state=ImageState.PENDING,
        mappings=(ImageMapping(ROOT_DEVICE_NAME, region.ids.new(ids.SNAPSHOT), disk.size_gib),),
        architecture=disk.architecture,
        family=disk.family,
        file_location=f"{account.alias or account.account_id}/{name}",
    )


def _snapshot(image: Image) -> Snapshot:
    root = image.root_mapping
    return Snapshot(
        snapshot_id=root.snapshot_id or "",
        account_id=image.account_id,
        volume_id=None,
        volume_size_gib=root.volume_size_gib,
        state=SnapshotState.IN_QUEUE,
        progress_percent=0,
        description=f"The disk of {image.name}",
        creation_date=image.creation_date,
        product_codes=image.product_codes,
        image_id=image.image_id,
    )


def operation_id(image: Image) -> str:
    """The id of the workflow that takes a published image's disk in."""
    return id_of(ImportImage, image.image_id)


def get(region: Region, image: Image) -> Image:
    """The image as it is now."""
    with region.store.read() as connection:
        return image_records.get(connection, image.image_id) or image

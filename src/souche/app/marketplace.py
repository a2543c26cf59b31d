"""The marketplace: vendors' images, for subscribers to the product (reference section 2).

Publishing makes a copy of the vendor's image with the product's code: a version. Its name, id, codes and permissions
are frozen, and only the product's subscribers can launch it. Everything made from it has the code, so copies too can be
launched only while their owner subscribes. Withdrawing deletes the version; VMs launched from it remain.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from souche.app import image_copies, image_reports, official_images, product_types
from souche.app.context import lookup
from souche.app.context.region import Region, Work
from souche.app.images import ImageSettings
from souche.db import images as image_records
from souche.db import marketplace, notices
from souche.db import product_types as product_records
from souche.model.accounts import Account, Principal
from souche.model.images import Image
from souche.model.marketplace import Version
from souche.refusals import NoSuchProductType, NotPublished, WrongImageState
from souche.states import ImageState
from souche.workflows import delete_snapshot, withdrawals


@dataclass(frozen=True)
class Publication:
    """A vendor's image, and the vendor's product type that it is published under. Without a name, the version gets a
    copy's name. `accepted` are codes of findings of severity high that do not prevent it."""

    vendor: Account
    image_id: str
    product_type_id: str
    name: str | None = None
    accepted: tuple[str, ...] = ()


def publish(region: Region, wanted: Publication) -> Image:
    """Request a version: a copy of the image with the product's code, granted to all subscribers.

    Raises:
        NoSuchProductType, and those of image_copies.copy.
        ReportMissing: the image has no report yet.
        FindingsRefuse: it has a finding of severity high.
    """
    who = Principal(wanted.vendor.account_id)
    official_images.check_accepted(wanted.accepted)
    with region.begin() as work:
        product = product_types.own(work.connection, who, wanted.product_type_id)
        source = lookup.own_image(work.connection, who, wanted.image_id)
        settings = ImageSettings(wanted.name, product_codes=(*source.product_codes, product.product_type_id))
        image = image_copies.request_copy(region, work, who, source, settings)
        image_reports.give(work, source, image, wanted.accepted)
        granted = marketplace.subscribers(work.connection, product.product_type_id)
        image_records.grant(work.connection, image.image_id, granted)
        marketplace.publish(work.connection, image.image_id, product.product_type_id)
        product_records.set_sold(work.connection, product.product_type_id)
    return image


def subscribe(region: Region, account: Account, product_type_id: str) -> None:
    """Let an account launch and copy the versions of a product, and everything with its code.

    Raises:
        NoSuchProductType.
    """
    with region.begin() as work:
        if product_records.get(work.connection, product_type_id) is None:
            raise NoSuchProductType(product_type_id=product_type_id)
        marketplace.subscribe(work.connection, account.account_id, product_type_id)
        for version in marketplace.versions(work.connection, product_type_id):
            image_records.grant(work.connection, version.image_id, [account.account_id])


def unsubscribe(region: Region, account: Account, product_type_id: str) -> None:
    """End a subscription. VMs that the account has launched keep running."""
    with region.begin() as work:
        marketplace.unsubscribe(work.connection, account.account_id, product_type_id)
        for version in marketplace.versions(work.connection, product_type_id):
            _revoke(region, work, version, account)


def _revoke(region: Region, work: Work, version: Version, account: Account) -> None:
    image = image_records.get(work.connection, version.image_id)
    if image is not None:
        before = notices.concerned(work.connection, image)
        image_records.revoke(work.connection, image.image_id, [account.account_id])
        withdrawals.tell_of_sharing(work.connection, image, before, region.clock.now())


def withdraw(region: Region, image_id: str) -> Version:
    """Delete a version, with those of its snapshots that nothing uses. Returns what it was.

    Raises:
        NotPublished.
        WrongImageState: it is still being made; its snapshots would be left.
    """
    with region.begin() as work:
        image = image_records.get(work.connection, image_id)
        version = marketplace.version(work.connection, image_id)
        if image is None or version is None:
            raise NotPublished(image_id=image_id)
        if image.state == ImageState.PENDING:
            raise WrongImageState(
                image_id=image_id, state=image.state, reason="withdraw it when it is available"
            )
        withdrawals.tell_of_withdrawn_version(work.connection, image, region.clock.now())
        image_records.erase(work.connection, image_id)
        work.operations += delete_snapshot.begin_unused(work.connection, image.snapshot_ids)
    return version


def versions(region: Region) -> Mapping[Version, list[str]]:
    """All versions, oldest first, with the ids of the accounts that may launch them."""
    with region.store.read() as connection:
        return {
            version: marketplace.subscribers(connection, version.product_type_id)
            for version in marketplace.versions(connection)
        }

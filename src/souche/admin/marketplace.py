"""Versions of products, and the accounts that may launch them."""

from typing import TypedDict

from souche.admin.action import Administered, Facts, action
from souche.app import accounts, image_copies, image_reports, marketplace, official_images
from souche.app.marketplace import Publication
from souche.errors import SystemFailure
from souche.model.marketplace import Version
from souche.states import ImageState


class NotMade(SystemFailure):
    """The version {image_id} could not be created: {reason}"""


class SubscriptionFacts(TypedDict):
    """A product, and an account that may launch its versions or no longer may."""

    ProductTypeId: str
    AccountId: str


@action
def publish(
    at: Administered, image_id: str, *, account: str, product: str, name: str | None, accepted: list[str]
) -> Facts:
    """Publish a version: a frozen copy of the vendor's image. Returns when the version is available."""
    vendor = accounts.known(at.region, account)
    image_reports.request_as_operator(at.region, image_id, again=False)
    at.examine(image_id, wait=True)
    made = marketplace.publish(at.region, Publication(vendor, image_id, product, name, tuple(accepted)))
    at.finish(image_copies.copy_operation_id(made))
    made = official_images.get(at.region, made)
    if made.state != ImageState.AVAILABLE:
        raise NotMade(image_id=made.image_id, reason=made.state_message or made.state)
    return {"ImageId": made.image_id, "ImageName": made.name}


@action
def subscribe(at: Administered, account: str, product: str) -> SubscriptionFacts:
    """Let an account launch and copy the versions of a product."""
    subscriber = accounts.known(at.region, account)
    marketplace.subscribe(at.region, subscriber, product)
    return {"ProductTypeId": product, "AccountId": subscriber.account_id}


@action
def unsubscribe(at: Administered, account: str, product: str) -> SubscriptionFacts:
    """End a subscription."""
    subscriber = accounts.known(at.region, account)
    marketplace.unsubscribe(at.region, subscriber, product)
    return {"ProductTypeId": product, "AccountId": subscriber.account_id}


@action
def withdraw(at: Administered, image_id: str) -> Facts:
    """Delete a version. Returns what it was."""
    return _facts(marketplace.withdraw(at.region, image_id))


@action
def versions(at: Administered) -> list[Facts]:
    """The versions, each with the ids of its subscribers."""
    found = marketplace.versions(at.region)
    return [{**_facts(version), "Subscribers": list(ids)} for version, ids in found.items()]


def _facts(version: Version) -> Facts:
    return {
        "ImageId": version.image_id,
        "ImageName": version.image_name,
        "ProductTypeId": version.product_type_id,
        "AccountId": version.account_id,
    }

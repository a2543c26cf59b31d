"""Official images: lists, deprecation and withdrawal."""

from souche.admin.action import Administered, Facts, action
from souche.api.protocol import dates
from souche.app import image_builds, image_lives, image_sizes
from souche.app.image_lives import Departure
from souche.model.image_lives import LivingImage
from souche.value_refusals import BadValue
from souche.words import Term


@action
def every(at: Administered, family: str | None) -> list[Facts]:
    """The published images, or those of a family, oldest first."""
    return [_view(each) for each in image_lives.every(at.region) if family in (None, each.image.family)]


@action
def known(at: Administered, image_id: str) -> Facts:
    """An image of any owner, how it was built, and its size on the medium."""
    living = image_lives.of_image(at.region, image_id)
    built = image_builds.of_image(at.region, image_id)
    sizes = image_sizes.of_image(at.region, at.volumes, image_id)
    return {
        **_view(living),
        "SnapshotIds": list(living.image.snapshot_ids),
        "OwnBytes": sizes.own_bytes,
        "SharedBytes": sizes.shared_bytes,
        "FreedBytes": sizes.freed_bytes,
        "ExportBytes": sizes.export_bytes,
        "Recipe": built.recipe if built else "",
        "RecipeDigest": built.digest if built else "",
        "Packages": dict(built.packages) if built else {},
    }


@action
def withdraw(
    at: Administered,
    image_id: str,
    *,
    reason: str | None,
    successor: str | None,
    grace_days: int | None,
    now: bool,
) -> Facts:
    """Withdraw an official image."""
    going = Departure(reason, successor, grace_days)
    return _view(image_lives.withdraw(at.region, image_id, going, now=now))


@action
def deprecate(
    at: Administered,
    image_id: str,
    *,
    reason: str | None,
    successor: str | None,
    grace_days: int | None,
    on: str,
) -> Facts:
    """Set the date on which an official image will be withdrawn."""
    date = dates.read(on)
    if date is None:
        raise BadValue(parameter=Term.DATE, reason=f"'{on}' is not a date like 2026-12-31.")
    going = Departure(reason, successor, grace_days)
    return _view(image_lives.deprecate(at.region, image_id, date, going))


@action
def undo(at: Administered, image_id: str) -> Facts:
    """Take a withdrawal or a deprecation back."""
    return _view(image_lives.undo(at.region, image_id))


def _view(living: LivingImage) -> Facts:
    """An image and its life, as the commands show them. Dates in ISO 8601; empty: none."""
    image, life = living.image, living.life
    shown = {
        "DeprecatedOn": life and life.deprecation_date,
        "WithdrawnOn": life and life.withdrawal_date,
        "LaunchableUntil": living.launchable_until,
        "DeletedOn": image.launchable_until,
        "VerifiedOn": living.verified_on,
    }
    return {
        "ImageId": image.image_id,
        "ImageName": image.name,
        "State": living.state,
        "Family": image.family or "",
        "Account": image.account_alias or image.account_id,
        "CreationDate": dates.shown(image.creation_date),
        **{name: dates.shown(date) if date else "" for name, date in shown.items()},
        "SuccessorId": (life and life.successor_id) or "",
        "Reason": life.reason if life else "",
    }

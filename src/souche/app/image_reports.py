"""Reports of images, as far as the caller may know them (docs/trust.md)."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from souche.app.context import lookup
from souche.app.context.page import Page
from souche.app.context.region import Region, Work
from souche.db import image_cleanings
from souche.db import image_reports as records
from souche.db import images as image_records
from souche.model.accounts import Principal
from souche.model.image_cleanings import Cleaning, without_users
from souche.model.image_reports import Report, hidden
from souche.model.images import Image
from souche.model.query import Query
from souche.refusals import FindingsRefuse, NoSuchImage, ReportMissing, WrongImageState
from souche.states import ImageState


@dataclass(frozen=True)
class Reported:
    """A report, its image, and for a clean image the removed data."""

    report: Report
    image: Image
    cleaning: Cleaning | None


def find(region: Region, who: Principal, query: Query) -> Page[Reported]:
    """The reports of the images that the caller may use, in their order. For other accounts' images the names of home
    folders are hidden."""
    with region.store.read() as connection:
        found, more = records.find(connection, who.account_id, query)
        pairs = [(report, image_records.get(connection, report.image_id)) for report in found]
        cleanings = image_cleanings.of_images(connection, [report.image_id for report in found])
    seen = [
        _seen_by(who, Reported(report, image, cleanings.get(image.image_id)))
        for report, image in pairs
        if image
    ]
    return Page(seen, {}, more)


def _seen_by(who: Principal, each: Reported) -> Reported:
    if each.image.account_id == who.account_id:
        return each
    report = replace(each.report, findings=tuple(map(hidden, each.report.findings)))
    cleaning = None if each.cleaning is None else without_users(each.cleaning)
    return Reported(report, each.image, cleaning)


def request(region: Region, who: Principal, image_id: str) -> Report:
    """Request a new report of an image of the caller's.

    Raises:
        NoSuchImage: there is none, or it is another account's. WrongImageState: it is not available.
    """
    with region.begin() as work:
        image = lookup.own_image(work.connection, who, image_id)
        _check_available(image)
        records.request_again(work.connection, image_id, region.clock.now())
        report = records.get(work.connection, image_id)
    assert report is not None
    return report


def _check_available(image: Image) -> None:
    if image.state != ImageState.AVAILABLE:
        reason = "only an available image can be inspected"
        raise WrongImageState(image_id=image.image_id, state=image.state, reason=reason)


def of_image(region: Region, image_id: str) -> Report | None:
    """The report of an image, for the operator; None if none was requested yet.

    Raises:
        NoSuchImage.
    """
    with region.store.read() as connection:
        if image_records.get(connection, image_id) is None:
            raise NoSuchImage(image_id=image_id)
        return records.get(connection, image_id)


def give(work: Work, source: Image, version: Image, accepted: Collection[str]) -> None:
    """Copy the source's report to a version, if it may be published.

    Raises:
        ReportMissing, FindingsRefuse.
    """
    report = _complete(work, source.image_id, "published")
    codes = report.refused(accepted)
    if codes:
        raise FindingsRefuse(image_id=source.image_id, purpose="published", codes=", ".join(codes))
    records.copy(work.connection, version.image_id, report)
    records.accept(work.connection, version.image_id, [*report.accepted, *accepted])


def check_shareable(work: Work, image_id: str) -> None:
    """Refuse to share an image whose report has findings of severity high (`--share-gate`).

    Raises:
        ReportMissing, FindingsRefuse.
    """
    codes = _complete(work, image_id, "shared").refused()
    if codes:
        raise FindingsRefuse(image_id=image_id, purpose="shared", codes=", ".join(codes))


def _complete(work: Work, image_id: str, purpose: str) -> Report:
    report = records.get(work.connection, image_id)
    if report is None or not report.is_complete:
        raise ReportMissing(image_id=image_id, purpose=purpose)
    return report


def request_as_operator(region: Region, image_id: str, *, again: bool) -> None:
    """Request a report of an available image that has none or, with `again`, a new one.

    Raises:
        NoSuchImage, WrongImageState.
    """
    with region.begin() as work:
        image = image_records.get(work.connection, image_id)
        if image is None:
            raise NoSuchImage(image_id=image_id)
        known = records.get(work.connection, image_id)
        if known is not None and not again:
            return
        _check_available(image)
        records.request_again(work.connection, image_id, region.clock.now())

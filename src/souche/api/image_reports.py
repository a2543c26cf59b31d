"""Souche's own ReadImageReports and CreateImageReport."""

from collections.abc import Mapping
from typing import Final

from souche.api import image_cleanings
from souche.api.protocol import dates, filters, pages, schemas
from souche.api.protocol.dispatch import Call
from souche.app import image_reports
from souche.app.image_reports import Reported
from souche.model.image_cleanings import Cleaning
from souche.model.image_reports import Finding, Guideline, Report
from souche.model.query import Position

FILTERS: Final[Mapping[str, str]] = {
    "ImageIds": "image_id",
    "States": "state",
    "Codes": "code",
    "Severities": "severity",
}
READ_SCHEMA: Final = schemas.of_filtered_read(dict.fromkeys(FILTERS, schemas.TEXTS))
CREATE_SCHEMA: Final = schemas.of_request({"ImageId": schemas.TEXT}, "ImageId")


def read_image_reports(call: Call) -> Mapping[str, object]:
    """The reports of the images that the caller may use."""
    conditions = filters.of_fields(call.request, FILTERS)
    found = image_reports.find(call.region, call.who, pages.query(call.request, conditions))
    following = pages.following(found.resources, _position, more=found.more)
    reports = [view(each.report, each.cleaning) for each in found.resources]
    return {"ImageReports": reports, **following}


def _position(each: Reported) -> Position:
    return Position(each.image.creation_date, each.image.image_id)


def create_image_report(call: Call) -> Mapping[str, object]:
    """Request a new report."""
    return {"ImageReport": view(image_reports.request(call.region, call.who, str(call.request["ImageId"])))}


def view(report: Report, cleaning: Cleaning | None = None) -> dict[str, object]:
    """A report as the API and the command line show it. For a clean image, it includes the removed data."""
    return {
        "ImageId": report.image_id,
        "State": report.state.value,
        "Engine": report.engine,
        "Date": None if report.date is None else dates.shown(report.date),
        "Os": report.os,
        "Findings": [_finding(each) for each in report.findings],
        "Guidelines": [_guideline(each) for each in report.guidelines],
        "Accepted": list(report.accepted),
        **({} if cleaning is None else {"Cleaning": image_cleanings.view(cleaning)}),
    }


def _finding(each: Finding) -> dict[str, object]:
    return {
        "Code": each.code,
        "Severity": each.severity.value,
        "Path": each.path,
        "Fingerprint": each.fingerprint,
        "Text": each.text,
        "Remedy": each.remedy,
    }


def _guideline(each: Guideline) -> dict[str, object]:
    return {"Code": each.code, "Text": each.text, "Holds": each.holds}

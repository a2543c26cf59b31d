"""souche image check"""

import json
from typing import Annotated

import typer

from souche.api import image_reports as views
from souche.app import image_cleanings, image_reports
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import plain, told
from souche.model.image_cleanings import Cleaning
from souche.model.image_reports import Report, Severity

REFUSED = 1


def add(app: typer.Typer, composition: Composition) -> None:
    """Add the command."""

    @app.command("check")
    def check_image(
        image: Annotated[str, typer.Argument(help="ID of an image of any owner.")],
        home: HomeFlag,
        json: JsonFlag = False,
        wait: Annotated[bool, typer.Option("--wait", help="Wait until the report is made.")] = False,
        again: Annotated[bool, typer.Option("--again", help="Have a new report made.")] = False,
    ) -> None:
        """Show what is inside an image: keys, passwords, credentials and more (docs/trust.md). The status is 1 where a
        finding is of severity high. Without --wait, a report that the server has not made yet is shown as it is."""
        with told(), composition.administer(home) as administered:
            image_reports.request_as_operator(administered.region, image, again=again)
            administered.examine(image, wait)
            report = image_reports.of_image(administered.region, image)
            cleaning = image_cleanings.of_image(administered.region, image)
        if report is not None:
            _print(report, cleaning, as_json=json)
        if report is not None and report.high:
            raise typer.Exit(REFUSED)


def _print(report: Report, cleaning: Cleaning | None, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(views.view(report, cleaning)))
        return
    if cleaning is not None:
        print(
            f"{report.image_id}  clean image of {cleaning.source_image_id}: {len(cleaning.done)} things were done"
        )
    print_report(report)


def print_report(report: Report) -> None:
    """Print a report for people: a paragraph for each finding, a line for each guideline."""
    print(
        f"{report.image_id}  {report.state.value}  {plain(report.os or 'no system found')}  "
        f"engine: {report.engine or '-'}"
    )
    for each in report.findings:
        accepted = "  (accepted)" if each.code in report.accepted else ""
        found = f"{each.severity.value:<6}  {each.code}  {each.path}  {each.fingerprint}"
        print(plain(found.rstrip() + accepted))
        print(f"        {plain(each.text)}")
        if each.severity != Severity.INFO:
            print(f"        {each.remedy}")
    for line in report.guidelines:
        if line.holds is not None:
            print(f"{'holds' if line.holds else 'BROKEN':<6}  {line.code}: {line.text}")

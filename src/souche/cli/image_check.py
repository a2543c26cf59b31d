"""souche image check"""

import json
from typing import Annotated

import typer

from souche.admin.action import Facts
from souche.cli.actions import image_reports
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown, plain
from souche.model.image_reports import Severity

REFUSED = 1


def add(app: typer.Typer, composition: Composition) -> None:
    """Add the command."""

    @app.command("check")
    def check_image(
        image: Annotated[str, typer.Argument(help="ID of an image of any owner.")],
        home: HomeFlag,
        json: JsonFlag = False,
        wait: Annotated[bool, typer.Option("--wait", help="Wait until the report is made.")] = False,
        again: Annotated[bool, typer.Option("--again", help="Request a new report.")] = False,
    ) -> None:
        """Show the findings in an image: keys, passwords, credentials and more (docs/trust.md). Status 1 if there is a
        finding of severity high. Without --wait, an unfinished report is shown as it is."""
        with errors_shown(), composition.operate(home) as region:
            report = region.do(image_reports.check, image, wait=wait, again=again)
        if report is None:
            return
        high = report.pop("High")
        _print(report, as_json=json)
        if high:
            raise typer.Exit(REFUSED)


def _print(report: Facts, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report))
        return
    if "Cleaning" in report:
        source, done = report["Cleaning"]["SourceImageId"], report["Cleaning"]["Done"]
        print(f"{report['ImageId']}  clean image of {source}: {len(done)} things were done")
    print_report(report)


def print_report(report: Facts) -> None:
    """Print a report for people: a paragraph for each finding, a line for each guideline."""
    system, engine = plain(report["Os"] or "no system found"), report["Engine"] or "-"
    print(f"{report['ImageId']}  {report['State']}  {system}  engine: {engine}")
    for each in report["Findings"]:
        accepted = "  (accepted)" if each["Code"] in report["Accepted"] else ""
        found = f"{each['Severity']:<6}  {each['Code']}  {each['Path']}  {each['Fingerprint']}"
        print(plain(found.rstrip() + accepted))
        print(f"        {plain(each['Text'])}")
        if each["Severity"] != Severity.INFO:
            print(f"        {each['Remedy']}")
    for line in report["Guidelines"]:
        if line["Holds"] is not None:
            print(f"{'holds' if line['Holds'] else 'BROKEN':<6}  {line['Code']}: {line['Text']}")

"""souche image origins, souche image attributes"""

import json as json_text
from enum import StrEnum
from typing import Annotated

import typer

from souche.admin.action import Facts
from souche.cli.actions import image_origins
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown, show

UNSET = "unset"

ImageArgument = Annotated[str, typer.Argument(help="ID of an image of any owner.")]


class YesNo(StrEnum):
    """Of a yes or no that an image may carry."""

    ON = "on"
    OFF = "off"
    UNSET = UNSET


class Behavior(StrEnum):
    """What a VM does that shuts itself down."""

    STOP = "stop"
    RESTART = "restart"
    TERMINATE = "terminate"
    UNSET = UNSET


class Performance(StrEnum):
    """The performance flags."""

    MEDIUM = "medium"
    HIGH = "high"
    HIGHEST = "highest"
    UNSET = UNSET


class Firmware(StrEnum):
    """The boot modes."""

    LEGACY = "legacy"
    UEFI = "uefi"
    UNSET = UNSET


def add(app: typer.Typer, composition: Composition) -> None:
    """Add the commands."""
    _add_origins(app, composition)
    _add_attributes(app, composition)


def _add_origins(app: typer.Typer, composition: Composition) -> None:
    @app.command("origins")
    def origins(image: ImageArgument, home: HomeFlag, json: JsonFlag = False) -> None:
        """Show the origin of an image: publisher, ancestors, export and its signer, the consistency of its disks, and
        its attributes for VMs (docs/trust.md)."""
        with errors_shown(), composition.operate(home) as region:
            found = region.do(image_origins.of_image, image)
        show(found if json else _flat(found), as_json=json)


def _add_attributes(app: typer.Typer, composition: Composition) -> None:
    @app.command("attributes")
    def attributes(
        image: ImageArgument,
        home: HomeFlag,
        deletion_protection: Annotated[
            YesNo | None, typer.Option(help="Whether its VMs are protected from deletion by the API.")
        ] = None,
        shutdown_behavior: Annotated[
            Behavior | None, typer.Option(help="Action when a VM shuts itself down.")
        ] = None,
        performance: Annotated[
            Performance | None, typer.Option(help="Performance of VMs whose type has no flag.")
        ] = None,
        boot_mode: Annotated[Firmware | None, typer.Option(help="A boot mode of the image.")] = None,
        json: JsonFlag = False,
    ) -> None:
        """Set an image's attributes for the VMs that are launched from it, or `unset` them, on behalf of its owner.
        Without an option, show them. A launch's own values take precedence; existing VMs do not change."""
        given = {
            "deletion_protection": deletion_protection,
            "shutdown_behavior": shutdown_behavior,
            "performance": performance,
            "boot_mode": boot_mode,
        }
        chosen = {field: value.value for field, value in given.items() if value is not None}
        with errors_shown(), composition.operate(home) as region:
            changed = region.do(image_origins.set_attributes, image, *_change(chosen))
        show(changed if json else _flat(changed), as_json=json)


def _change(chosen: dict[str, str]) -> tuple[Facts, list[str]]:
    """The new values, and the fields that are unset."""
    values: Facts = {field: text for field, text in chosen.items() if text != UNSET}
    if "deletion_protection" in values:
        values["deletion_protection"] = values["deletion_protection"] == YesNo.ON
    return values, [field for field, text in chosen.items() if text == UNSET]


def _flat(facts: dict[str, object]) -> dict[str, object]:
    """For people: nested names joined by dots, and a dash for a missing value."""
    flat: dict[str, object] = {}
    for name, value in facts.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": item for key, item in _flat(value).items()}
        elif isinstance(value, list):
            flat[name] = ", ".join(each or "(hidden)" for each in value) or "-"
        else:
            flat[name] = "-" if value is None else value if isinstance(value, str) else json_text.dumps(value)
    return flat

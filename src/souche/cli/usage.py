"""souche usage"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import show, told
from souche.cli.sizes import shown_bytes

if TYPE_CHECKING:
    from souche.model.usage import Usage


def build(composition: Composition) -> Callable[[Path, str | None, bool], None]:
    """The command that shows what accounts take."""

    def usage(
        home: HomeFlag,
        account: Annotated[
            str | None, typer.Option("--account", help="Only this account: its name or ID.")
        ] = None,
        json: JsonFlag = False,
    ) -> None:
        """Show what each account takes of the region. OwnBytes: what only its disks take on the medium; SharedBytes:
        what they have in common with those of others, or in the trash; ExportBytes: data that its exports have
        read."""
        from souche.app import usage as usages
        from souche.cli.listing import print_table

        with told(), composition.administer(home) as administered:
            found = usages.every(administered.region, administered.volumes.stock(), account)
        if json:
            for each in found:
                show(_facts(each), as_json=True)
        elif found:
            print_table([_row(each) for each in found])

    return usage


def _facts(usage: "Usage") -> dict[str, object]:
    counts = usage.counts
    return {
        "Account": usage.account,
        "AccountId": usage.account_id,
        "Vms": counts.vms,
        "Volumes": counts.volumes,
        "VolumeGib": counts.volume_gib,
        "Snapshots": counts.snapshots,
        "Images": counts.images,
        "OwnBytes": usage.own_bytes,
        "SharedBytes": usage.shared_bytes,
        "Exports": counts.exports,
        "ExportBytes": counts.export_bytes,
    }


def _row(usage: "Usage") -> dict[str, object]:
    """For people: sizes with their units."""
    facts = _facts(usage)
    return {
        name: shown_bytes(value) if name.endswith("Bytes") and isinstance(value, int) else value
        for name, value in facts.items()
    }

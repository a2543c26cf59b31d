"""souche usage"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown, show
from souche.cli.sizes import shown_bytes


def build(composition: Composition) -> Callable[[Path, str | None, bool], None]:
    """The command that shows the space that accounts use."""

    def usage(
        home: HomeFlag,
        account: Annotated[
            str | None, typer.Option("--account", help="Only this account: its name or ID.")
        ] = None,
        json: JsonFlag = False,
    ) -> None:
        """Show how much of the region each account uses. OwnBytes: the space of its disks alone; SharedBytes: the space
        that they share with other accounts' disks, or with the trash; ExportBytes: the data that its exports have
        read."""
        from souche.cli.actions import status
        from souche.cli.listing import print_table

        with errors_shown(), composition.operate(home) as region:
            found = region.do(status.usage, account)
        if json:
            for each in found:
                show(each, as_json=True)
        elif found:
            print_table([_row(each) for each in found])

    return usage


def _row(facts: Mapping[str, object]) -> dict[str, object]:
    """For people: sizes with their units."""
    return {
        name: shown_bytes(value) if name.endswith("Bytes") and isinstance(value, int) else value
        for name, value in facts.items()
    }

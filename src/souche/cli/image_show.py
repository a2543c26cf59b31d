"""souche image show"""

from typing import Annotated

import typer

from souche.cli.actions import image_lives
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown, show


def add(app: typer.Typer, composition: Composition) -> None:
    """Add the command."""

    @app.command("show")
    def show_image(
        image: Annotated[str, typer.Argument(help="ID of an image of any owner.")],
        home: HomeFlag,
        json: JsonFlag = False,
    ) -> None:
        """Show an image and its use of the medium, in bytes: OwnBytes alone; SharedBytes together with other disks;
        FreedBytes, which the deletion of the image and its otherwise unused snapshots would free; ExportBytes, the data
        of an export before compression. Recipe is the recipe that built it; --json has its packages."""
        with errors_shown(), composition.operate(home) as region:
            facts = region.do(image_lives.known, image)
        if not json:
            del facts["Packages"]
            facts["SnapshotIds"] = " ".join(facts["SnapshotIds"])
        show(facts, as_json=json)

"""souche image show"""

from typing import Annotated

import typer

from souche.app import image_builds, image_lives, image_sizes
from souche.cli import image_life
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import show, told


def add(app: typer.Typer, composition: Composition) -> None:
    """Add the command."""

    @app.command("show")
    def show_image(
        image: Annotated[str, typer.Argument(help="ID of an image of any owner.")],
        home: HomeFlag,
        json: JsonFlag = False,
    ) -> None:
        """Show an image and what it takes on the medium, in bytes: OwnBytes alone, SharedBytes together with other
        disks, FreedBytes if it and those of its snapshots that no other image has were deleted, ExportBytes of data in
        an export, before it is packed. Recipe is what it was built by; --json has its packages."""
        with told(), composition.administer(home) as administered:
            living = image_lives.of_image(administered.region, image)
            built = image_builds.of_image(administered.region, image)
            sizes = image_sizes.of_image(administered.region, administered.volumes, image)
        facts = {
            **image_life.view(living),
            "SnapshotIds": living.image.snapshot_ids if json else " ".join(living.image.snapshot_ids),
            "OwnBytes": sizes.own_bytes,
            "SharedBytes": sizes.shared_bytes,
            "FreedBytes": sizes.freed_bytes,
            "ExportBytes": sizes.export_bytes,
            "Recipe": built.recipe if built else "",
            "RecipeDigest": built.digest if built else "",
        }
        if json:
            facts["Packages"] = dict(built.packages) if built else {}
        show(facts, as_json=json)

"""souche image"""

import typer

from souche.cli import (
    image_adopt,
    image_build,
    image_check,
    image_clean,
    image_life,
    image_origins,
    image_publish,
    image_show,
    image_update,
    image_verify,
    uses,
)
from souche.cli.composition import Composition


def build(composition: Composition) -> typer.Typer:
    """The commands about official images."""
    app = typer.Typer(help="Images: publish, build, check, clean, verify, withdraw.", no_args_is_help=True)
    image_build.add(app, composition)
    image_update.add(app, composition)
    image_publish.add(app, composition)
    image_check.add(app, composition)
    uses.add_image(app, composition)
    image_show.add(app, composition)
    image_clean.add(app, composition)
    image_origins.add(app, composition)
    image_life.add(app, composition)
    image_adopt.add(app, composition)
    image_verify.add(app, composition)
    return app

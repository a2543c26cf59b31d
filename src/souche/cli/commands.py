"""The tree of commands."""

from collections.abc import Callable
from typing import Any

import typer

from souche import __version__, config, logs
from souche.cli import (
    account,
    alias,
    backup,
    bucket,
    export,
    fsck,
    image,
    import_image,
    marketplace,
    notices,
    quota,
    region,
    trash,
    uses,
)
from souche.cli.composition import Composition
from souche.cli.flags import with_settings
from souche.cli.output import told


def build(composition: Composition) -> typer.Typer:
    """All commands, working on what the composition root hands over."""
    app = typer.Typer(
        name="souche",
        help="A self-hosted region for OUTSCALE machine images (OMIs).",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.command("serve")(with_settings(_serve(composition)))
    app.command("info")(region.info)
    app.command("destroy")(region.build_destroy(composition))
    app.command("doctor")(region.doctor)
    app.command("fsck")(fsck.build(composition))
    app.command("import")(import_image.build(composition))
    app.command("notices")(notices.build(composition))
    app.command("restore")(backup.build_restore(composition))
    app.add_typer(account.build(composition), name="account")
    app.add_typer(alias.build(composition), name="alias")
    app.add_typer(backup.build(composition), name="backup")
    app.add_typer(bucket.build(composition), name="bucket")
    app.add_typer(export.build(composition), name="export")
    app.add_typer(image.build(composition), name="image")
    app.add_typer(marketplace.build(composition), name="marketplace")
    app.add_typer(quota.build(composition), name="quota")
    app.add_typer(uses.build_snapshot(composition), name="snapshot")
    app.add_typer(trash.build(composition), name="trash")
    app.callback(invoke_without_command=True)(_version)
    return app


def _version(
    *,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    """A self-hosted region for OUTSCALE machine images (OMIs)."""
    logs.configure("warning")
    if version:
        print(f"souche {__version__}")
        raise typer.Exit


def _serve(composition: Composition) -> Callable[..., None]:
    def serve(**given: Any) -> None:
        """Run the region until SIGINT or SIGTERM. Guests run on; whatever was under way is resumed at the next
        start."""
        with told():
            composition.serve(config.settings(given))

    return serve

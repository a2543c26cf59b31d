"""The tree of commands."""

from typing import Final

import typer

from souche import __version__
from souche.cli.composition import Composition
from souche.cli.groups import lazy_group

COMMANDS: Final = {  # for each command, its builder and its line in the list of commands
    "serve": ("souche.cli.region:build_serve", "Run the region until SIGINT or SIGTERM."),
    "api": ("souche.cli.region:build_api", "Answer the API alone, beside the region's `souche serve`."),
    "up": (
        "souche.cli.up:build_up",
        "Run the region of a file, with its accounts and images; then run a command for it.",
    ),
    "down": ("souche.cli.up:build_down", "End the server of a file's region."),
    "env": (
        "souche.cli.env:build",
        "Print the variables by which clients reach the region as an account, for a shell.",
    ),
    "wait": ("souche.cli.wait:build", "Wait until the region answers."),
    "info": (
        "souche.cli.region:build_info",
        "Print the region's endpoints, as recorded at its server's start.",
    ),
    "status": (
        "souche.cli.status:build",
        "Show the region's state, with or without a server: parts, room, disks, work.",
    ),
    "usage": ("souche.cli.usage:build", "Show how much of the region each account uses."),
    "destroy": ("souche.cli.region:build_destroy", "Remove a stopped region."),
    "doctor": ("souche.cli.doctor:build", "Check whether this machine has what Souche needs."),
    "fsck": ("souche.cli.fsck:build", "Check a region, running or not."),
    "import": ("souche.cli.import_image:build", "Import an image that another region has exported."),
    "notices": (
        "souche.cli.notices:build",
        "Show an account's notices about images that it launched, copied or was granted.",
    ),
    "restore": ("souche.cli.backup:build_restore", "Restore a region from a backup into a new folder."),
    "account": ("souche.cli.account:build", "Accounts of the region."),
    "alias": (
        "souche.cli.alias:build",
        "Stable names for changing images: NAME@CHANNEL (docs/aliases.md).",
    ),
    "backup": ("souche.cli.backup:build", "Back up the region while it runs."),
    "bucket": ("souche.cli.bucket:build", "Buckets of the region's object store (OOS)."),
    "config": ("souche.cli.config:build", "Settings of `souche serve`."),
    "fault": (
        "souche.cli.fault:build",
        "Injected faults, to test clients: a region served with --allow-faults.",
    ),
    "export": ("souche.cli.export:build", "Export images, and renew the URLs of exports."),
    "image": ("souche.cli.image:build", "Images: publish, build, check, clean, verify, withdraw."),
    "marketplace": ("souche.cli.marketplace:build", "Vendors' images for subscribers."),
    "quota": ("souche.cli.quota:build", "Limits of accounts."),
    "snapshot": ("souche.cli.uses:build_snapshot", "Snapshots of the region."),
    "state": ("souche.cli.state:build", "Named states of a region of simulated guests."),
    "vm": ("souche.cli.listing:build_vm", "VMs of the region, of all accounts."),
    "volume": ("souche.cli.listing:build_volume", "Volumes of the region, of all accounts."),
    "trash": ("souche.cli.trash:build", "Disks that have lost their record."),
}


def build(composition: Composition) -> typer.Typer:
    """All commands, for the parts from the composition root."""
    app = typer.Typer(
        name="souche",
        help="A self-hosted region for OUTSCALE machine images (OMIs).",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        cls=lazy_group(COMMANDS, composition),
    )
    app.callback(invoke_without_command=True)(_version)
    return app


def _version(
    *,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    """A self-hosted region for OUTSCALE machine images (OMIs)."""
    if version:
        print(f"souche {__version__}")
        raise typer.Exit

"""souche backup, souche restore"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from souche.cli.composition import BackupPlace, Composition, RecordsPlace
from souche.cli.flags import DatabaseFileFlag, HomeFlag, JsonFlag
from souche.cli.groups import DefaultGroup
from souche.cli.output import errors_shown, show
from souche.cli.progress import transfer_bar

if TYPE_CHECKING:
    from souche.backup.manifest import Manifest
    from souche.backup.verify import Verified

ToArgument = Annotated[str, typer.Argument(metavar="TO", help="Folder, or s3://BUCKET/PREFIX.")]
FromArgument = Annotated[str, typer.Argument(metavar="FROM", help="Folder, or s3://BUCKET/PREFIX.")]
EndpointFlag = Annotated[str, typer.Option("--oos-endpoint", help="URL of the bucket's S3 service.")]
KeyFileFlag = Annotated[
    Path | None,
    typer.Option(
        "--oos-key-file",
        help="File with a key to the bucket: access key ID and secret key, on one line each.",
        dir_okay=False,
    ),
]

DatabaseFlag = Annotated[
    str,
    typer.Option(
        "--database",
        envvar="SOUCHE_DATABASE",
        help="URL of an empty PostgreSQL database for the records, without a password.",
    ),
]

MAKE = DefaultGroup.default
HELP = "Back up the region while it runs: `souche backup --home DIR TO`."
VERIFY_ADVICE = """\
What to do: restore a backup that is not named here (souche restore --backup ID). Remove the files named above and make
a backup: it copies again what the region still has. If the medium is failing, begin in another place."""


def build(composition: Composition) -> typer.Typer:
    """The commands about backups."""
    app = typer.Typer(help=HELP, cls=DefaultGroup)
    _add_make(app, composition)
    _add_verify(app, composition)
    _add_list(app, composition)

    @app.callback(help=HELP)
    def group() -> None:
        """Contains only commands."""

    return app


def _add_make(app: typer.Typer, composition: Composition) -> None:
    @app.command(MAKE)
    def make(
        to: ToArgument,
        home: HomeFlag,
        oos_endpoint: EndpointFlag = "",
        oos_key_file: KeyFileFlag = None,
        json: JsonFlag = False,
    ) -> None:
        """Copy records, keys and disks, all of one instant. Data in earlier backups are not copied again. The region
        may run during the backup. The contents of buckets are not included. Status 1 if anything could not be backed
        up.

        The backup contains the key of every secret: keep it where only you can read.
        """
        with errors_shown(), transfer_bar() as on_progress:
            made = composition.backups().make(home, BackupPlace(to, oos_endpoint, oos_key_file), on_progress)
        problems = {**made.manifest.damaged}
        problems |= dict.fromkeys(made.uncaptured, "from its last capture: it could not be captured now")
        facts = {**_facts(made.manifest), "NewBytes": made.new_bytes}
        show({**facts, "Problems": problems} if json or problems else facts, as_json=json)
        if problems:
            raise typer.Exit(1)


def _add_verify(app: typer.Typer, composition: Composition) -> None:
    @app.command("verify")
    def verify(
        place: FromArgument,
        oos_endpoint: EndpointFlag = "",
        oos_key_file: KeyFileFlag = None,
        json: JsonFlag = False,
    ) -> None:
        """Read all backups in a place, and compare every byte with its checksum. Status 1 if anything is missing or
        damaged."""
        with errors_shown(), transfer_bar() as on_progress:
            done = composition.backups().verify(BackupPlace(place, oos_endpoint, oos_key_file), on_progress)
        _show_verified(done, as_json=json)
        if done.findings:
            raise typer.Exit(1)


def _show_verified(done: "Verified", *, as_json: bool) -> None:
    facts: dict[str, object] = {"Backups": done.backups, "Objects": done.objects, "Bytes": done.bytes}
    if as_json:
        found = [
            {"Key": each.key, "Problem": each.problem, "BackupIds": list(each.backup_ids)}
            for each in done.findings
        ]
        show({**facts, "Findings": found}, as_json=True)
        return
    show(facts, as_json=False)
    for each in done.findings:
        print(f"{each.problem} Needed by {', '.join(each.backup_ids)}.")
    if done.findings:
        print(VERIFY_ADVICE)


def _add_list(app: typer.Typer, composition: Composition) -> None:
    @app.command("list")
    def list_backups(
        place: FromArgument,
        oos_endpoint: EndpointFlag = "",
        oos_key_file: KeyFileFlag = None,
        json: JsonFlag = False,
    ) -> None:
        """List the backups in a place, oldest first. Status 1 if one of them cannot be read."""
        with errors_shown():
            found = composition.backups().every(BackupPlace(place, oos_endpoint, oos_key_file))
        for each in found:
            unread = {"BackupId": each.backup_id, "Problem": each.problem}
            show(_facts(each.manifest) if each.manifest else unread, as_json=json)
        if any(each.manifest is None for each in found):
            raise typer.Exit(1)


def build_restore(composition: Composition) -> Callable[..., None]:
    """The command that makes a region from a backup."""

    def restore(
        place: FromArgument,
        home: HomeFlag,
        backup: Annotated[str | None, typer.Option(help="ID of the backup. Default: the newest.")] = None,
        oos_endpoint: EndpointFlag = "",
        oos_key_file: KeyFileFlag = None,
        database: DatabaseFlag = "",
        database_file: DatabaseFileFlag = "",
        json: JsonFlag = False,
    ) -> None:
        """Restore a region from a backup into a new folder. Every byte is compared with its checksum. Then serve it
        with `souche serve --home DIR`. VMs that ran are started as after a failure of their host.

        The records go into SQLite in the folder, or with --database-file or --database into an empty PostgreSQL
        database, whichever of them the region used before. Then serve it with the same option.

        Do not serve it while the original region is served too.
        """
        records = RecordsPlace(database, database_file)
        with errors_shown(), transfer_bar() as on_progress:
            manifest = composition.backups().restore(
                BackupPlace(place, oos_endpoint, oos_key_file), backup, home, records, on_progress
            )
        show({**_facts(manifest), "Home": str(home.resolve())}, as_json=json)

    return restore


def _facts(manifest: "Manifest") -> dict[str, object]:
    return {
        "BackupId": manifest.backup_id,
        "Date": manifest.date,
        "Region": manifest.region,
        "Volumes": len(manifest.volumes),
        "Snapshots": len(manifest.snapshots),
        "Bytes": sum(layer.stored.bytes for layer in manifest.layers),
    }

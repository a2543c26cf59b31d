"""souche serve, souche api, souche info, souche destroy"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from souche import config
from souche.cli.composition import Composition
from souche.cli.config_file import read_config_file
from souche.cli.flags import HomeFlag, JsonFlag, with_settings
from souche.cli.output import errors_shown, show, show_if_json
from souche.faults import Faults
from souche.home import Home

API_SETTINGS: Final = (
    "home",
    "listen",
    "tls_cert",
    "tls_key",
    "tls_self_signed",
    "metrics_listen",
    "region",
    "database",
    "database_file",
    "endpoint",
    "audit_log",
    "audit_log_mib",
    "audit_log_files",
    "log_level",
)


def build_serve(composition: Composition) -> Callable[..., None]:
    """The command that runs a region."""

    def serve(**given: Any) -> None:
        """Run the region until SIGINT or SIGTERM. Guests keep running; the next start resumes all work under way."""
        with errors_shown():
            composition.serve(config.read_settings(given, file=read_config_file(given)))

    return with_settings(serve)


def build_api(composition: Composition) -> Callable[..., None]:
    """The command that answers the API alone."""

    def api(**given: Any) -> None:
        """Answer the API alone, beside the region's `souche serve`. It runs until SIGINT or SIGTERM; the server runs
        the operations. Several may run at the same time. The records must be in PostgreSQL; other settings are the
        server's."""
        with errors_shown():
            file = read_config_file(given)
            file = replace(file, values={"metrics_listen": "", **file.values})  # the default is the server's
            composition.api(config.read_settings(given, file=file))

    return with_settings(api, API_SETTINGS)


def build_info(composition: Composition) -> Callable[[Path, bool], None]:
    """The command that shows the region's endpoints."""

    def info(home: HomeFlag, json: JsonFlag = False) -> None:
        """Print the region's endpoints, as recorded at its server's start."""
        with errors_shown():
            told_home = Home(home.resolve())
            facts = told_home.read()
            if facts.get("AllowFaults"):
                facts["Faults"] = len(Faults(told_home.faults).every())
        show(facts, as_json=json)

    return info


def build_destroy(composition: Composition) -> Callable[[Path, bool, bool], None]:
    """The command that removes a region."""

    def destroy(
        home: HomeFlag,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
        json: JsonFlag = False,
    ) -> None:
        """Remove a stopped region: its records, also those in PostgreSQL, its guests, its network, and every disk,
        image and snapshot. If it was interrupted, run it again."""
        with errors_shown():
            database = composition.database_of(home)
        if not yes:
            records = f", and the region's records in the database {database}" if database else ""
            question = f"Remove {home} with every disk, image and snapshot in it{records}, permanently?"
            typer.confirm(question, abort=True, err=True)
        with errors_shown():
            composition.destroy(home)
        show_if_json({"Home": str(home.resolve()), "Database": database}, as_json=json)

    return destroy

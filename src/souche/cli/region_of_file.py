"""The region of a file, brought up and down (`souche up`, `souche down`)."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from souche import config, run
from souche.admin.action import Facts
from souche.cli import background, region_file
from souche.cli.composition import Composition
from souche.cli.env import client_variables, warn
from souche.cli.output import plain
from souche.cli.provisioning import provision
from souche.cli.region_file import RegionFile
from souche.cli.server import Server
from souche.client_variables import without_unwanted
from souche.config import BY_KEY, SETTINGS, Settings
from souche.errors import Invalid, ProgramMissing
from souche.home import Home

HOME_VARIABLE: Final = BY_KEY["home"].variable
NO_PROGRAM: Final = 127
"""the status of a shell that does not find a command (POSIX, Shell Command Language, 2.8.2)"""


class NoAccount(Invalid):
    """A command needs an account, and {file} has none: name one with --account."""


@dataclass(frozen=True)
class Ended:
    """A command that was run, and the status that it ended with."""

    status: int


def up(
    composition: Composition, file: Path, command: list[str], account: str | None, seconds: float
) -> Facts | Ended:
    """Make sure that the region of a file runs, and run the command, if there is one. Returns the facts to show, or the
    command's exit status.

    Raises:
        NoAccount, and those of `region_file.read`, `background.begin` and `provision`.
    """
    wanted = region_file.read(file)
    who = account or (wanted.accounts[0].name if wanted.accounts else None)
    if command and who is None:
        raise NoAccount(file=file)
    with _served(composition, wanted, _settings(wanted), seconds, kept=not command) as home:
        with composition.operate(home.path) as region:
            provision(region, wanted)
            variables = client_variables(region, home, who) if command and who else {}
        return Ended(_run(command, variables, home)) if command else _facts(home, wanted)


def down(file: Path, seconds: float) -> Facts:
    """End the server of a file's region, if one runs. Returns the region's home, and whether a server ended.

    Raises:
        StillThere, and those of `region_file.read`.
    """
    settings = _settings(region_file.read(file))
    return {"Home": str(Home(settings.home).path), "Ended": _end(settings, seconds)}


def _settings(wanted: RegionFile) -> Settings:
    return config.read_settings({}, _environment(), wanted.serve)


def _environment() -> dict[str, str]:
    """The variables, which win over the file as they do over that of --config; but for that of another home."""
    return {name: value for name, value in os.environ.items() if name != HOME_VARIABLE}


@contextmanager
def _served(
    composition: Composition, wanted: RegionFile, settings: Settings, seconds: float, *, kept: bool
) -> Iterator[Home]:
    """The region, served. A server that was started for this ends with the context, unless it is `kept` and all went
    well."""
    home = Home(settings.home)
    if Server(home.operator).process() is not None:
        background.wait(home, seconds)
        yield home
        return
    if wanted.state is not None:
        composition.states(home.path).load(wanted.state)
    background.begin(composition, home, _words(wanted), seconds)
    try:
        yield home
    except BaseException:
        _end(settings, seconds)
        raise
    if not kept:
        _end(settings, seconds)


def _end(settings: Settings, seconds: float) -> bool:
    """Whether a server ran."""
    home = Home(settings.home)
    ended = background.end(home, seconds)
    if settings.ephemeral:
        background.wait_gone(home, seconds)
    return ended


def _words(wanted: RegionFile) -> list[str]:
    """`serve` with a flag for each setting that the file or a variable has."""
    words = ["serve"]
    for setting in SETTINGS:
        value, source = config.source_of(setting, {}, _environment(), wanted.serve)
        if source.kind == "default":
            continue
        if setting.repeated:
            for each in config.each_value(setting, value):
                words += [setting.flag, str(each)]
        elif setting.kind is not bool:
            words += [setting.flag, str(value)]
        elif config.is_true(value):
            words.append(setting.flag)
    return words


def _run(command: list[str], variables: dict[str, str], home: Home) -> int:
    warn(variables)
    try:
        return run.foreground(
            command, without_unwanted(os.environ) | variables | {HOME_VARIABLE: str(home.path)}
        )
    except ProgramMissing:
        print(f"souche: There is no program '{plain(command[0])}'.", file=sys.stderr)
        return NO_PROGRAM


def _facts(home: Home, wanted: RegionFile) -> Facts:
    facts = home.read()
    return {
        "Home": str(home.path),
        "Region": facts["Region"],
        "Api": facts["Api"],
        "Oos": facts.get("Oos"),
        "Accounts": " ".join(each.name for each in wanted.accounts),
        "ProcessId": facts["ProcessId"],
        "Log": str(background.log_of(home)),
    }

"""souche config"""

import json as encoding
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer

from souche import config
from souche.cli.composition import Composition
from souche.cli.config_file import read_config_file
from souche.cli.flags import JsonFlag, with_settings
from souche.cli.output import errors_shown, plain
from souche.config import SETTINGS, Source

HOME: Final = "home"


@dataclass(frozen=True)
class SettingSource:
    """The value of a setting and its source; None: it is required and missing."""

    key: str
    value: Any
    source: Source


def build(composition: Composition) -> typer.Typer:
    """The commands about settings."""
    app = typer.Typer(help="Settings of `souche serve`.", no_args_is_help=True)
    app.callback()(lambda: None)
    app.command("show")(build_show())
    return app


def build_show() -> Callable[..., None]:
    """The command that shows settings."""

    def show(json: bool, **given: Any) -> None:
        """Show every setting as `souche serve` with the same flags, variables and file has it, and where each value
        is from."""
        with errors_shown():
            rows = list(_sourced(given))
        if json:
            print(encoding.dumps({each.key: _facts(each) for each in rows}))
        else:
            print(*_lines(rows), sep="\n")

    return with_settings(show, more={"json": JsonFlag})


def _sourced(given: dict[str, Any]) -> Iterator[SettingSource]:
    file = read_config_file(given)
    found = {each.key: config.source_of(each, given, os.environ, file) for each in SETTINGS}
    is_home_missing = found[HOME][0] is None
    if is_home_missing:
        given = {**given, HOME: Path("/")}  # a placeholder, to show the other settings
    made = config.read_settings(given, file=file)
    for key, (_, source) in found.items():
        yield SettingSource(key, None if key == HOME and is_home_missing else getattr(made, key), source)


def _facts(row: SettingSource) -> dict[str, Any]:
    value = str(row.value) if isinstance(row.value, Path) else row.value
    return {"Value": value, "Source": row.source.kind, "From": row.source.place}


def _lines(rows: list[SettingSource]) -> Iterator[str]:
    """Complete values, for any width of the terminal, so that they can be copied."""
    cells = [("setting", "value", "from")]
    cells += [(each.key, _text(each.value), plain(each.source.place or each.source.kind)) for each in rows]
    widths = [max(len(row[column]) for row in cells) for column in (0, 1)]
    for key, value, source in cells:
        yield f"{key:<{widths[0]}}  {value:<{widths[1]}}  {source}"


def _text(value: Any) -> str:
    if value is None or value in ("", ()):
        return "-"
    return plain(", ".join(value) if isinstance(value, tuple) else value)

"""The file of `--config`: TOML, a line for each setting, by the keys of docs/settings.md."""

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from souche import toml_file
from souche.config import BY_KEY, FILES, NO_FILE, BadSetting, ConfigFile, Setting

KEY: Final = "config"
FLAG: Final = "--config"
VARIABLE: Final = "SOUCHE_CONFIG"
PATHS: Final = ("home", *FILES)
WORDS: Final = {
    str: "a string",
    bool: "true or false",
    float: "a number",
    int: "a whole number",
    Path: "a string",
}


def read_config_file(given: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> ConfigFile:
    """The settings in the file that a flag, or otherwise its variable, names. A relative path in it is relative to the
    file's folder.

    Raises:
        BadSetting: it cannot be read, is no TOML, or has a key or a value that no setting has.
    """
    named = given.get(KEY) or environment.get(VARIABLE)
    return _read_file(Path(named)) if named else NO_FILE


def _read_file(path: Path) -> ConfigFile:
    path = path.resolve()
    try:
        table = toml_file.read(path)
    except OSError as error:
        raise BadSetting(flag=FLAG, reason=f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise BadSetting(flag=FLAG, reason=f"{path} is not TOML: {error}") from error
    return table_settings(table, path)


def table_settings(table: Mapping[str, Any], path: Path) -> ConfigFile:
    """Settings by their keys, in a table of a file.

    Raises:
        BadSetting: it has a key or a value that no setting has.
    """
    for key in table:
        if key not in BY_KEY:
            near = suggestion(key.removeprefix("--").replace("-", "_"), BY_KEY)
            reason = f"{path}: there is no setting '{key}'{near or ' (docs/settings.md lists all)'}"
            raise BadSetting(flag=FLAG, reason=reason)
    return ConfigFile(path, {key: _read(BY_KEY[key], value, path) for key, value in table.items()})


def suggestion(key: str, known: Iterable[str]) -> str:
    """Which key was perhaps meant; empty: none is near."""
    near = difflib.get_close_matches(key, list(known), 1)
    return f"; perhaps {near[0]}" if near else ""


def _read(setting: Setting, value: Any, path: Path) -> Any:
    if setting.repeated:
        if not isinstance(value, list) or not all(isinstance(each, setting.kind) for each in value):
            raise _wrong(setting, path, f"a list, each {WORDS[setting.kind]},")
        return tuple(value)
    wanted = {float: (int, float), Path: (str,)}.get(setting.kind, (setting.kind,))
    if not isinstance(value, wanted) or (isinstance(value, bool) and setting.kind is not bool):
        raise _wrong(setting, path, WORDS[setting.kind])
    if setting.key in PATHS and value:
        return str(path.parent / str(value))
    return value


def _wrong(setting: Setting, path: Path, wanted: str) -> BadSetting:
    return BadSetting(flag=FLAG, reason=f"{path}: {wanted} is expected for {setting.key}")

"""The sources of a setting's value: a flag, a variable, a file, or its default."""

import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from souche.config.settings import Settings
from souche.config.table import BY_KEY, FILES, SETTINGS, Setting
from souche.config.values import BadSetting, check_url

ANY_PORT: Final = "127.0.0.1:0"


@dataclass(frozen=True)
class ConfigFile:
    """The values in a file of `--config`, by the keys of settings (`cli/config_file.py`)."""

    path: Path | None
    values: Mapping[str, Any]


NO_FILE: Final = ConfigFile(None, {})


@dataclass(frozen=True)
class Source:
    """Where a value comes from. `place`: the flag, the variable, the file; None for a default."""

    kind: Literal["flag", "variable", "file", "default"]
    place: str | None = None


def read_settings(
    given: Mapping[str, Any], environment: Mapping[str, str] = os.environ, file: ConfigFile = NO_FILE
) -> Settings:
    """The settings. A flag wins over its environment variable, the variable over the file, the file over the default.

    Raises:
        BadSetting: one is missing, or not one of its choices.
    """
    if _is_ephemeral(given, environment, file):
        given = {**given, "home": Path(tempfile.gettempdir()) / f"souche-{secrets.token_hex(8)}"}
    values = {setting.key: _value(setting, given, environment, file) for setting in SETTINGS}
    values["home"] = values["home"].resolve()
    for key in FILES:
        if values[key]:
            values[key] = str(Path(values[key]).resolve())
    for setting in SETTINGS:
        if setting.key.endswith("endpoint") and values[setting.key]:
            check_url(setting.flag, values[setting.key])
    if _takes_any_port(values, given, environment, file):
        values["metrics_listen"] = ANY_PORT
    made = Settings(**values)
    return made if made.endpoint else replace(made, endpoint=f"{made.scheme}://{made.listen}")


def source_of(
    setting: Setting, given: Mapping[str, Any], environment: Mapping[str, str], file: ConfigFile
) -> tuple[Any, Source]:
    """The unchecked value of a setting, and its source."""
    if given.get(setting.key) is not None:
        return given[setting.key], Source("flag", setting.flag)
    if setting.variable in environment:
        return environment[setting.variable], Source("variable", setting.variable)
    if setting.key in file.values:
        return file.values[setting.key], Source("file", str(file.path))
    return setting.default, Source("default")


def _is_ephemeral(given: Mapping[str, Any], environment: Mapping[str, str], file: ConfigFile) -> bool:
    """Whether the home is a new one without a given name."""
    named = source_of(BY_KEY["home"], given, environment, file)[0] is not None
    return not named and bool(_value(BY_KEY["ephemeral"], given, environment, file))


def _takes_any_port(
    values: Mapping[str, Any], given: Mapping[str, Any], environment: Mapping[str, str], file: ConfigFile
) -> bool:
    """Whether /metrics uses any free port: it is not configured, and the region is one of several on its machine."""
    is_said = source_of(BY_KEY["metrics_listen"], given, environment, file)[1].kind != "default"
    return not is_said and bool(values["ephemeral"] or values["listen"].endswith(":0"))


def _value(
    setting: Setting, given: Mapping[str, Any], environment: Mapping[str, str], file: ConfigFile
) -> Any:
    value, _ = source_of(setting, given, environment, file)
    if setting.repeated:
        return each_value(setting, value)
    if value is None:
        raise BadSetting(flag=setting.flag, reason=f"it must be given (or {setting.variable} set)")
    if setting.choices and value not in setting.choices:
        raise BadSetting(flag=setting.flag, reason=f"one of {', '.join(setting.choices)} is expected")
    try:
        return is_true(value) if setting.kind is bool else setting.kind(value)
    except (ValueError, KeyError) as error:
        reason = f"'{value}' is not a valid {setting.kind.__name__}"
        raise BadSetting(flag=setting.flag, reason=reason) from error


def is_true(value: object) -> bool:
    """A flag as the command line gives it, or as a variable has it."""
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False, "": False}[value.lower()]
    return bool(value)


def each_value(setting: Setting, value: Any) -> tuple[Any, ...]:
    """The values of a repeated setting: a variable has commas between them."""
    given = value.split(",") if isinstance(value, str) else value
    return tuple(setting.kind(each) for each in given if each)

"""Flags made from the table of settings."""

import inspect
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from souche.config import SETTINGS, Setting

NO_MORE: Final[Mapping[str, Any]] = {}

HomeFlag = Annotated[
    Path, typer.Option("--home", envvar="SOUCHE_HOME", help="Folder of the region.", file_okay=False)
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DatabaseFileFlag = Annotated[
    str,
    typer.Option(
        "--database-file",
        envvar="SOUCHE_DATABASE_FILE",
        help="File with that URL in its one line, password included, which nobody else may read.",
    ),
]
"""beside `--database`, whose help a command words for itself"""
AcceptedCodes = Annotated[
    list[str] | None,
    typer.Option(
        "--accept",
        help="Code of a finding of severity high that does not prevent the publication; repeatable.",
    ),
]
VerifyFlag = Annotated[
    bool,
    typer.Option(
        help="Boot the image before it becomes public; refuse one that never reaches a login prompt. Not with "
        "simulated guests."
    ),
]


CONFIG_FLAG = inspect.Parameter(
    "config",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        Path | None,
        typer.Option(
            "--config",
            dir_okay=False,
            help="TOML file with settings by their keys (docs/settings.md). Flags and variables take precedence. "
            "[env: SOUCHE_CONFIG]",
            show_default=False,
        ),
    ],
)


def with_settings(
    command: Callable[..., None], keys: Collection[str] = (), more: Mapping[str, Any] = NO_MORE
) -> Callable[..., None]:
    """Give a command `--config`, and one flag for each setting, or for those of `keys`. It gets them by name, None for
    a flag that is not given. `more`: additional flags, False by default, with their annotations."""

    def wrapper(**given: Any) -> None:
        command(**given)

    own = (
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        for name, annotation in more.items()
    )
    parameters = [CONFIG_FLAG, *(_parameter(each) for each in SETTINGS if each.key in keys or not keys), *own]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    wrapper.__doc__ = command.__doc__
    wrapper.__name__ = command.__name__
    return wrapper


def _parameter(setting: Setting) -> inspect.Parameter:
    """The default is left to `config.read_settings`, so that flag, variable and default have one order everywhere."""
    choices = f" One of: {', '.join(setting.choices)}." if setting.choices else ""
    default = f" Default: {setting.default}." if setting.default else ""
    option = typer.Option(
        setting.flag,
        help=f"{setting.help}{choices}{default} [env: {setting.variable}]",
        show_default=False,
    )
    kind: Any = list[setting.kind] if setting.repeated else setting.kind  # type: ignore[name-defined]
    optional: Any = kind | None
    return inspect.Parameter(
        setting.key,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[optional, option],
    )

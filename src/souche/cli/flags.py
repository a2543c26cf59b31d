"""Flags made from the table of settings."""

import inspect
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any

import typer

from souche.config import SETTINGS, Setting

HomeFlag = Annotated[
    Path, typer.Option("--home", envvar="SOUCHE_HOME", help="Folder of the region.", file_okay=False)
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AcceptedCodes = Annotated[
    list[str] | None,
    typer.Option(
        "--accept",
        help="Code of a finding of severity high to publish with all the same; may be given repeatedly.",
    ),
]
VerifyFlag = Annotated[
    bool,
    typer.Option(
        help="Boot the image before it becomes public; one that never comes to a login prompt is refused. "
        "Not where guests are simulated."
    ),
]


def with_settings(command: Callable[..., None], keys: Collection[str] = ()) -> Callable[..., None]:
    """Give a command one flag for each setting, or for those of `keys`; it gets them by name, None where one is not
    given."""

    def wrapper(**given: Any) -> None:
        command(**given)

    parameters = [_parameter(each) for each in SETTINGS if each.key in keys or not keys]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    wrapper.__doc__ = command.__doc__
    wrapper.__name__ = command.__name__
    return wrapper


def _parameter(setting: Setting) -> inspect.Parameter:
    """The default is left to `config.settings`, so that flag, variable and default have one order everywhere."""
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

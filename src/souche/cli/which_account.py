"""The flag that selects the account of a command."""

from typing import Annotated, TypeAlias

import typer

AccountFlag: TypeAlias = Annotated[
    str | None, typer.Option("--account", help="Name or ID of the account, if there are several.")
]

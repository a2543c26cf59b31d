"""The flag that says which account a command is for."""

from typing import Annotated, TypeAlias

import typer

AccountFlag: TypeAlias = Annotated[
    str | None, typer.Option("--account", help="Name or ID of the account, where there are several.")
]

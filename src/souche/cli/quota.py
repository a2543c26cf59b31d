"""souche quota"""

from typing import Annotated

import typer

from souche.cli.actions import quotas
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown, show, show_if_json
from souche.model.quotas import NO_LIMIT

AccountArgument = Annotated[str, typer.Argument(help="Name or ID of the account.")]


def build(composition: Composition) -> typer.Typer:
    """The commands about quotas."""
    app = typer.Typer(help="Limits of accounts.", no_args_is_help=True)

    @app.command("show")
    def show_quotas(account: AccountArgument, home: HomeFlag, json: JsonFlag = False) -> None:
        """Show the quotas of an account, and its use of each."""
        with errors_shown(), composition.operate(home) as region:
            found = region.do(quotas.of_account, account)
        for facts in found:
            if json:
                show(facts, as_json=True)
            else:
                limit = "no limit" if facts["MaxValue"] == NO_LIMIT else facts["MaxValue"]
                print(f"{facts['Name']:<24}{facts['UsedValue']:>10}  of {limit}")

    @app.command("set")
    def set_quota(
        account: AccountArgument,
        name: Annotated[str, typer.Argument(help="Name of the quota, as shown by `souche quota show`.")],
        value: Annotated[int, typer.Argument(help="The limit; 0: none.")],
        home: HomeFlag,
        json: JsonFlag = False,
    ) -> None:
        """Set a quota of an account. Existing resources above it stay."""
        with errors_shown(), composition.operate(home) as region:
            changed = region.do(quotas.set_limit, account, name, value)
        show_if_json(changed, as_json=json)

    return app

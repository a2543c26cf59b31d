"""souche quota"""

from typing import Annotated

import typer

from souche.app import accounts, quotas
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import show, told
from souche.model.quotas import NO_LIMIT

AccountArgument = Annotated[str, typer.Argument(help="Name or ID of the account.")]


def build(composition: Composition) -> typer.Typer:
    """The commands about quotas."""
    app = typer.Typer(help="What accounts may have.", no_args_is_help=True)

    @app.command("show")
    def show_quotas(account: AccountArgument, home: HomeFlag, json: JsonFlag = False) -> None:
        """Show the quotas of an account, and what it has of each."""
        with told(), composition.administer(home) as administered:
            found = accounts.known(administered.region, account)
            for usage in quotas.usage(administered.region, found.account_id):
                facts = {"Name": usage.quota.name, "MaxValue": usage.limit, "UsedValue": usage.used}
                if json:
                    show(facts, as_json=True)
                else:
                    limit = "no limit" if usage.limit == NO_LIMIT else usage.limit
                    print(f"{usage.quota.name:<24}{usage.used:>10}  of {limit}")

    @app.command("set")
    def set_quota(
        account: AccountArgument,
        name: Annotated[str, typer.Argument(help="Name of the quota, as `souche quota show` has it.")],
        value: Annotated[int, typer.Argument(help="What the account may have; 0 for no limit.")],
        home: HomeFlag,
    ) -> None:
        """Set a quota of an account. What the account has above it stays."""
        with told(), composition.administer(home) as administered:
            found = accounts.known(administered.region, account)
            quotas.set_limit(administered.region, found, name, value)

    return app

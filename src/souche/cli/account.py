"""souche account"""

from typing import Annotated

import typer

from souche.app import accounts
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import show, told


def build(composition: Composition) -> typer.Typer:
    """The commands about accounts."""
    app = typer.Typer(help="Accounts of the region.", no_args_is_help=True)

    @app.command()
    def create(
        name: Annotated[str, typer.Argument(help="Its name, unique in the region.")],
        home: HomeFlag,
        alias: Annotated[
            str | None, typer.Option(help="Shown beside the images that the account publishes.")
        ] = None,
        json: JsonFlag = False,
    ) -> None:
        """Create an account with an access key. The secret is shown now and never again."""
        with told(), composition.administer(home, make=True) as administered:
            account, key, secret = accounts.create(administered.region, name, alias)
        facts = {
            "AccountId": account.account_id,
            "AccessKeyId": key.access_key_id,
            "SecretKey": secret,
        }
        show(facts, as_json=json)

    @app.command("list")
    def list_accounts(home: HomeFlag, json: JsonFlag = False) -> None:
        """List the accounts."""
        with told(), composition.administer(home) as administered:
            for account in accounts.every(administered.region):
                facts = {"AccountId": account.account_id, "Name": account.name, "Alias": account.alias or ""}
                if json:
                    show(facts, as_json=True)
                else:
                    print("  ".join(facts.values()))

    return app

"""souche account key"""

from typing import Annotated

import typer

from souche.cli.actions import access_keys
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.groups import Group
from souche.cli.output import errors_shown, plain, show, show_if_json

AccountArgument = Annotated[str, typer.Argument(help="Name or ID of the account.")]
KeyArgument = Annotated[str, typer.Argument(help="ID of the access key.")]


def build(composition: Composition) -> typer.Typer:
    """The commands about the access keys of an account, also of one that has lost its last secret."""
    app = typer.Typer(help="Access keys of an account.", no_args_is_help=True, cls=Group)

    @app.command()
    def create(account: AccountArgument, home: HomeFlag, json: JsonFlag = False) -> None:
        """Give an account another access key. The secret is shown now and never again."""
        with errors_shown(), composition.operate(home) as region:
            made = region.do(access_keys.create, account)
        show(made, as_json=json)

    @app.command("list")
    def list_keys(account: AccountArgument, home: HomeFlag, json: JsonFlag = False) -> None:
        """List the access keys of an account. Their secrets are never shown."""
        with errors_shown(), composition.operate(home) as region:
            found = region.do(access_keys.of_account, account)
        for facts in found:
            if json:
                show(facts, as_json=True)
            else:
                print("  ".join(plain(value or "") for value in facts.values()))

    @app.command()
    def disable(
        account: AccountArgument, access_key_id: KeyArgument, home: HomeFlag, json: JsonFlag = False
    ) -> None:
        """Disable an access key until it is enabled."""
        with errors_shown(), composition.operate(home) as region:
            changed = region.do(access_keys.set_active, account, access_key_id, active=False)
        show_if_json(changed, as_json=json)

    @app.command()
    def enable(
        account: AccountArgument, access_key_id: KeyArgument, home: HomeFlag, json: JsonFlag = False
    ) -> None:
        """Enable an access key again, without an expiration date."""
        with errors_shown(), composition.operate(home) as region:
            changed = region.do(access_keys.set_active, account, access_key_id, active=True)
        show_if_json(changed, as_json=json)

    @app.command()
    def delete(
        account: AccountArgument, access_key_id: KeyArgument, home: HomeFlag, json: JsonFlag = False
    ) -> None:
        """Delete an access key permanently."""
        with errors_shown(), composition.operate(home) as region:
            deleted = region.do(access_keys.delete, account, access_key_id)
        show_if_json(deleted, as_json=json)

    return app

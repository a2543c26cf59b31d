"""souche account key"""

from typing import Annotated

import typer

from souche.app import access_keys, accounts
from souche.app.access_keys import Changes
from souche.app.region import Region
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import plain, show, told
from souche.db.schema import utc_text
from souche.model.accounts import AccessKey, Principal
from souche.model.query import Query

AccountArgument = Annotated[str, typer.Argument(help="Name or ID of the account.")]
KeyArgument = Annotated[str, typer.Argument(help="ID of the access key.")]


def build(composition: Composition) -> typer.Typer:
    """The commands about the access keys of an account, also of one that has lost its last secret."""
    app = typer.Typer(help="Access keys of an account.", no_args_is_help=True)

    @app.command()
    def create(account: AccountArgument, home: HomeFlag, json: JsonFlag = False) -> None:
        """Give an account another access key. The secret is shown now and never again."""
        with told(), composition.administer(home) as administered:
            key, secret = access_keys.create(administered.region, _owner(administered.region, account))
        show({"AccessKeyId": key.access_key_id, "SecretKey": secret}, as_json=json)

    @app.command("list")
    def list_keys(account: AccountArgument, home: HomeFlag, json: JsonFlag = False) -> None:
        """List the access keys of an account. Their secrets are told by nobody."""
        with told(), composition.administer(home) as administered:
            for key in access_keys.find(administered.region, _owner(administered.region, account), Query()):
                facts = _facts(key)
                if json:
                    show(facts, as_json=True)
                else:
                    print("  ".join(plain(value or "") for value in facts.values()))

    @app.command()
    def disable(account: AccountArgument, access_key_id: KeyArgument, home: HomeFlag) -> None:
        """Have an access key open nothing, until it is enabled."""
        with told(), composition.administer(home) as administered:
            owner = _owner(administered.region, account)
            access_keys.update(administered.region, owner, access_key_id, Changes(active=False))

    @app.command()
    def enable(account: AccountArgument, access_key_id: KeyArgument, home: HomeFlag) -> None:
        """Let an access key open what it did, without an expiration date."""
        with told(), composition.administer(home) as administered:
            owner = _owner(administered.region, account)
            access_keys.update(administered.region, owner, access_key_id, Changes(active=True))

    @app.command()
    def delete(account: AccountArgument, access_key_id: KeyArgument, home: HomeFlag) -> None:
        """Delete an access key, for good."""
        with told(), composition.administer(home) as administered:
            access_keys.delete(administered.region, _owner(administered.region, account), access_key_id)

    return app


def _owner(region: Region, account: str) -> Principal:
    return Principal(accounts.known(region, account).account_id)


def _facts(key: AccessKey) -> dict[str, str | None]:
    return {
        "AccessKeyId": key.access_key_id,
        "State": "ACTIVE" if key.active else "INACTIVE",
        "CreationDate": utc_text(key.creation_date),
        "ExpirationDate": utc_text(key.expiration_date) if key.expiration_date else None,
        "Tag": key.tag,
    }

"""souche account"""

from pathlib import Path
from typing import Annotated

import typer

from souche import small_file
from souche.admin.listener import Listener
from souche.cli import account_keys
from souche.cli.actions import account_deletion, accounts
from souche.cli.composition import Composition
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown, plain, show, show_if_json
from souche.errors import Invalid

AccountArgument = Annotated[str, typer.Argument(help="Name or ID of the account.")]


class HalfCredentials(Invalid):
    """--access-key and --secret-key-file go together."""


def build(composition: Composition) -> typer.Typer:
    """The commands about accounts."""
    app = typer.Typer(help="Accounts of the region.", no_args_is_help=True)
    app.add_typer(account_keys.build(composition), name="key")
    _add_create(app, composition)
    _add_reads(app, composition)
    _add_changes(app, composition)
    _add_delete(app, composition)
    return app


def _add_create(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def create(
        name: Annotated[str, typer.Argument(help="Its name, unique in the region.")],
        home: HomeFlag,
        alias: Annotated[
            str | None, typer.Option(help="Alias of the account, shown with its images.")
        ] = None,
        access_key: Annotated[
            str | None,
            typer.Option(help="ID of its access key: 20 upper-case letters and digits. Default: a new one."),
        ] = None,
        secret_key_file: Annotated[
            Path | None,
            typer.Option(help="File with the secret key of --access-key, 40 characters on one line."),
        ] = None,
        if_missing: Annotated[
            bool,
            typer.Option(
                "--if-missing",
                help="Accept an existing account of this name. It gets the key of --access-key if it has none with "
                "that ID.",
            ),
        ] = False,
        json: JsonFlag = False,
    ) -> None:
        """Create an account with an access key. The secret is shown now and never again."""
        with errors_shown():
            secret = _secret(access_key, secret_key_file)
            with composition.operate(home, make=True) as region:
                made = region.do(
                    accounts.create,
                    name,
                    alias,
                    access_key_id=access_key,
                    secret=secret,
                    if_missing=if_missing,
                )
        show(made, as_json=json)


def _add_reads(app: typer.Typer, composition: Composition) -> None:
    @app.command("list")
    def list_accounts(home: HomeFlag, json: JsonFlag = False) -> None:
        """List the accounts."""
        with errors_shown(), composition.operate(home) as region:
            found = region.do(accounts.every)
        for facts in found:
            if json:
                show(facts, as_json=True)
            else:
                print("  ".join(map(plain, facts.values())))

    @app.command("show")
    def show_account(account: AccountArgument, home: HomeFlag, json: JsonFlag = False) -> None:
        """Show an account."""
        with errors_shown(), composition.operate(home) as region:
            found = region.do(accounts.known, account)
        show(found, as_json=json)

    @app.command("api-access")
    def api_access(
        account: AccountArgument,
        home: HomeFlag,
        reset: Annotated[
            bool,
            typer.Option("--reset", help="Replace the rules by one that allows all addresses."),
        ] = False,
        json: JsonFlag = False,
    ) -> None:
        """List the API access rules of an account: the addresses that may use its keys."""
        with errors_shown(), composition.operate(home) as region:
            rules = region.do(accounts.api_access, account, reset=reset)
        for rule in rules:
            if json:
                show(rule, as_json=True)
            else:
                print(
                    rule["ApiAccessRuleId"],
                    " ".join(rule["IpRanges"]),
                    plain(rule["Description"]),
                    sep="  ",
                )


def _add_changes(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def rename(
        account: AccountArgument,
        name: Annotated[str, typer.Argument(help="Its new name, unique in the region.")],
        home: HomeFlag,
        json: JsonFlag = False,
    ) -> None:
        """Give an account another name. Its ID, alias and resources do not change."""
        with errors_shown(), composition.operate(home) as region:
            changed = region.do(accounts.rename, account, name)
        show_if_json(changed, as_json=json)

    @app.command()
    def disable(account: AccountArgument, home: HomeFlag, json: JsonFlag = False) -> None:
        """Disable all keys of an account, for buckets too. Its resources stay, and its VMs keep running."""
        with errors_shown(), composition.operate(home) as region:
            changed = region.do(accounts.set_disabled, account, disabled=True)
        show_if_json(changed, as_json=json)

    @app.command()
    def enable(account: AccountArgument, home: HomeFlag, json: JsonFlag = False) -> None:
        """Enable the keys of a disabled account again."""
        with errors_shown(), composition.operate(home) as region:
            changed = region.do(accounts.set_disabled, account, disabled=False)
        show_if_json(changed, as_json=json)


def _add_delete(app: typer.Typer, composition: Composition) -> None:
    @app.command()
    def delete(
        account: AccountArgument,
        home: HomeFlag,
        with_everything: Annotated[
            bool,
            typer.Option(
                "--with-everything",
                help="Also delete its VMs, images, snapshots, volumes, keys, buckets and all other resources.",
            ),
        ] = False,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
        json: JsonFlag = False,
    ) -> None:
        """Delete an account permanently: an empty one, or with --with-everything. Its name can be used again, its ID
        cannot. After an interruption, run the same command again."""
        if not yes and typer.prompt(f"Type {account} to delete this account for good", err=True) != account:
            raise typer.Abort
        from souche.cli.progress import step_bar

        with errors_shown(), composition.operate(home) as region, step_bar() as on_progress:
            deleted = region.heard_by(Listener(step=on_progress)).do(
                account_deletion.delete, account, with_everything=with_everything
            )
        show_if_json(deleted, as_json=json)


def _secret(access_key: str | None, secret_key_file: Path | None) -> str | None:
    """The secret of --access-key.

    Raises:
        HalfCredentials, TooLarge. OSError: the file cannot be read.
    """
    if (access_key is None) != (secret_key_file is None):
        raise HalfCredentials
    return small_file.read(secret_key_file).decode(errors="replace").strip() if secret_key_file else None

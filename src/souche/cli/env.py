"""souche env"""

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from souche.cli.actions import access_keys
from souche.cli.composition import Composition, Operated
from souche.cli.flags import HomeFlag, JsonFlag
from souche.cli.output import errors_shown, plain, show
from souche.client_variables import leading_away, unwanted, variables, without_unwanted
from souche.home import Home

TRUST: Final = {
    "SSL_CERT_FILE": "Go (octl, Terraform, Packer), curl",
    "REQUESTS_CA_BUNDLE": "Python: the SDK, osc-cli",
    "AWS_CA_BUNDLE": "aws-cli, boto3",
}
"""for each variable with the file of an authority, the clients that read it (docs/tls.md)"""


def build(composition: Composition) -> Callable[..., None]:
    """The command that prints the variables for clients of a region."""

    def env(
        account: Annotated[str, typer.Argument(help="Name or ID of the account that the clients act as.")],
        home: HomeFlag,
        access_key: Annotated[
            str | None, typer.Option(help="ID of the access key. Default: the oldest usable one.")
        ] = None,
        json: JsonFlag = False,
    ) -> None:
        """Print the variables by which clients reach the region as an account, for a shell:
        eval "$(souche env NAME)". The secret key is one of them. Where the region has a certificate of its own
        (--tls-self-signed), comments say which variables make clients trust it: they are not set, since most clients
        would then trust no other server in that shell."""
        with errors_shown(), composition.operate(home) as region:
            place = Home(home.resolve())
            found = client_variables(region, place, account, access_key)
            trusted = place.read().get("TlsTrusted")
        if json:
            show(found, as_json=True)
        else:
            _print(found)
            if trusted is not None and Path(str(trusted)).resolve() == place.authority.resolve():
                _print_trust(place.authority)
        warn(found)

    return env


def client_variables(
    region: Operated, home: Home, account: str, access_key: str | None = None
) -> dict[str, str]:
    """The variables with which clients use a region as an account, with its oldest usable key or with this one.

    Raises:
        NotServed, NoSuchAccount, NoUsableKey.
    """
    facts = home.read()
    key = region.do(access_keys.usable, account, access_key)
    buckets = facts.get("Oos")
    return variables(
        str(facts["Api"]),
        str(buckets) if buckets else None,
        str(facts["Region"]),
        key["AccessKeyId"],
        key["SecretKey"],
    )


def _print(found: dict[str, str]) -> None:
    for name in unwanted(os.environ):
        print(f"unset {name}")
    for name, value in found.items():
        print(f"export {name}={shlex.quote(value)}")


def _print_trust(authority: Path) -> None:
    """Print which variables make clients trust an authority. Comments come last: without quotes around $(...) the shell
    has all on one line."""
    print("# The region's own authority signed its certificate. Set what your clients read:")
    for name, clients in TRUST.items():
        print(plain(f"#   export {name}={shlex.quote(str(authority))}  # {clients}"))


def warn(found: dict[str, str]) -> None:
    """Print what would still lead clients elsewhere after the variables are set."""
    for reason in leading_away(without_unwanted(os.environ) | found):
        print(f"souche: warning: requests would go to the real cloud: {reason}", file=sys.stderr)

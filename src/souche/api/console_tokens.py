"""Souche's own CreateConsoleToken."""

from collections.abc import Mapping
from typing import Final

from souche.api.protocol import dates, schemas
from souche.api.protocol.dispatch import Call
from souche.app import console_tokens

SCHEMA: Final = schemas.of_request({"VmId": schemas.TEXT}, "VmId")


def create_console_token(call: Call) -> Mapping[str, object]:
    """Let the bearer of a token open the console of a VM of the caller's, once, within a minute."""
    made = console_tokens.create(call.region, call.who, str(call.request["VmId"]))
    return {
        "ConsoleToken": {
            "VmId": made.vm_id,
            "Token": made.token,
            "ExpirationDate": dates.shown(made.expiration_date),
        }
    }

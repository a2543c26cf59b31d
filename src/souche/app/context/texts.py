"""Length limits of texts that callers choose. PostgreSQL refuses longer ones."""

from typing import Final

from souche.value_refusals import ValueTooLong
from souche.words import Term

DESCRIPTION_LENGTH: Final = 255
CLIENT_TOKEN_LENGTH: Final = 64
VENDOR_LENGTH: Final = 255


def check_description(text: str | None) -> None:
    """Refuse a description that is too long.

    Raises:
        ValueTooLong.
    """
    _check(Term.DESCRIPTION, text, DESCRIPTION_LENGTH)


def check_vendor(text: str) -> None:
    """Refuse a vendor's name that is too long.

    Raises:
        ValueTooLong.
    """
    _check(Term.VENDOR, text, VENDOR_LENGTH)


def check_client_token(token: str | None) -> None:
    """Refuse a token that is too long.

    Raises:
        ValueTooLong.
    """
    _check(Term.CLIENT_TOKEN, token, CLIENT_TOKEN_LENGTH)


def _check(parameter: Term, text: str | None, most: int) -> None:
    if text is not None and len(text) > most:
        raise ValueTooLong(parameter=parameter, length=len(text), most=most)

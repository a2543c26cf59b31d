"""The form of page tokens: a text in base64. A token is no secret; it opens nothing."""

import base64

from souche.api.protocol.request_errors import BadPageToken


def encode(text: str) -> str:
    """The token of a text."""
    return base64.b64encode(text.encode()).decode()


def decode(token: str) -> str:
    """The text of a token.

    Raises:
        BadPageToken: it is not base64 of a text.
    """
    try:
        return base64.b64decode(token, validate=True).decode()
    except ValueError as error:
        raise BadPageToken from error

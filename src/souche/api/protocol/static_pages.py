"""Filters and pages over rows that are not in the database, such as VM types."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from souche.api.protocol import page_tokens
from souche.api.protocol.request_errors import BadPageToken

Row = TypeVar("Row")
Fields: TypeAlias = Mapping[str, Callable[[Row], object]]


def select(rows: Iterable[Row], filters: Mapping[str, Any], fields: Fields[Row]) -> list[Row]:
    """The rows that satisfy every filter; `fields` maps filters to fields. A list matches any of its values; an empty
    one filters nothing; any other value matches itself.
    """
    asked = {name: wanted for name, wanted in filters.items() if wanted != []}
    return [row for row in rows if all(_suits(fields[name](row), wanted) for name, wanted in asked.items())]


def _suits(value: object, wanted: object) -> bool:
    return value in wanted if isinstance(wanted, list) else value == wanted


def page(rows: Sequence[Row], request: Mapping[str, Any]) -> tuple[Sequence[Row], dict[str, str]]:
    """The requested page, and the part of the answer with the token of the next page.

    As reference section 1, "Pagination": a token is returned only if the request has `ResultsPerPage` and rows remain.

    Raises:
        BadPageToken: the request's token is not one of ours.
    """
    token = request.get("NextPageToken")
    start = _read_token(token) if token else 0
    size = request.get("ResultsPerPage", len(rows))
    more = start + size < len(rows)
    return rows[start : start + size], {
        "NextPageToken": page_tokens.encode(str(start + size))
    } if more else {}


def _read_token(token: str) -> int:
    try:
        start = int(page_tokens.decode(token))
    except ValueError as error:
        raise BadPageToken from error
    if start < 0:
        raise BadPageToken
    return start

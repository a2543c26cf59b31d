"""Pages of results: `ResultsPerPage` and `NextPageToken` (reference "Pagination").

A token is the position of the last row before its page. So rows created or deleted between two pages neither repeat nor
hide a row.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from souche.api.protocol import dates, page_tokens
from souche.api.protocol.request_errors import BadPageToken
from souche.model.query import Condition, PageRow, Position, Query
from souche.value_refusals import BadValue

MOST_RESULTS: Final = 1000

Item = TypeVar("Item")


def query(request: Mapping[str, Any], conditions: tuple[Condition, ...], default: int | None = None) -> Query:
    """A query with the conditions and the page of a request; `default` results if it sets no number.

    Raises:
        BadValue: ResultsPerPage is not 1 to 1000.
        BadPageToken: NextPageToken is not one of ours.
    """
    token = request.get("NextPageToken")
    return Query(conditions, limit(request) or default, _position(token) if token else None)


def limit(request: Mapping[str, Any]) -> int | None:
    """The number of results that a request sets; None: it sets none.

    Raises:
        BadValue: it is not 1 to 1000.
    """
    number: int | None = request.get("ResultsPerPage")
    if number is not None and not 1 <= number <= MOST_RESULTS:
        raise BadValue(parameter="ResultsPerPage", reason=f"1 to {MOST_RESULTS} is expected.")
    return number


def following(found: Sequence[Item], position: Callable[[Item], Position], *, more: bool) -> dict[str, str]:
    """The `NextPageToken` of an answer that shows `found`; none if no results remain."""
    if not more:
        return {}
    end = position(found[-1])
    return {"NextPageToken": _token(dates.shown(end.creation_date), end.resource_id)}


def after(end: PageRow | None) -> dict[str, str]:
    """As `following`, for a page that ends at this row; None: nothing remains."""
    return {} if end is None else {"NextPageToken": _token(end.creation_date, end.resource_id)}


def _token(creation_date: str, resource_id: str) -> str:
    return page_tokens.encode(f"{creation_date} {resource_id}")


def _position(token: str) -> Position:
    date_text, _, resource_id = page_tokens.decode(token).partition(" ")
    date = dates.read(date_text)
    if date is None or not resource_id:
        raise BadPageToken
    return Position(date, resource_id)

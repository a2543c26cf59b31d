import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from souche.api.protocol import pages
from souche.api.protocol.request_errors import BadPageToken
from souche.model.query import Position, Query
from souche.value_refusals import BadValue

POSITION = Position(datetime(2026, 11, 24, 10, 0, 0, 123000, tzinfo=UTC), "ami-12345678")


def token_of(position: Position) -> str:
    return pages.following([position], lambda last: last, more=True)["NextPageToken"]


def test_without_a_size_everything_comes_or_the_default() -> None:
    assert pages.query({}, ()) == Query()
    assert pages.query({}, (), default=100) == Query(limit=100)
    assert pages.query({"ResultsPerPage": 7}, (), default=100) == Query(limit=7)


@pytest.mark.parametrize("size", [0, -1, 1001])
def test_sizes_are_1_to_1000(size: int) -> None:
    with pytest.raises(BadValue, match="ResultsPerPage"):
        pages.query({"ResultsPerPage": size}, ())


def test_a_token_leads_to_its_place() -> None:
    wanted = pages.query({"ResultsPerPage": 1, "NextPageToken": token_of(POSITION)}, ())
    assert wanted == Query(limit=1, after=POSITION)


def test_no_token_without_more() -> None:
    assert pages.following([POSITION], lambda last: last, more=False) == {}


@settings(deadline=None)
@given(st.text(min_size=1))
def test_a_tag_key_of_any_text_makes_a_token(key: str) -> None:
    position = Position(POSITION.creation_date, f"ami-12345678/{key}")
    assert pages.query({"NextPageToken": token_of(position)}, ()).after == position


@settings(deadline=None)
@given(st.text(min_size=1) | st.binary(min_size=1).map(lambda raw: base64.b64encode(raw).decode()))
def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(BadPageToken):
        pages.query({"NextPageToken": token}, ())


@pytest.mark.parametrize(
    "text", ["2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z ", "0001-01-01T00:00+23:59 a"]
)
def test_half_tokens_are_refused(text: str) -> None:
    with pytest.raises(BadPageToken):
        pages.query({"NextPageToken": base64.b64encode(text.encode()).decode()}, ())

"""The table from errors to their status, Type and Code (reference section 1, "Error families")."""

import importlib.resources

import pytest
import yaml

from souche.api.protocol import errors
from souche.api.protocol.errors import Row
from souche.api.protocol.request_errors import RETRY_SECONDS
from souche.errors import RecordsUnavailable, WritersBusy

FAMILIES = {
    3: (400, "InvalidParameter"),
    4: (400, "InvalidParameterValue"),
    5: (400, "InvalidResource"),
    6: (409, "InvalidState"),
    7: (400, "MissingParameter"),
    8: (400, "OperationNotSupported"),
    9: (409, "ResourceConflict"),
    10: (400, "TooManyResources (QuotaExceeded)"),
    12: (404, "InvalidAction"),
}
"""by the thousands of the code"""

APART = {
    "1": (401, "AccessDenied"),
    "2": (405, "AccessDenied"),
    "5": (401, "AccessDenied"),
    "13": (401, "AccessDenied"),
    "1007": (424, "DependencyProblem"),
    "2000": (503, "InternalError"),
    "10000": (429, "TooManyResources (QuotaExceeded)"),
    "10001": (409, "TooManyResources (QuotaExceeded)"),
}
"""codes that have a status or a Type of their own"""

SEEN = {"4110", "4120", "4125", "9029", "9085", "9094", "10001"}
"""from 4000 on, codes that the service was seen to return and that the clients' list lacks"""

LIMITS = {(413, "4106"), (408, "4106"), (503, "10001")}
"""Souche's own: the size of a request, the time of its arrival, the space of the region"""

OURS = {"10000"}
"""too many requests: the service was seen to answer 429, and nobody recorded the code"""

ROWS = sorted(set(errors.TABLE.values()), key=lambda row: (int(row.code), row.status))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.code}-{row.status}")
def test_a_code_has_the_status_and_type_of_its_family(row: Row) -> None:
    status, kind = APART.get(row.code) or FAMILIES[int(row.code) // 1000]
    assert row.type == kind
    assert row.status == status or (row.status, row.code) in LIMITS


def test_codes_are_those_that_clients_know_by_name() -> None:
    """The list of osc-sdk-python begins at 4000, and has none of the 7xxx, 8xxx and 12000. Of quotas it has the older
    spelling."""
    listed = importlib.resources.files("osc_sdk_python").joinpath("resources/gateway_errors.yaml")
    text = listed.read_text().replace("(QuotaExceded)", "(QuotaExceeded)")
    known = {str(code): entry["Type"] for code, entry in yaml.safe_load(text).items()}
    ours = {row.code: row.type for row in ROWS if int(row.code) // 1000 in (4, 5, 6, 9, 10)}
    assert {code for code in ours if code not in known} == SEEN | OURS
    assert {code: kind for code, kind in ours.items() if known.get(code, kind) != kind} == {}


@pytest.mark.parametrize("kind", errors.TABLE, ids=lambda kind: kind.__name__)
def test_every_error_says_something(kind: type[BaseException]) -> None:
    """Empty Details cost users hours (reference section 12)."""
    assert (kind.__doc__ or "").strip()


def test_a_database_that_is_away_or_busy_is_worth_another_try() -> None:
    for kind in (RecordsUnavailable, WritersBusy):
        assert errors.row(kind) == Row(503, "InternalError", "2000", RETRY_SECONDS)

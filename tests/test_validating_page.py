"""docs/validating.md: each yes names tests that exist, each no a reason."""

import pytest

from tests.test_rules_pages import FOLDER, TEST, TESTS, defined, rows

PAGE = FOLDER.parent / "validating.md"
HEADER = ["what you want to validate", "here", "held by, or the reason"]
ROWS = [row for row in rows(PAGE) if row != HEADER]
GUESTS = "**guests**"


def test_the_page_says_both_what_works_and_what_does_not() -> None:
    assert {row[1] for row in ROWS} == {"yes", "no", GUESTS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:60])
def test_a_row_has_its_tests_or_its_reason(row: list[str]) -> None:
    assert len(row) == len(HEADER)
    what, answer, held_by = row
    named = TEST.findall(held_by)
    if answer == "no":
        assert not named
        assert len(held_by.split()) > 3
        return
    assert named
    assert TEST.sub("", held_by).strip(" ,") == ""
    assert [
        each for each in named if not (TESTS / each[0]).is_file() or each[1] not in defined(each[0])
    ] == []
    takes_guests = all(path.startswith("guests/") for path, _ in named)
    assert takes_guests == (answer == GUESTS), what

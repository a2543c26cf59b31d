"""An account's lines in the audit log are read from their end, a bounded part at a time."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from souche.audit_reader import AuditPage, AuditReader, Place, Wanted

START = datetime(2026, 11, 24, 10, tzinfo=UTC)
ALICE, BOB = "100000000001", "100000000002"
LONG_AGO = START - timedelta(days=365)


def line(number: int, account_id: str | None = ALICE, **more: object) -> bytes:
    """The line of a request, a second after that of the number before."""
    time = (START + timedelta(seconds=number)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    facts = {"time": time, "event": "request", "request_id": f"r-{number}", "account_id": account_id}
    return json.dumps({**facts, **more}, separators=(",", ":")).encode() + b"\n"


def write(path: Path, *lines: bytes) -> Path:
    with path.open("ab") as file:
        file.write(b"".join(lines))
    return path


def find(reader: AuditReader, most: int = 100, start: Place | None = None, **more: Any) -> AuditPage:
    wanted = {"account_id": ALICE, "since": LONG_AGO, "matches": lambda _line: True, "most": most}
    return reader.find(Wanted(**{**wanted, **more}), start)


def numbers(found: AuditPage) -> list[int]:
    return [int(str(each["request_id"]).removeprefix("r-")) for each in found.lines]


def pages(reader: AuditReader, most: int) -> Iterator[list[int]]:
    found = find(reader, most)
    yield numbers(found)
    while found.following is not None:
        found = find(reader, most, found.following)
        yield numbers(found)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def test_the_newest_come_first_and_others_never(log: Path) -> None:
    write(
        log,
        line(1),
        line(2, BOB, user_agent=f'"account_id":"{ALICE}"'),
        line(3, None),
        line(4, event="command"),
        line(5),
    )
    assert numbers(find(AuditReader(log, 3))) == [5, 1]


def test_rotated_files_are_read_after_the_present_one(log: Path, tmp_path: Path) -> None:
    write(tmp_path / "audit.jsonl.2", line(1))
    write(tmp_path / "audit.jsonl.1", line(2), line(3))
    write(log, line(4))
    assert numbers(find(AuditReader(log, 2))) == [4, 3, 2, 1]
    assert numbers(find(AuditReader(log, 1))) == [4, 3, 2]


def test_pages_go_on_although_lines_come_and_the_file_is_renamed(log: Path, tmp_path: Path) -> None:
    write(log, *map(line, range(1, 6)))
    reader = AuditReader(log, 3)
    first = find(reader, 2)
    assert numbers(first) == [5, 4]
    log.rename(tmp_path / "audit.jsonl.1")
    write(log, line(6))
    second = find(reader, 2, first.following)
    assert numbers(second) == [3, 2]
    third = find(reader, 2, second.following)
    assert (numbers(third), third.following) == ([1], None)


def test_a_page_that_ends_with_the_last_line_is_the_last(log: Path) -> None:
    write(log, line(1), line(2))
    assert find(AuditReader(log, 1), 2).following is None


def test_a_call_reads_a_bounded_part_and_the_next_goes_on(log: Path) -> None:
    """However the parts cut the lines."""
    write(log, *(line(number, ALICE if number % 7 == 0 else BOB) for number in range(200)))
    own = [number for number in range(199, -1, -1) if number % 7 == 0]
    for chunk in (300, 1000, 4096):
        reader = AuditReader(log, 1, most_bytes=2 * chunk, chunk=chunk)
        seen = list(pages(reader, 1000))
        assert len(seen) > 2
        assert [number for page in seen for number in page] == own


def test_what_is_older_is_not_searched(log: Path, tmp_path: Path) -> None:
    write(log, *(line(number, BOB) for number in range(100, 200)))
    write(tmp_path / "audit.jsonl.1", line(1))
    reader = AuditReader(log, 1, most_bytes=1 << 20, chunk=1000)
    found = find(reader, since=START + timedelta(seconds=150))
    assert found == AuditPage([], None)
    assert numbers(find(reader)) == [1]


def test_lines_that_were_cut_off_are_passed_over(log: Path) -> None:
    write(log, line(1), line(2)[:60] + b"\n", b"\n", line(3), line(4)[:-2])
    assert numbers(find(AuditReader(log, 1))) == [3, 1]


def test_a_place_in_a_file_that_is_gone_is_the_end(log: Path) -> None:
    write(log, line(1))
    assert find(AuditReader(log, 1), start=Place("0" * 16, 10)) == AuditPage([], None)
    assert find(AuditReader(log.with_name("none"), 1)) == AuditPage([], None)


def test_a_place_within_a_line_shows_nothing_of_it(log: Path) -> None:
    write(log, line(1), line(2))
    reader = AuditReader(log, 1)
    place = find(reader, 1).following
    assert place is not None
    assert numbers(find(reader, start=Place(place.file_id, place.offset + 40))) == [1]
    assert numbers(find(reader, start=Place(place.file_id, 1 << 40))) == [2, 1]

"""docs/security.md: everything that it calls defended names its tests, and they exist."""

import re

from tests.test_rules_pages import TEST, TESTS, defined, rows

PAGE = TESTS.parent / "docs" / "security.md"
HEADER = ["what", "tests"]
THREATS = [
    "Accounts",
    "Guests",
    "Disks, manifests and URLs",
    "The network",
    "Other users of this machine",
    "A home or a backup in other hands",
]


def test_what_is_defended_names_its_tests() -> None:
    claims = [row for row in rows(PAGE) if len(row) == len(HEADER) and row != HEADER]
    assert claims
    assert [what for what, tests in claims if not TEST.search(tests)] == []
    assert [tests for _, tests in claims if TEST.sub("", tests).strip(" ,")] == []


def test_the_tests_that_it_names_exist() -> None:
    missing = [
        f"{path}::{name}"
        for path, name in TEST.findall(PAGE.read_text())
        if not (TESTS / path).is_file() or name not in defined(path)
    ]
    assert missing == []


def test_each_threat_has_what_is_defended_and_what_is_not() -> None:
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    for threat in THREATS:
        assert TEST.search(sections[threat]), threat
        assert "Not defended" in sections[threat], threat

"""The pages of rules: every rule names its tests, and they exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FOLDER = TESTS.parent / "docs" / "rules"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.name != "README.md")
HEADER = ["rule", "source", "tests"]
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


@cache
def defined(path: str) -> frozenset[str]:
    """The test functions of a file, and those of its classes."""
    tree = ast.parse((TESTS / path).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def rows(page: Path) -> list[list[str]]:
    """The cells of every row of a page's tables, headers included."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if not all(set(cell) <= set("-:") for cell in row)]


def rules(page: Path) -> list[list[str]]:
    return [row for row in rows(page) if row != HEADER]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_row_has_a_rule_its_source_and_tests(page: Path) -> None:
    assert rules(page)
    assert [row for row in rules(page) if len(row) != len(HEADER) or not all(row)] == []
    assert [row for row in rules(page) if not TEST.search(row[-1])] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tests_that_rules_name_exist(page: Path) -> None:
    named = [match for row in rules(page) for match in TEST.findall(row[-1])]
    missing = [
        f"{path}::{name}" for path, name in named if not (TESTS / path).is_file() or name not in defined(path)
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nothing_else_stands_among_the_tests_of_a_rule(page: Path) -> None:
    """A name that is spelt in another way would not be checked."""
    left = [TEST.sub("", row[-1]).strip(" ,") for row in rules(page)]
    assert [text for text in left if text] == []

"""Which database a region's records are in, only `db/engines` knows."""

import re
from pathlib import Path

import souche
from tests.support import databases

on_both = databases.on_sqlite  # no database

SOURCE = Path(souche.__file__).parent
TESTS_OF_THE_DIALECT = re.compile(
    r"dialect\.name\s*(==|!=|in\b)|(==|!=)\s*[\"'](sqlite|postgresql)|isinstance\([^)]*(Sqlite|PostgreSql|Dialect)|"
    r"sqlalchemy\.dialects|import psycopg|from psycopg"
)


def test_nothing_outside_the_engines_asks_which_database_it_is() -> None:
    asking = [
        f"{file.relative_to(SOURCE)}: {line.strip()}"
        for file in sorted(SOURCE.rglob("*.py"))
        if "db/engines/" not in str(file)
        for line in file.read_text().splitlines()
        if TESTS_OF_THE_DIALECT.search(line)
    ]
    assert asking == []

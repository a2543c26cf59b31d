"""These tests run on both databases."""

from collections.abc import Iterator

import pytest

from tests.support.databases import Databases
from tests.support.databases import on_both as on_both


@pytest.fixture
def other(databases: Databases) -> Iterator[str]:
    """A name for a database."""
    yield "other"
    databases.server.execute("DROP DATABASE IF EXISTS other WITH (FORCE)")


@pytest.fixture
def clerk(databases: Databases, other: str) -> Iterator[str]:
    """The URL of a database of another role than the tests'."""
    databases.server.execute("CREATE ROLE clerk LOGIN", f"CREATE DATABASE {other}")
    yield databases.server.url(other).replace("postgres@", "clerk@")
    databases.server.execute(f"DROP DATABASE {other} WITH (FORCE)", "DROP ROLE clerk")

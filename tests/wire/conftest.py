from collections.abc import Iterator

import pytest

from tests.wire.server import Server, new_app, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server for the tests of one module."""
    with serving(new_app()) as running:
        yield running

"""Limits the memory of bodies whose sender is not yet known."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from souche.http.s3.answers import Refused

SMALL_BYTES: Final = 64 * 1024
"""Every connection may hold this much: enough for a policy or an ACL."""
MOST_BYTES: Final = 128 * 1024 * 1024
MOST_OF_ADDRESS: Final = 32 * 1024 * 1024


class HeldBodies:
    """The larger bodies of all connections. Used by one thread."""

    def __init__(self) -> None:
        self._by_address: Counter[str] = Counter()

    @contextmanager
    def hold(self, address: str, length: int) -> Iterator[None]:
        """Reserve memory for a body of `length` bytes, until the context ends.

        Raises:
            Refused: there is none at the moment.
        """
        counted = length if length > SMALL_BYTES else 0
        of_address = self._by_address[address] + counted
        if of_address > MOST_OF_ADDRESS or self._by_address.total() + counted > MOST_BYTES:
            raise Refused("SlowDown", "Please reduce your request rate.")
        self._by_address[address] = of_address
        try:
            yield
        finally:
            self._by_address[address] -= counted
            if not self._by_address[address]:
                del self._by_address[address]

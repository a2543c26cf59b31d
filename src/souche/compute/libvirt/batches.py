"""Does the work of several callers together, as a database commits several transactions with one write."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(eq=False)
class _Request(Generic[Item]):
    item: Item
    done: bool = False
    error: Exception | None = None


class Batches(Generic[Item]):
    """A caller that arrives during a batch joins the next one, whose first caller does the work of all. `work` gets the
    items of a batch and returns the errors of the failed ones, by position. If it raises, every caller of the batch
    gets the error."""

    def __init__(self, work: Callable[[Sequence[Item]], dict[int, Exception]]) -> None:
        self._work = work
        self._turn = threading.Lock()
        self._guard = threading.Lock()
        self._waiting: list[_Request[Item]] = []

    def do(self, item: Item) -> None:
        """Return when a batch with the item is done, or raise its error."""
        request = _Request(item)
        with self._guard:
            self._waiting.append(request)
        with self._turn:
            if not request.done:
                self._do_all()
        if request.error is not None:
            raise request.error

    def _do_all(self) -> None:
        with self._guard:
            batch, self._waiting = self._waiting, []
        try:
            errors = self._work([request.item for request in batch])
        except Exception as error:
            errors = dict.fromkeys(range(len(batch)), error)
        for place, request in enumerate(batch):
            request.error = errors.get(place)
            request.done = True

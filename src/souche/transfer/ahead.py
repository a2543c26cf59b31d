"""Runs the stages of a stream in parallel, each in its own thread: one waits for the network while others decompress
and write."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import Full, Queue
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

PAUSE_SECONDS: Final = 0.1


class _End:
    """Follows the last item: no error, or the error that ended the stage."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Stage(Generic[Item]):
    def __init__(self, items: Iterable[Item], depth: int) -> None:
        self._items = items
        self._queue: Queue[Item | _End] = Queue(depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="stage", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Item]:
        while not isinstance(item := self._queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except BaseException as raised:
            error = raised
        self._put(_End(error))

    def _put(self, item: Item | _End) -> bool:
        """Put an item into the queue. Returns whether the consumer still reads."""
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=PAUSE_SECONDS)
            except Full:
                continue
            return True
        return False


@contextmanager
def ahead(items: Iterable[Item], depth: int) -> Iterator[Iterator[Item]]:
    """The items, made by a thread that runs at most `depth` of them ahead. Errors of the producer are raised here. The
    thread has ended when the context ends."""
    stage = _Stage(items, depth)
    try:
        yield iter(stage)
    finally:
        stage.stop()

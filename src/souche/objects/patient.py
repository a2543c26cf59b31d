"""An object store that retries while the server is away: the embedded one takes 6 to 10 s to restart.

Each call is repeated until it succeeds or its time is over, so a stream need not begin again. `ask` is called before
and during each pause; if it raises (a cancelled export), the wait ends.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from souche.errors import RecordsUnavailable, SystemFailure, Unavailable
from souche.formats.extents import Bytes
from souche.objects.base import NoSuchUpload, ObjectStore, Part, Upload

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 5.0
ASK_SECONDS: Final = 1.0

Result = TypeVar("Result")


class WaitedInVain(SystemFailure):
    """{reason} (waited for {seconds:.0f} s)"""


@dataclass(frozen=True)
class Patience:
    """For how many seconds one call is repeated, and `ask`, which is called with the reason while waiting."""

    seconds: float
    ask: Callable[[str], object]

    def wait_for(self, call: Callable[[], Result]) -> Result:
        """Repeat a call until it no longer raises Unavailable.

        Raises:
            RecordsUnavailable: immediately.
            WaitedInVain: the time is over. It is not an Unavailable, so callers do not retry again.
        """
        return self.retried(lambda _again: call())

    def retried(self, call: Callable[[bool], Result]) -> Result:
        """Like `wait_for`. The argument of `call` is whether this is a retry."""
        began, pause, again = time.monotonic(), FIRST_PAUSE_SECONDS, False
        while True:
            try:
                return call(again)
            except RecordsUnavailable:
                raise  # not the object store: workflows wait for the database without limit
            except Unavailable as error:
                waited = time.monotonic() - began
                if waited >= self.seconds:
                    raise WaitedInVain(reason=str(error), seconds=waited) from error
                self._pause(min(pause, self.seconds - waited), str(error))
            pause, again = min(2 * pause, LONGEST_PAUSE_SECONDS), True

    def _pause(self, seconds: float, reason: str) -> None:
        never = threading.Event()
        self.ask(reason)
        while seconds > 0:
            never.wait(min(seconds, ASK_SECONDS))
            seconds -= ASK_SECONDS
            self.ask(reason)


@dataclass(frozen=True)
class PatientStore:
    """An `ObjectStore` in front of another one. Where that raises ObjectsUnavailable for too long, this one raises
    WaitedInVain."""

    store: ObjectStore
    patience: Patience

    def ensure_bucket(self, bucket: str) -> None:
        self.patience.wait_for(lambda: self.store.ensure_bucket(bucket))

    def remove_bucket(self, bucket: str, on_progress: Callable[[int], None]) -> None:
        self.patience.wait_for(lambda: self.store.remove_bucket(bucket, on_progress))

    def put(self, bucket: str, key: str, data: bytes, *, metadata: Mapping[str, str]) -> None:
        self.patience.wait_for(lambda: self.store.put(bucket, key, data, metadata=metadata))

    def get(self, bucket: str, key: str, *, most_bytes: int | None = None) -> bytes:
        return self.patience.wait_for(lambda: self.store.get(bucket, key, most_bytes=most_bytes))

    def delete(self, bucket: str, key: str) -> None:
        self.patience.wait_for(lambda: self.store.delete(bucket, key))

    def keys(self, bucket: str, prefix: str) -> list[str]:
        return self.patience.wait_for(lambda: self.store.keys(bucket, prefix))

    def start_upload(self, bucket: str, key: str) -> Upload:
        """If the answer of a try was lost, its upload remains unfinished; `uploads` lists it."""
        return self.patience.wait_for(lambda: self.store.start_upload(bucket, key))

    def put_part(self, upload: Upload, number: int, data: bytes | bytearray) -> Part:
        return self.patience.wait_for(lambda: self.store.put_part(upload, number, data))

    def put_part_stream(self, upload: Upload, number: int, length: int, stream: Iterable[Bytes]) -> Part:
        """Not retried, since the stream is used up. Raises ObjectsUnavailable."""
        return self.store.put_part_stream(upload, number, length, stream)

    def complete_upload(self, upload: Upload, parts: Sequence[Part]) -> None:
        """If the first answer was lost, the retry finds no upload, but the object exists."""

        def complete(again: bool) -> None:  # noqa: FBT001
            try:
                self.store.complete_upload(upload, parts)
            except NoSuchUpload:
                if not (again and upload.key in self.store.keys(upload.bucket, upload.key)):
                    raise

        self.patience.retried(complete)

    def abort_upload(self, upload: Upload) -> None:
        """Not retried: the caller is giving up anyway. Raises ObjectsUnavailable."""
        self.store.abort_upload(upload)

    def uploads(self, bucket: str, prefix: str) -> list[Upload]:
        return self.patience.wait_for(lambda: self.store.uploads(bucket, prefix))

    def presign(self, bucket: str, key: str, seconds: int) -> str:
        return self.store.presign(bucket, key, seconds)

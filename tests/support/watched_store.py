"""A store that holds what it says of the versions of images against what every test writes."""

from collections.abc import Iterator
from contextlib import contextmanager

from souche.db import images, schema
from souche.db.engines.base import Database
from souche.db.store import Store
from souche.db.transactions import Transaction

_SHOWN = images._TAGGED.add_columns(schema.images.c.image_id, schema.images.c.version)


class WatchedStore(Store):
    """After each transaction, every image is what it was when it last had the version that it has now: what is kept
    of an image by its version is true whatever was written, by whichever use-case or step of a workflow."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._seen: dict[tuple[str, int], tuple[str, str]] = {}

    @contextmanager
    def begin(
        self, *, dry_run: bool = False, request: bool = False, account_id: str = ""
    ) -> Iterator[Transaction]:
        with super().begin(dry_run=dry_run, request=request, account_id=account_id) as connection:
            yield connection
        self._look()

    def _look(self) -> None:
        with self.read() as connection:
            for image, tagged, image_id, version in connection.execute(_SHOWN):
                seen = self._seen.setdefault((image_id, version), (image, tagged))
                assert seen == (image, tagged), f"{image_id} was changed and has the version that it had"

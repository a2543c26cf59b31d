"""A page of resources in an open transaction."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from souche.model.query import PageRow
from souche.model.tags import Tag

Resource = TypeVar("Resource")


@dataclass(frozen=True)
class OpenPage(Generic[Resource]):
    """The resources of a page, oldest first, and whether more remain. `resources` reads some by their ids, each with
    its tags, in the transaction that found the page."""

    rows: Sequence[PageRow]
    more: bool
    resources: Callable[[Collection[str]], Mapping[str, tuple[Resource, Sequence[Tag]]]]

    @property
    def end(self) -> PageRow | None:
        """The row before the next page; None: nothing remains."""
        return self.rows[-1] if self.more else None

    def read(self, rows: Sequence[PageRow]) -> Iterator[tuple[PageRow, Resource, Sequence[Tag]]]:
        """The resources of some of the rows, in any order, with the caller's tags only."""
        if not rows:
            return
        wanted = {row.resource_id: row for row in rows}
        for resource_id, (resource, tagged) in self.resources(wanted).items():
            row = wanted[resource_id]
            yield row, resource, tagged if row.is_own else ()

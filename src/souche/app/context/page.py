"""A page of resources, as a Read action answers it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from souche.model.tags import Tag

Resource = TypeVar("Resource")


@dataclass(frozen=True)
class Page(Generic[Resource]):
    """A page of resources, oldest first, their tags by resource id, and whether more remain."""

    resources: list[Resource]
    tags: Mapping[str, tuple[Tag, ...]]
    more: bool

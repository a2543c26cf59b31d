"""What images that were built by a recipe were made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from souche.model.images import Image

Packages: TypeAlias = Mapping[str, str]
"""Names of packages, with their versions."""


@dataclass(frozen=True)
class Build:
    """How an image was built: the recipe's name, the digest of what it said then, and the packages in the image."""

    recipe: str
    digest: str
    packages: Packages


@dataclass(frozen=True)
class BuiltImage:
    """An image that was built, and is listed. `is_deprecated`: the operator said when it will be withdrawn."""

    image: Image
    build: Build
    is_deprecated: bool = False


@dataclass(frozen=True)
class PackageChange:
    """A package whose version is another one now."""

    name: str
    former: str
    now: str


def changed_packages(build: Build, now: Packages) -> list[PackageChange]:
    """The packages of an image that it would have in another version now.

    A package that only one of the two has does not count: it comes or goes because the recipe says so, which its digest
    shows, or because another package has a new version. So no image stays out of date after it was built again.
    """
    return [
        PackageChange(name, version, now[name])
        for name, version in sorted(build.packages.items())
        if now.get(name, version) != version
    ]

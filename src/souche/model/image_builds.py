"""What recipe-built images were made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from souche.model.images import Image

Packages: TypeAlias = Mapping[str, str]
"""Names of packages and their versions."""


@dataclass(frozen=True)
class Build:
    """How an image was built: the recipe's name, the recipe's digest at that time, and the packages in the image."""

    recipe: str
    digest: str
    packages: Packages


@dataclass(frozen=True)
class BuiltImage:
    """A listed image that a recipe built. `is_deprecated`: the operator has set a date for its withdrawal."""

    image: Image
    build: Build
    is_deprecated: bool = False


@dataclass(frozen=True)
class PackageChange:
    """A package with another version now."""

    name: str
    former: str
    now: str


def changed_packages(build: Build, now: Packages) -> list[PackageChange]:
    """The packages of an image that would now have another version.

    A package that only one of the two has does not count: it appears or disappears because of the recipe, whose digest
    shows it, or because another package has a new version. So no image stays out of date after a rebuild.
    """
    return [
        PackageChange(name, version, now[name])
        for name, version in sorted(build.packages.items())
        if now.get(name, version) != version
    ]

"""The contents of a recipe, and its digest (docs/recipes.md)."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date
from typing import Final

from souche.model.images import LINUX_PRODUCT_CODE, Architecture, BootMode

BUILT_IN: Final = "built-in"
LEAST_DISK_GIB: Final = 2
MOST_DISK_GIB: Final = 1024
# Smaller than OUTSCALE's default root volume of 10 GiB: the root grows at first boot, and a volume cannot be smaller
# than its image. Larger than the 0.5 GiB in use: a machine of this size still has space to install packages.
DISK_GIB: Final = 4


@dataclass(frozen=True)
class AddedFile:
    """A file that a recipe adds to the image; it belongs to root. `path` is absolute."""

    path: str
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True)
class Recipe:
    """A Debian image: its contents, its name, its way to boot. docs/recipes.md explains each field.

    `origin` is BUILT_IN or the path of its file. `mirror` and `security_mirror` are URLs; None: those of this machine's
    apt for the build, Debian's own in the image. `kernel` None: the one for `architecture`.
    """

    name: str
    family: str
    suite: str
    description: str = ""
    architecture: Architecture = "x86_64"
    boot_modes: tuple[BootMode, ...] = ("legacy", "uefi")
    disk_gib: int = DISK_GIB
    product_codes: tuple[str, ...] = (LINUX_PRODUCT_CODE,)
    components: tuple[str, ...] = ("main",)
    packages: tuple[str, ...] = ()
    kernel: str | None = None
    updates: bool = True
    security: bool = True
    mirror: str | None = None
    security_mirror: str | None = None
    files: tuple[AddedFile, ...] = ()
    commands: tuple[str, ...] = ()
    end_of_life: date | None = None
    origin: str = BUILT_IN

    @property
    def meaning(self) -> bytes:
        """Everything that defines the image, as canonical JSON: without the recipe's path and the end of
        maintenance."""
        facts = asdict(self)
        for name in ("name", "origin", "end_of_life"):
            del facts[name]
        facts["files"] = [
            [each.path, hashlib.sha256(each.content).hexdigest(), each.mode] for each in self.files
        ]
        return json.dumps(facts, sort_keys=True).encode()

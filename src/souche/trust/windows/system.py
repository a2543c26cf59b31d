"""A Windows system, as the checks use it."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

from souche.trust.disks.layout import Layout
from souche.trust.disks.tree import Tree
from souche.trust.linux.system import User
from souche.trust.windows.registry import Hive

VERSION: Final = r"Microsoft\Windows NT\CurrentVersion"
NOBODY: Final = ("default", "default user", "all users", "public", "desktop.ini")


@dataclass(frozen=True)
class System:
    """A system that is not running, and the day of the examination."""

    tree: Tree
    layout: Layout
    today: date

    @cached_property
    def software(self) -> Hive:
        return Hive(self.tree, "SOFTWARE")

    @cached_property
    def system(self) -> Hive:
        return Hive(self.tree, "SYSTEM")

    @cached_property
    def homes(self) -> list[tuple[User, str]]:
        """The folders of its users."""
        nodes = [node for node in self.tree.children("/Users") if node.is_directory]
        return [
            (User(node.name, None, node.path), node.path) for node in nodes if node.name.lower() not in NOBODY
        ]

    @property
    def build(self) -> int:
        """The number of its build; 0 if unknown."""
        text = self.software.text(VERSION, "CurrentBuild")
        return int(text) if text.isdecimal() else 0

    @property
    def name(self) -> str:
        """Product, edition and build."""
        product = self.software.text(VERSION, "ProductName") or "Windows"
        edition = self.software.text(VERSION, "EditionID")
        named = f"{product} ({edition})" if edition and edition.lower() not in product.lower() else product
        return f"{named}, build {self.build}" if self.build else named

"""A file system that no system of the disks mounts, such as that of a data disk."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from souche.trust.linux.system import MOST_USERS, System, User

NO_HOMES: Final = ("lost+found", "System Volume Information", "$RECYCLE.BIN")


@dataclass(frozen=True)
class Data(System):
    """A file system at the root of `tree`. A launch may mount it anywhere. It has no accounts: its top, each folder at
    its top and each folder in its `home` may be a home folder."""

    @cached_property
    def accounts(self) -> list[User]:
        """There are none."""
        return []

    @cached_property
    def users(self) -> list[User]:
        """A user for each folder that may be a home folder; the last for the top. At most a thousand."""
        folders = [
            node
            for top in ("/home", "/")
            for node in self.tree.children(top)
            if node.is_directory and node.name not in NO_HOMES
        ]
        if len(folders) > MOST_USERS:
            self.tree.cut_short("/")
        named = [User(node.name, None, node.path) for node in folders[:MOST_USERS]]
        return [*named, User("root", None, "/")]

    @cached_property
    def homes(self) -> list[tuple[User, str]]:
        """The folders of the users; that of the top is empty."""
        return [(user, user.home.rstrip("/")) for user in self.users]

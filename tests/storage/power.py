"""A medium that loses power: what may be on it after each operation of a call, with any of what was not synced gone.

The operations of the process are recorded as they happen. Before and after each, the folder is looked at: whatever has
changed, by this process or by a program that it ran, is on the medium only when the file (its bytes) or the folder
(its names) was synced. The file system may write the rest in any order: each folder
is, by itself, as it was synced last, as it is now, or as it was in between.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

Entry = tuple[str, int | str]
"""("file", inode), ("folder", inode) or ("link", target)"""
Names = dict[str, Entry]
CHANGES = ("rename", "replace", "link", "symlink", "unlink", "mkdir", "rmdir")


@dataclass(frozen=True)
class Medium:
    """Names by folder, relative to the root, and bytes by inode."""

    folders: dict[str, Names]
    contents: dict[int, bytes]

    def build(self, root: Path) -> None:
        """Make such a folder. A file whose bytes never came to the medium is empty."""
        self._build(root, ".")

    def _build(self, root: Path, folder: str) -> None:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name, (kind, what) in self.folders.get(folder, {}).items():
            path = root / folder / name
            if kind == "folder":
                self._build(root, os.path.normpath(f"{folder}/{name}"))
            elif kind == "link":
                path.symlink_to(str(what))
            else:
                path.write_bytes(self.contents.get(int(what), b""))


@dataclass
class Recorder:
    """What happens below a root. `synced` is what is on the medium for certain; `between` the names that a folder has
    had since; `whole` the bytes that files were synced with."""

    root: Path
    now: Medium = field(init=False)
    synced: Medium = field(init=False)
    between: dict[str, list[Names]] = field(default_factory=dict)
    whole: set[bytes] = field(default_factory=set)
    states: list[Medium] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)
    _files: dict[int, tuple[int, int, bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.now = self._look()
        self.synced = self.now
        self.whole.update(self.now.contents.values())

    def lose(self, path: Path, content: bytes) -> None:
        """What was written to a file lately is in the page cache only: the medium has this."""
        self.whole.discard(self.now.contents[path.stat().st_ino])
        self.synced.contents[path.stat().st_ino] = content

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record what this thread does."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", self._sync(os.fsync))
            for name in CHANGES:
                patch.setattr(os, name, self._change(getattr(os, name)))
            yield
        self.after()

    def after(self) -> None:
        """Something may have changed: add what may be on the medium if the power fails now."""
        now = self._look()
        for folder, names in now.folders.items():
            if names != self.now.folders.get(folder):
                self.between.setdefault(folder, []).append(names)
        self.now = now
        for state in self._possible():
            key = hash(
                (
                    repr(state.folders),
                    tuple(sorted((ino, hash(data)) for ino, data in state.contents.items())),
                )
            )
            if key not in self._seen:
                self._seen.add(key)
                self.states.append(state)

    def least(self) -> Medium:
        """What is there for certain."""
        return Medium(dict(self.synced.folders), dict(self.synced.contents))

    def _possible(self) -> Iterator[Medium]:
        lost, kept = dict(self.synced.contents), dict(self.now.contents)
        yield self.least()
        yield Medium(dict(self.now.folders), kept)
        yield Medium(dict(self.now.folders), lost)
        for folder, versions in self.between.items():
            for names in versions:
                yield Medium({**self.synced.folders, folder: names}, lost)
            before = self.synced.folders.get(folder, {})
            yield Medium({**self.now.folders, folder: before}, lost)

    def _change(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def changing(*arguments: Any, **options: Any) -> Any:
            self.after()
            done = function(*arguments, **options)
            self.after()
            return done

        return changing

    def _sync(self, function: Callable[[int], None]) -> Callable[[int], None]:
        def syncing(descriptor: int) -> None:
            self.after()
            function(descriptor)
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                folder = os.path.relpath(Path(f"/proc/self/fd/{descriptor}").readlink(), self.root)
                self.synced.folders[folder] = self.now.folders[folder]
                self.between.pop(folder, None)
            elif status.st_ino in self.now.contents:
                self.synced.contents[status.st_ino] = self.now.contents[status.st_ino]
                self.whole.add(self.now.contents[status.st_ino])
            self.after()

        return syncing

    def _look(self) -> Medium:
        folders: dict[str, Names] = {}
        contents: dict[int, bytes] = {}
        for folder, below, files in os.walk(self.root):
            names: Names = {}
            for name in (*below, *files):
                status = os.lstat(f"{folder}/{name}")
                if stat.S_ISLNK(status.st_mode):
                    names[name] = ("link", str((Path(folder) / name).readlink()))
                elif stat.S_ISDIR(status.st_mode):
                    names[name] = ("folder", status.st_ino)
                else:
                    names[name] = ("file", status.st_ino)
                    contents[status.st_ino] = self._read(Path(folder) / name, status)
            folders[os.path.relpath(folder, self.root)] = names
        return Medium(folders, contents)

    def _read(self, path: Path, status: os.stat_result) -> bytes:
        known = self._files.get(status.st_ino)
        if known is None or known[:2] != (status.st_mtime_ns, status.st_size):
            self._files[status.st_ino] = (status.st_mtime_ns, status.st_size, path.read_bytes())
        return self._files[status.st_ino][2]


def recorder(root: Path) -> Recorder:
    """One for a folder all of which is on the medium now."""
    found = Recorder(root)
    found.synced = replace(found.now, folders=dict(found.now.folders), contents=dict(found.now.contents))
    return found

"""Builds small disks instead of Debian's, from an archive that tests can change."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from souche.errors import ProgramFailed
from souche.model.image_builds import Packages
from souche.recipes.recipe import Recipe
from tests.support.exported import qcow2


@dataclass
class PretendedBuilder:
    """`archive` has today's packages with their versions. Builds from a suite in `broken` fail, a suite in `silent`
    does not answer, and disks of a suite in `cut` are truncated. `built` and `asked` have the names of recipes."""

    archive: dict[str, str] = field(default_factory=lambda: {"base-files": "13.8", "openssl": "3.5.1"})
    broken: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    built: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None
    """called while a build runs"""

    def build(
        self, recipe: Recipe, output: Path, *, work_dir: Path, progress: Callable[[str, float], None]
    ) -> Packages:
        """See `souche.recipes.debian`."""
        assert work_dir.parent == output.parent
        self.built.append(recipe.name)
        progress("installing packages", 0.0)
        self.meanwhile()
        if recipe.suite in self.broken:
            raise ProgramFailed(program="mmdebstrap", status=1, stderr="no mirror")
        disk = qcow2(recipe.name.encode())
        output.write_bytes(disk[: len(disk) // 2] if recipe.suite in self.cut else disk)
        return dict(self.archive)

    def plan(self, recipe: Recipe, *, work_dir: Path) -> Packages:
        """See `souche.recipes.debian`."""
        assert work_dir.is_dir()
        self.asked.append(recipe.name)
        if recipe.suite in self.silent:
            raise ProgramFailed(program="mmdebstrap", status=1, stderr="no answer")
        return dict(self.archive)

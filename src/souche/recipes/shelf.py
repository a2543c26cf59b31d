"""All recipes by name: Souche's own, and those of an operator's folder. A recipe is read on demand, so an invalid one
does not affect the others.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from souche.errors import Invalid
from souche.recipes import recipe_files
from souche.recipes.recipe import BUILT_IN, Recipe
from souche.recipes.recipe_files import SUFFIX

_OWN: Final = Path(__file__).parent


class UnknownRecipe(Invalid):
    """There is no recipe '{name}'. Recipes: {known}."""


class RecipeTwice(Invalid):
    """The recipe {file} has the name of a built-in one, so neither is used: give it another name."""


class NoRecipes(Invalid):
    """There is no folder of recipes '{folder}'."""


@dataclass(frozen=True)
class Shelf:
    """The recipes. `folder` is the operator's; None: there is none.

    Raises:
        NoRecipes: there is no such folder.
    """

    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.folder is not None and not self.folder.is_dir():
            raise NoRecipes(folder=self.folder)

    def names(self) -> list[str]:
        """All of them, in order."""
        return sorted({*_files(_OWN), *_files(self.folder)})

    def get(self, name: str) -> Recipe:
        """The recipe of a name.

        Raises:
            UnknownRecipe, RecipeTwice, BadRecipe. OSError: its file cannot be read.
        """
        built_in, own = _files(_OWN).get(name), _files(self.folder).get(name)
        if built_in and own:
            raise RecipeTwice(file=own)
        if own:
            return recipe_files.read(own)
        if built_in:
            return recipe_files.read(built_in, origin=BUILT_IN)
        raise UnknownRecipe(name=name, known=", ".join(self.names()))


def _files(folder: Path | None) -> dict[str, Path]:
    """The recipe files in a folder, by the names of the recipes, without hidden files."""
    found = sorted(folder.glob(f"*{SUFFIX}")) if folder else []
    return {file.name.removesuffix(SUFFIX): file for file in found if not file.name.startswith(".")}

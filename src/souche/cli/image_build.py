"""souche image build, souche image recipes"""

import sys
from typing import Annotated

import typer

from souche.cli.building import GraceDays, RecipesFlag, Terms, build_and_publish, check
from souche.cli.composition import Composition
from souche.cli.flags import AcceptedCodes, HomeFlag, JsonFlag, VerifyFlag
from souche.cli.output import errors_shown, show
from souche.cli.progress import step_bar
from souche.errors import SoucheError
from souche.model.image_lives import GRACE_DAYS
from souche.recipes.recipe import Recipe
from souche.recipes.shelf import Shelf

BUILT_IN = ", ".join(Shelf().names())


def add(app: typer.Typer, composition: Composition) -> None:
    """Add the commands."""
    _add_build(app, composition)
    _add_recipes(app)


def _add_build(app: typer.Typer, composition: Composition) -> None:
    @app.command("build")
    def build_image(
        recipe: Annotated[
            str, typer.Argument(help=f"One of: {BUILT_IN}, and those in the folder --recipes.")
        ],
        home: HomeFlag,
        recipes: RecipesFlag = None,
        account: Annotated[
            str | None,
            typer.Option(
                help="Name or ID of the account to publish for. Default: the provider's; its images are x86_64."
            ),
        ] = None,
        grace_days: GraceDays = GRACE_DAYS,
        accept: AcceptedCodes = None,
        verify: VerifyFlag = True,
        json: JsonFlag = False,
    ) -> None:
        """Build an image from a recipe and publish it, under a new id and name. It is an official image, unless it is
        for another account. Progress goes to standard error."""
        with errors_shown(), composition.operate(home, make=True) as region, step_bar() as progress:
            wanted = Shelf(recipes).get(recipe)
            terms = Terms(grace_days, tuple(accept or ()), verify)
            account_id = check(region, wanted, account, terms)
            made = build_and_publish(region, wanted, account_id, progress, terms)
        show(made, as_json=json)


def _add_recipes(app: typer.Typer) -> None:
    @app.command("recipes")
    def list_recipes(recipes: RecipesFlag = None, json: JsonFlag = False) -> None:
        """List the recipes: name, family, release, and source; with --json also the end of life, and the digest with
        which `update` detects changes. Status 1 if one is not valid."""
        with errors_shown():
            shelf = Shelf(recipes)
        valid = [_list(shelf, name, as_json=json) for name in shelf.names()]
        if not all(valid):
            raise typer.Exit(1)


def _list(shelf: Shelf, name: str, *, as_json: bool) -> bool:
    """Print one. Returns whether it is valid."""
    try:
        facts = view(shelf.get(name))
    except (SoucheError, OSError) as error:
        print(f"souche: {error}", file=sys.stderr)
        return False
    if as_json:
        show(facts, as_json=True)
    else:
        print(f"{facts['Recipe']:<16}  {facts['Family']:<16}  {facts['Suite']:<10}  {facts['Origin']}")
    return True


def view(recipe: Recipe) -> dict[str, object]:
    """A recipe as the command shows it."""
    from souche.recipes import debian

    return {
        "Recipe": recipe.name,
        "Family": recipe.family,
        "Suite": recipe.suite,
        "Architecture": recipe.architecture,
        "EndOfLife": recipe.end_of_life.isoformat() if recipe.end_of_life else "",
        "Origin": recipe.origin,
        "Digest": debian.digest(recipe),
    }

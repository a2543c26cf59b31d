"""souche image update

Looks at the listed image of each recipe and account: would its recipe make it differently now, because the recipe has
changed or because packages have other versions? docs/recipes.md has the statuses and a timer.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

import typer

from souche.admin.action import Facts
from souche.cli.actions import publications
from souche.cli.building import GraceDays, RecipesFlag, Terms, build_and_publish, check
from souche.cli.composition import Composition, Operated
from souche.cli.flags import AcceptedCodes, HomeFlag, JsonFlag, VerifyFlag
from souche.cli.output import errors_shown, in_words, show
from souche.cli.progress import step_bar
from souche.errors import Invalid, NotFound, SoucheError
from souche.home import UpdateUnderWay
from souche.model.image_builds import Build, PackageChange, changed_packages
from souche.model.image_lives import GRACE_DAYS
from souche.recipes.recipe import Recipe
from souche.recipes.shelf import Shelf

FAILED = 1
UNDER_WAY = 3
SHOWN_PACKAGES = 5
"""Most packages that a line names."""


class NothingToUpdate(Invalid):
    """Name the recipes (`souche image update RECIPE...`) or use --all, not both."""


class NothingBuilt(NotFound):
    """No image of the recipe '{recipe}' is listed: `souche image build {recipe}` builds one."""


class State(StrEnum):
    """The outcome for an image."""

    CURRENT = "current"
    DEPRECATED = "deprecated"
    OUTDATED = "outdated"
    BUILT = "built"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """The outcome for the image of a recipe. `former` is the image that was listed, and how it was built; `image` is
    the new one. `packages` are those that have other versions now."""

    recipe: str
    state: State
    former: Facts | None = None
    image: Facts | None = None
    reason: str = ""
    packages: list[PackageChange] = field(default_factory=list)


@dataclass(frozen=True)
class _Update:
    """One run of the command."""

    region: Operated
    shelf: Shelf
    terms: Terms
    dry_run: bool

    def each(self, names: list[str] | None) -> Iterable[Outcome]:
        """Update the images of these recipes, or of all. A failure does not stop the others."""
        built = self.region.do(publications.built)
        known = {each["Recipe"] for each in built}
        for name in names or ():
            if name not in known:
                yield self._nothing(name)
        for each in built:
            if names is None or each["Recipe"] in names:
                yield self._renewed(each)

    def _nothing(self, name: str) -> Outcome:
        try:
            self.shelf.get(name)
            raise NothingBuilt(recipe=name)
        except (SoucheError, OSError) as error:
            return Outcome(name, State.FAILED, reason=in_words(error))

    def _renewed(self, built: Facts) -> Outcome:
        name = built["Recipe"]
        if built["Deprecated"]:
            reason = "the operator has set the date of its withdrawal"
            return Outcome(name, State.DEPRECATED, built, reason=reason)
        try:
            return self._renew(built, self.shelf.get(name))
        except (SoucheError, OSError) as error:
            return Outcome(name, State.FAILED, built, reason=in_words(error))

    def _renew(self, built: Facts, recipe: Recipe) -> Outcome:
        account_id = check(self.region, recipe, built["AccountId"], self.terms)
        reason, packages = self._difference(built, recipe)
        if not reason:
            return Outcome(recipe.name, State.CURRENT, built)
        if self.dry_run:
            return Outcome(recipe.name, State.OUTDATED, built, reason=reason, packages=packages)
        with step_bar() as progress:
            image = build_and_publish(self.region, recipe, account_id, progress, self.terms)
        return Outcome(recipe.name, State.BUILT, built, image, reason, packages)

    def _difference(self, built: Facts, recipe: Recipe) -> tuple[str, list[PackageChange]]:
        """Why the recipe would now make a different image; empty if it would not. The archive is queried only if the
        recipe is the same."""
        from souche import staged
        from souche.recipes import debian

        if debian.digest(recipe) != built["Digest"]:
            return "the recipe has changed", []
        shop = self.region.workshop()
        with staged.folder(shop.staging) as folder:
            folder.chmod(0o711)  # apt downloads lists as its own user
            planned = shop.builder.plan(recipe, work_dir=folder)
        build = Build(built["Recipe"], built["Digest"], built["Packages"])
        packages = changed_packages(build, planned)
        return (_told(packages), packages) if packages else ("", [])


def add(app: typer.Typer, composition: Composition) -> None:
    """Add the command."""

    @app.command("update")
    def update(
        home: HomeFlag,
        recipe: Annotated[
            list[str] | None, typer.Argument(help="Recipes whose images to update.", show_default=False)
        ] = None,
        every: Annotated[
            bool, typer.Option("--all", help="All images built from recipes, of every account.")
        ] = False,
        recipes: RecipesFlag = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Only print the images that would be built, with reasons.")
        ] = False,
        grace_days: GraceDays = GRACE_DAYS,
        accept: AcceptedCodes = None,
        verify: VerifyFlag = True,
        json: JsonFlag = False,
    ) -> None:
        """Rebuild images that their recipes would now make differently: the recipe has changed, or packages have other
        versions. The new image replaces the previous one, as with `build`. Prints nothing if there is nothing to do.
        Status 1 if a recipe failed (the others are updated), and 3 if another update is under way."""
        from souche.app import official_images

        with errors_shown(), composition.operate(home) as region:
            if bool(recipe) == every:
                raise NothingToUpdate
            accepted = tuple(accept or ())
            official_images.check_accepted(accepted)
            official_images.check_grace_days(grace_days)
            terms = Terms(grace_days, accepted, verify)
            run = _Update(region, Shelf(recipes), terms, dry_run)
            good = _run(run, None if every else list(dict.fromkeys(recipe or ())), as_json=json)
        if not good:
            raise typer.Exit(FAILED)


def _run(run: _Update, names: list[str] | None, *, as_json: bool) -> bool:
    """Update, and print each outcome. Returns whether none failed."""
    good = True
    try:
        with run.region.workshop().updating():
            for outcome in run.each(names):
                _print(outcome, as_json=as_json)
                good = good and outcome.state != State.FAILED
    except UpdateUnderWay as error:
        print(f"souche: {error}", file=sys.stderr)
        raise typer.Exit(UNDER_WAY) from error
    return good


def _told(packages: list[PackageChange]) -> str:
    named = [f"{each.name} {each.former} -> {each.now}" for each in packages[:SHOWN_PACKAGES]]
    more = f", and {len(packages) - SHOWN_PACKAGES} more" if len(packages) > SHOWN_PACKAGES else ""
    return f"other versions of packages: {', '.join(named)}{more}"


def _print(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        show(view(outcome), as_json=True)
    if outcome.state == State.FAILED:
        print(f"souche: {outcome.recipe}: {outcome.reason}", file=sys.stderr)
    elif not as_json and outcome.state in (State.OUTDATED, State.BUILT):
        image = outcome.image or outcome.former
        assert image is not None
        print(
            f"{outcome.recipe}  {outcome.state}  {image['ImageId']}  {image['ImageName']}  ({outcome.reason})"
        )


def view(outcome: Outcome) -> dict[str, object]:
    """An outcome, as the command shows it. `ImageId` and `ImageName` are those of the listed image."""
    former, image = outcome.former, outcome.image or outcome.former
    return {
        "Recipe": outcome.recipe,
        "State": outcome.state,
        "AccountId": former["AccountId"] if former else "",
        "ImageId": image["ImageId"] if image else "",
        "ImageName": image["ImageName"] if image else "",
        "FormerImageId": former["ImageId"] if former and outcome.image else "",
        "Reason": outcome.reason,
        "Packages": [
            {"Name": each.name, "Former": each.former, "Now": each.now} for each in outcome.packages
        ],
    }

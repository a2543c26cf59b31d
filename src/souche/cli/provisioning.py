"""Creates the resources in a region's file (`souche up`). Existing ones do not change."""

from collections.abc import Callable
from functools import partial

from souche.cli.actions import accounts, keypairs, publications, quotas
from souche.cli.building import Terms, build_and_publish, check
from souche.cli.composition import Operated
from souche.cli.progress import step_bar
from souche.cli.publishing import Publication, publish
from souche.cli.region_file import AccountEntry, RecipeEntry, RegionFile
from souche.model.accounts import PROVIDER_ALIAS
from souche.recipes.recipe import Recipe
from souche.states import ImageState


def provision(region: Operated, wanted: RegionFile) -> None:
    """Make the accounts, then the images. Nothing is removed.

    Raises:
        Those of the actions and of `publishing.publish`.
    """
    for account in wanted.accounts:
        _account(region, account)
    # A build takes minutes, so the first begins after all were checked.
    missing = [image for image in wanted.images if not _exists(region, image)]
    for make in [_checked(region, image) for image in missing]:
        make()


def _account(region: Operated, wanted: AccountEntry) -> None:
    given = wanted.credentials
    region.do(
        accounts.create,
        wanted.name,
        wanted.alias,
        access_key_id=given.access_key_id if given else None,
        secret=given.secret if given else None,
        if_missing=True,
    )
    present = {each["Name"]: each["MaxValue"] for each in region.do(quotas.of_account, wanted.name)}
    for name, limit in wanted.quotas.items():
        if present[name] != limit:
            region.do(quotas.set_limit, wanted.name, name, limit)
    for keypair in wanted.keypairs:
        region.do(keypairs.import_if_missing, wanted.name, keypair.name, keypair.public_key)


def _exists(region: Operated, wanted: Publication | RecipeEntry) -> bool:
    """Whether the family has an image. A pending one is finished."""
    found = region.do(publications.listed, wanted.family, account=wanted.account, alias=PROVIDER_ALIAS)
    if found is not None and found["State"] == ImageState.PENDING:
        region.do(publications.finish, found["ImageId"])
    return found is not None


def _checked(region: Operated, wanted: Publication | RecipeEntry) -> Callable[[], object]:
    """What makes the image. Mistakes in the terms of a build are refused."""
    if isinstance(wanted, Publication):
        return partial(publish, region, wanted)
    terms = Terms(verify=wanted.verify)
    return partial(_build, region, wanted.recipe, check(region, wanted.recipe, wanted.account, terms), terms)


def _build(region: Operated, recipe: Recipe, account_id: str, terms: Terms) -> None:
    with step_bar() as progress:
        build_and_publish(region, recipe, account_id, progress, terms)

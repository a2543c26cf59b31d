"""Creates the resources in a region's file (`souche up`). Existing ones do not change."""

from souche.cli.actions import accounts, keypairs, publications, quotas
from souche.cli.building import Terms, build_and_publish, check
from souche.cli.composition import Operated
from souche.cli.progress import step_bar
from souche.cli.publishing import Publication, publish
from souche.cli.region_file import AccountEntry, RecipeEntry, RegionFile
from souche.model.accounts import PROVIDER_ALIAS
from souche.states import ImageState


def provision(region: Operated, wanted: RegionFile) -> None:
    """Make the accounts, then the images. Nothing is removed.

    Raises:
        Those of the actions and of `publishing.publish`.
    """
    for account in wanted.accounts:
        _account(region, account)
    for image in wanted.images:
        _image(region, image)


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


def _image(region: Operated, wanted: Publication | RecipeEntry) -> None:
    found = region.do(publications.listed, wanted.family, account=wanted.account, alias=PROVIDER_ALIAS)
    if found is not None:
        if found["State"] == ImageState.PENDING:
            region.do(publications.finish, found["ImageId"])
    elif isinstance(wanted, Publication):
        publish(region, wanted)
    else:
        _build(region, wanted)


def _build(region: Operated, wanted: RecipeEntry) -> None:
    terms = Terms(verify=wanted.verify)
    account_id = check(region, wanted.recipe, wanted.account, terms)
    with step_bar() as progress:
        build_and_publish(region, wanted.recipe, account_id, progress, terms)

"""Who makes product types, and who may put their codes (reference section 2)."""

from dataclasses import replace

import pytest

from souche.app import image_copies, images, launches, product_types
from souche.app.context.region import Region
from souche.app.image_copies import Copy
from souche.app.images import Change, FromVm, ImageSettings
from souche.app.launches import Launch
from souche.db import marketplace
from souche.model.accounts import Principal
from souche.model.permissions import Permissions
from souche.refusals import NoSuchProductType, ProductTypeInUse
from souche.value_refusals import BadProductCodes, ValueTooLong
from tests.support.resources import make_image, make_product_type, make_vm, read_image, read_vm


def ids(region: Region, who: Principal | None) -> list[str]:
    return [each.product_type_id for each in product_types.find(region, who)]


def test_everybody_sees_those_of_the_region_and_of_the_marketplace(
    region: Region, alice: Principal, bob: Principal
) -> None:
    built_in = ["0001", "0002", "0007", "0008", "0009"]
    own = product_types.create(region, alice, "Mine", "Alice & Co").product_type_id
    sold = make_product_type(region, bob, sold=True).product_type_id
    make_product_type(region, bob)
    assert ids(region, None) == [*built_in, sold]
    assert sorted(ids(region, alice)) == sorted([*built_in, own, sold])


def test_a_description_or_a_vendor_of_more_than_255_characters_is_refused(
    region: Region, alice: Principal
) -> None:
    for texts in (("d" * 256, ""), ("d", "v" * 256)):
        with pytest.raises(ValueTooLong):
            product_types.create(region, alice, *texts)


# Codes.


def test_an_account_puts_its_own_code_and_nobody_elses(
    region: Region, alice: Principal, bob: Principal
) -> None:
    own, other = (make_product_type(region, who).product_type_id for who in (alice, bob))
    image = make_image(region, alice)
    changed = images.update(region, alice, Change(image.image_id, product_codes=(own, "0002")))
    assert changed.product_codes == ("0002", own)
    for code in (other, "pty-00000000", "pty-", "0003", "pty-0000000Z"):
        with pytest.raises(BadProductCodes, match=code):
            images.update(region, alice, Change(image.image_id, product_codes=(code,)))


def test_a_vendors_code_is_carried_over_and_cannot_be_shed(
    region: Region, alice: Principal, bob: Principal
) -> None:
    code = make_product_type(region, bob).product_type_id
    shared = make_image(
        region, bob, permissions=Permissions((alice.account_id,)), product_codes=("0001", code)
    )
    settings = ImageSettings("copy", product_codes=("0001", code))
    copy = image_copies.copy(region, alice, Copy(settings, shared.image_id, region.name))
    assert copy.product_codes == ("0001", code)
    changed = images.update(region, alice, Change(copy.image_id, product_codes=("0002",)))
    assert changed.product_codes == ("0002", code)
    changed = images.update(region, alice, Change(copy.image_id, product_codes=(code,)))
    assert changed.product_codes == (code,)
    vm = make_vm(region, alice, product_codes=(code,))
    made = images.create_from_vm(
        region, alice, FromVm(replace(settings, name="of vm"), vm.vm_id, no_reboot=True)
    )
    assert code in made.product_codes


def test_a_vendor_takes_its_own_code_off(region: Region, alice: Principal) -> None:
    code = make_product_type(region, alice).product_type_id
    image = make_image(region, alice, product_codes=(code,))
    assert images.update(region, alice, Change(image.image_id, product_codes=())).product_codes == ("0001",)


def test_vms_keep_the_codes_that_their_image_had_at_the_launch(region: Region, alice: Principal) -> None:
    image = make_image(region, alice, product_codes=("0001",))
    (vm,) = launches.launch(region, alice, Launch(image.image_id, vm_type="tinav5.c2r4"))
    images.update(region, alice, Change(image.image_id, product_codes=("0002",)))
    assert read_vm(region, vm.vm_id).product_codes == ("0001",)
    (later,) = launches.launch(region, alice, Launch(image.image_id, vm_type="tinav5.c2r4"))
    assert later.product_codes == ("0002",)


# Deletion.


def test_only_an_own_product_type_can_be_deleted(region: Region, alice: Principal, bob: Principal) -> None:
    own, other = (make_product_type(region, who).product_type_id for who in (alice, bob))
    product_types.delete(region, alice, own, force=False)
    for code in (own, other, "0001", "whatever"):
        with pytest.raises(NoSuchProductType):
            product_types.delete(region, alice, code, force=True)


def test_a_product_type_in_use_is_deleted_by_force_and_stays_on_images(
    region: Region, alice: Principal
) -> None:
    code = make_product_type(region, alice).product_type_id
    image = make_image(region, alice, product_codes=(code,))
    with pytest.raises(ProductTypeInUse, match=image.image_id):
        product_types.delete(region, alice, code, force=False)
    product_types.delete(region, alice, code, force=True)
    assert read_image(region, image.image_id).product_codes == (code,)
    copy = image_copies.copy(region, alice, Copy(ImageSettings("copy"), image.image_id, region.name))
    assert copy.product_codes == (code,)


def test_the_image_of_another_account_that_uses_it_is_not_named(
    region: Region, alice: Principal, bob: Principal
) -> None:
    code = make_product_type(region, alice).product_type_id
    image = make_image(region, bob, product_codes=(code,))
    with pytest.raises(ProductTypeInUse) as refusal:
        product_types.delete(region, alice, code, force=False)
    assert image.image_id not in str(refusal.value)


def test_a_product_with_versions_on_the_marketplace_stays(region: Region, alice: Principal) -> None:
    code = make_product_type(region, alice).product_type_id
    image = make_image(region, alice, product_codes=(code,))
    with region.store.begin() as connection:
        marketplace.publish(connection, image.image_id, code)
    with pytest.raises(ProductTypeInUse):
        product_types.delete(region, alice, code, force=True)

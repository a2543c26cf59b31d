import pytest

from souche.app import keypairs, tags
from souche.app.context.region import Region
from souche.db import tags as rows
from souche.model.accounts import Principal
from souche.model.query import Condition, Query
from souche.quota_refusals import TooManyTags
from souche.refusals import NoSuchImage, NoSuchKeypair, NoSuchResource, NoSuchTask
from souche.value_refusals import BadTagKey, BadTagValue, BadValue, MalformedId, MissingParameter
from tests.support.statements import statements

ED25519 = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEmi0rZDIhDlSz+l1Zd3vCqAG/YyeZVX3tHCqKwRNdIR"


@pytest.fixture
def ids(region: Region, alice: Principal) -> list[str]:
    """Two resources of alice's."""
    made = [keypairs.import_public_key(region, alice, name, ED25519) for name in ("one", "two")]
    return [keypair.keypair_id for keypair in made]


def pairs_of(region: Region, resource_id: str) -> dict[str, str]:
    with region.store.read() as connection:
        found = rows.of_resources(connection, [resource_id])
    return {tag.key: tag.value for tag in found.get(resource_id, ())}


def test_many_resources_are_tagged_at_once(region: Region, alice: Principal, ids: list[str]) -> None:
    tags.put(region, alice, ids, {"a": "1", "b": ""})
    assert [pairs_of(region, one) for one in ids] == [{"a": "1", "b": ""}] * 2


def test_the_same_key_is_overwritten(region: Region, alice: Principal, ids: list[str]) -> None:
    tags.put(region, alice, ids, {"a": "1"})
    tags.put(region, alice, [ids[0], ids[0]], {"a": "2", "c": "3"})
    assert [pairs_of(region, one) for one in ids] == [{"a": "2", "c": "3"}, {"a": "1"}]


def test_lengths_are_counted_in_characters(region: Region, alice: Principal, ids: list[str]) -> None:
    tags.put(region, alice, ids, {"é" * 255: "é" * 255})
    with pytest.raises(BadTagKey):
        tags.put(region, alice, ids, {"k" * 256: ""})
    with pytest.raises(BadTagKey):
        tags.put(region, alice, ids, {"": ""})
    with pytest.raises(BadTagValue):
        tags.put(region, alice, ids, {"k": "v" * 256})


def test_a_resource_has_a_hundred_tags_at_the_most(region: Region, alice: Principal, ids: list[str]) -> None:
    hundred = {f"key-{number}": "" for number in range(100)}
    tags.put(region, alice, ids[:1], hundred)
    tags.put(region, alice, ids[:1], dict.fromkeys(hundred, "new"))
    with pytest.raises(TooManyTags, match=f"{ids[0]} may have at most 100 tags"):
        tags.put(region, alice, ids, {"one more": ""})
    assert (len(pairs_of(region, ids[0])), pairs_of(region, ids[1])) == (100, {})
    tags.remove(region, alice, ids[:1], [("key-0", None), ("key-1", "other")])
    assert set(hundred) - pairs_of(region, ids[0]).keys() == {"key-0"}
    tags.put(region, alice, ids, {"one more": ""})


def test_a_request_costs_as_much_as_it_changes(region: Region, alice: Principal, ids: list[str]) -> None:
    """Resources named repeatedly, and tags that they do not have, made a statement for each pair, and nobody else wrote
    meanwhile."""
    tags.put(region, alice, ids, {"a": "1", "b": "2"})
    absent = [(f"none-{number}", None) for number in range(1000)]
    assert (
        len(
            statements(region, lambda: tags.put(region, alice, ids * 50, {f"key-{n}": "" for n in range(50)}))
        )
        < 10
    )
    assert len(statements(region, lambda: tags.remove(region, alice, ids * 50, absent))) < 10
    with pytest.raises(BadValue, match="more than 1000 items"):
        tags.put(region, alice, [f"ami-{number:08x}" for number in range(1001)], {"a": ""})


def test_all_resources_are_tagged_or_none(region: Region, alice: Principal, ids: list[str]) -> None:
    with pytest.raises(NoSuchImage, match="'ami-12345678'"):
        tags.put(region, alice, [ids[0], "ami-12345678"], {"a": "1"})
    assert pairs_of(region, ids[0]) == {}


@pytest.mark.parametrize(
    ("resource_id", "error"),
    [
        ("ami-xyz", MalformedId),
        ("image-export-12345678", NoSuchTask),
        ("vpc-12345678", NoSuchResource),
        ("nonsense", NoSuchResource),
        ("", NoSuchResource),
    ],
)
def test_each_kind_is_missed_in_its_own_words(
    region: Region, alice: Principal, resource_id: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        tags.put(region, alice, [resource_id], {"a": "1"})


def test_a_resource_of_another_account_is_unknown(region: Region, bob: Principal, ids: list[str]) -> None:
    with pytest.raises(NoSuchKeypair):
        tags.put(region, bob, ids, {"a": "1"})
    with pytest.raises(NoSuchKeypair):
        tags.remove(region, bob, ids, [("a", None)])


def test_tags_without_a_resource_or_a_tag_are_refused(
    region: Region, alice: Principal, ids: list[str]
) -> None:
    with pytest.raises(MissingParameter, match="resource IDs"):
        tags.put(region, alice, [], {"a": "1"})
    with pytest.raises(MissingParameter, match="tags"):
        tags.remove(region, alice, ids, [])


def test_a_tag_is_taken_off_by_its_key_or_by_its_very_value(
    region: Region, alice: Principal, ids: list[str]
) -> None:
    tags.put(region, alice, ids, {"a": "1", "b": "2", "c": "3"})
    tags.remove(region, alice, ids, [("a", "1"), ("b", "other"), ("c", None), ("absent", None)])
    assert [pairs_of(region, one) for one in ids] == [{"b": "2"}] * 2


def test_find_by_every_field(region: Region, alice: Principal, ids: list[str]) -> None:
    tags.put(region, alice, ids, {"a": "1", "b": "2"})
    conditions = {"resource_id": [ids[0]], "resource_type": ["keypair"], "key": ["a", "z"], "value": ["1"]}
    query = Query(tuple(Condition(field, values) for field, values in conditions.items()))
    (found,), more = tags.find(region, alice, query)
    assert (found.resource_id, found.key, more) == (ids[0], "a", False)
    assert tags.find(region, alice, Query((Condition("resource_type", ["image"]),))) == ([], False)


def test_nobody_sees_the_tags_of_others(
    region: Region, alice: Principal, bob: Principal, ids: list[str]
) -> None:
    tags.put(region, alice, ids, {"a": "1"})
    assert tags.find(region, bob, Query()) == ([], False)

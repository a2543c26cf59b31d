"""The filter tables against the specification and against what the database layer knows."""

import importlib.util
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from souche.api.protocol.filter_tables import FILTERS, Bound, Filter
from souche.api.protocol.filters import MAX_PATTERNS, MAX_VALUES, conditions
from souche.db import (
    access_keys,
    export_tasks,
    images,
    keypairs,
    public_ips,
    security_groups,
    snapshots,
    tags,
    vm_stops,
    vms,
    volume_updates,
    volumes,
)
from souche.db.query import Fields
from souche.model.query import Condition, Value
from souche.states import VmState
from souche.value_refusals import BadValue

FIELDS: Mapping[str, Fields] = {
    "ReadAccessKeys": access_keys.FIELDS,
    "ReadImages": images.FIELDS,
    "ReadKeypairs": keypairs.FIELDS,
    "ReadPublicIps": public_ips.FIELDS,
    "ReadSecurityGroups": security_groups.FIELDS,
    "ReadSnapshots": snapshots.FIELDS,
    "ReadTags": tags.FIELDS,
    "ReadVms": vms.FIELDS,
    "ReadVmsState": vms.FIELDS,
    "ReadImageExportTasks": export_tasks.FIELDS,
    "ReadSnapshotExportTasks": export_tasks.FIELDS,
    "ReadVmsStopHistory": vm_stops.FIELDS,
    "ReadVolumeUpdateTasks": volume_updates.FIELDS,
    "ReadVolumes": volumes.FIELDS,
}


@pytest.fixture(scope="module")
def schemas() -> Mapping[str, Any]:
    package = importlib.util.find_spec("osc_sdk_python")
    assert package is not None
    assert package.origin is not None
    text = (Path(package.origin).parent / "resources" / "outscale.yaml").read_bytes()
    document: Mapping[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    found: Mapping[str, Any] = document["components"]["schemas"]
    return found


@pytest.mark.parametrize("action", FILTERS)
def test_the_filters_are_those_of_the_specification(schemas: Mapping[str, Any], action: str) -> None:
    reference = schemas[f"{action}Request"]["properties"]["Filters"]["$ref"]
    expected = schemas[reference.rpartition("/")[2]]["properties"]
    assert sorted(FILTERS[action]) == sorted(expected)


@pytest.mark.parametrize("action", FILTERS)
def test_every_field_is_known_to_the_database_layer(action: str) -> None:
    named = {known.field for known in FILTERS[action].values() if isinstance(known, Filter | Bound)}
    aliases = {"account_alias"} if action in ("ReadImages", "ReadSnapshots") else set()  # `db/owners.py`
    assert named <= set(FIELDS[action]) | aliases


def read(action: str, **filters: object) -> tuple[Condition, ...]:
    return conditions(action, {"Filters": filters})


def test_no_filter_and_an_empty_list_are_no_condition() -> None:
    assert conditions("ReadImages", {}) == ()
    assert read("ReadImages", ImageIds=[], TagKeys=[]) == ()


def test_a_list_is_any_of_its_values_and_a_scalar_its_own() -> None:
    assert read("ReadImages", ImageIds=["ami-1", "ami-2"], SecureBoot=False) == (
        Condition("image_id", ["ami-1", "ami-2"]),
        Condition("secure_boot", [False]),
    )


def test_only_names_and_locations_have_wildcards() -> None:
    assert read("ReadImages", ImageNames=["Ubuntu*"]) == (Condition("name", ["Ubuntu*"], wildcard=True),)
    assert read("ReadImages", Descriptions=["a*"]) == (Condition("description", ["a*"]),)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"Hypervisors": ["xen"], "VirtualizationTypes": ["hvm", "pv"], "RootDeviceTypes": ["ebs"]}, ()),
        ({"Hypervisors": ["kvm"]}, (Condition("", ()),)),
    ],
)
def test_what_is_the_same_for_all_is_no_condition_or_finds_nothing(
    filters: dict[str, object], expected: tuple[Condition, ...]
) -> None:
    assert read("ReadImages", **filters) == expected


def test_a_filter_by_what_vms_never_have_finds_nothing() -> None:
    assert read("ReadVms", NetIds=["vpc-12345678"]) == (Condition("", ()),)


def test_codes_and_names_become_states_and_unknown_ones_find_nothing() -> None:
    assert read("ReadVms", VmStateCodes=[16, -1, 99]) == (Condition("state", [VmState.RUNNING]),)
    assert read("ReadAccessKeys", States=["INACTIVE", "?"]) == (Condition("active", [False]),)


def test_bounds_are_dates_of_any_time_zone_and_other_texts_are_refused() -> None:
    middle = datetime(2020, 6, 14, 1, tzinfo=UTC)
    assert read("ReadSnapshots", FromCreationDate="2020-06-14T03:00:00.000+02:00") == (
        Condition("creation_date", [middle], at_least=True),
    )
    assert read("ReadSnapshots", ToCreationDate="2020-06-14T01:00:00Z") == (
        Condition("creation_date", [middle], at_most=True),
    )
    with pytest.raises(BadValue, match="FromCreationDate"):
        read("ReadSnapshots", FromCreationDate="yesterday")


def test_a_date_alone_is_the_whole_day() -> None:
    given = ["2016-01-23", "2016-01-23T18:45:30.000Z", "never"]
    expected: list[Value] = ["2016-01-23*", datetime(2016, 1, 23, 18, 45, 30, tzinfo=UTC)]
    assert read("ReadVms", CreationDates=given) == (Condition("creation_date", expected, wildcard=True),)


def test_too_many_values_or_patterns_are_refused() -> None:
    with pytest.raises(BadValue, match="Filters"):
        read("ReadImages", ImageIds=["ami-12345678"] * (MAX_VALUES + 1))
    with pytest.raises(BadValue, match="ImageNames"):
        read("ReadImages", ImageNames=["a*"] * (MAX_PATTERNS + 1))

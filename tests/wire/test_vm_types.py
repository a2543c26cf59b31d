import json

import pytest

from souche.app import vm_types
from souche.errors import NotFound
from tests.wire.answers import check_answer
from tests.wire.server import Server


@pytest.mark.parametrize(
    ("name", "vcpus", "memory_mib", "performance", "fixed"),
    [
        ("tinav5.c2r4p1", 2, 4096, "highest", True),
        ("tinav7.c1r1p3", 1, 1024, "medium", True),
        ("tinav4.c16r128", 16, 131072, "high", False),
        ("t2.small", 1, 2048, "medium", False),
        ("m4.large", 2, 8192, "high", False),
    ],
)
def test_the_name_of_a_type_says_its_cores_memory_and_performance(
    name: str, vcpus: int, memory_mib: int, performance: str, *, fixed: bool
) -> None:
    parsed = vm_types.parse(name)
    assert (parsed.name, parsed.vcpus, parsed.memory_mib) == (name, vcpus, memory_mib)
    assert (parsed.performance, parsed.names_performance) == (performance, fixed)


@pytest.mark.parametrize(
    "name", ["", "tina.c1r1", "tinav5.c0r1", "tinav5.c1r0", "tinav5.c1r1p4", "tinav5.c1r1p1 ", "t2.huge"]
)
def test_another_name_is_no_type(name: str) -> None:
    with pytest.raises(NotFound):
        vm_types.parse(name)


def test_types_are_found_by_cores_and_memory_and_go_by_pages(server: Server) -> None:
    filters = {"VcoreCounts": [2], "MemorySizes": [4]}
    first = json.dumps({"Filters": filters, "ResultsPerPage": 2}).encode()
    answer = server.call("ReadVmTypes", first)
    check_answer("ReadVmTypes", answer.json)
    assert len(answer.json["VmTypes"]) == 2
    assert {(row["VcoreCount"], row["MemorySize"]) for row in answer.json["VmTypes"]} == {(2, 4.0)}
    names = [row["VmTypeName"] for row in answer.json["VmTypes"]]
    while token := answer.json.get("NextPageToken"):
        body = {"Filters": filters, "ResultsPerPage": 2, "NextPageToken": token}
        answer = server.call("ReadVmTypes", json.dumps(body).encode())
        names += [row["VmTypeName"] for row in answer.json["VmTypes"]]
    assert names == [row.name for row in vm_types.listed() if (row.vcpus, row.memory_mib) == (2, 4096)]


def test_without_a_page_size_everything_comes(server: Server) -> None:
    answer = server.call("ReadVmTypes")
    assert len(answer.json["VmTypes"]) == len(vm_types.listed())
    assert "NextPageToken" not in answer.json


@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        ("t2.nano", (1, 1.0, 2, False, 0, None, None)),
        ("m3.medium", (1, 4.0, 6, False, 1, 4, "ssd")),
        ("m3.large", (2, 8.0, 10, False, 1, 32, "ssd")),
        ("m3.xlarge", (4, 15.0, 15, True, 2, 40, "ssd")),
        ("mv3.xlarge", (4, 15.0, 15, True, 2, 40, "ssd")),
        ("r4.16xlarge", (64, 500.0, 30, False, 0, None, None)),
        ("c1.xlarge", (8, 7.0, 15, True, 4, 420, None)),
    ],
)
def test_a_type_is_shown_as_the_real_service_was_recorded(
    server: Server, name: str, recorded: tuple[object, ...]
) -> None:
    (shown,) = server.call("ReadVmTypes", json.dumps({"Filters": {"VmTypeNames": [name]}}).encode()).json[
        "VmTypes"
    ]
    assert not {"Eth", "Gpu"} & shown.keys()
    fields = ("VcoreCount", "MemorySize", "MaxPrivateIps", "BsuOptimized", "VolumeCount", "VolumeSize")
    assert tuple(shown.get(field) for field in (*fields, "EphemeralsType")) == recorded
    assert ("VolumeSize" in shown) is (shown["VolumeCount"] > 0)


def test_types_are_found_by_what_they_show(server: Server) -> None:
    for filters in (
        {"BsuOptimized": True},
        {"VolumeSizes": [40]},
        {"EphemeralsTypes": ["ssd"]},
        {"VolumeCounts": [2]},
    ):
        answer = server.call("ReadVmTypes", json.dumps({"Filters": filters}).encode())
        assert "m3.xlarge" in {row["VmTypeName"] for row in answer.json["VmTypes"]}
        assert "t2.small" not in {row["VmTypeName"] for row in answer.json["VmTypes"]}
    assert server.call("ReadVmTypes", b'{"Filters": {"Gpus": [1]}}').json["VmTypes"] == []

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


def test_bsu_optimized_is_historical(server: Server) -> None:
    assert server.call("ReadVmTypes", b'{"Filters": {"BsuOptimized": true}}').json["VmTypes"] == []

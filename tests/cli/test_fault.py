"""`souche fault` (docs/developing-against.md)."""

import pytest

from souche.home import Home
from tests.cli.conftest import Souche

REFUSE = ("CreateVms", "--status", 409, "--code", 10022, "--times", 3)


@pytest.fixture
def allowing(souche: Souche) -> Souche:
    """A region that was served with --allow-faults."""
    home = Home(souche.home)
    home.make()
    home.record_facts({"AllowFaults": 1})
    return souche


def test_faults_are_added_listed_and_cleared(allowing: Souche) -> None:
    (made,) = allowing("fault", "add", *REFUSE, "--after", 1, "--delay", 2)
    expected = {"Fault": 1, "Action": "CreateVms", "Status": 409, "Code": "10022"}
    expected |= {"Times": 3, "After": 1, "Delay": 2, "Account": None, "HalfWay": False}
    assert made == expected
    assert "Status=429  Code=10000" in _shown(allowing, "add", "ReadVms", "--status", 429)
    assert [each["Fault"] for each in allowing("fault", "list")] == [1, 2]
    assert "Action=CreateVms" in allowing.run("fault", "list")
    assert allowing("fault", "clear", 1) == [made]
    assert "no fault 1" in allowing.refusal("fault", "clear", 1)
    assert [each["Fault"] for each in allowing("fault", "list")] == [2]
    assert [each["Fault"] for each in allowing("fault", "clear")] == [2]
    assert allowing("fault", "clear") == allowing("fault", "list") == []


def _shown(souche: Souche, *words: object) -> str:
    souche("fault", *words)
    return souche.run("fault", "list")


def test_the_file_of_the_faults_is_the_operators(allowing: Souche) -> None:
    file = Home(allowing.home).faults
    file.with_suffix(".new").touch(0o644)
    allowing("fault", "add", *REFUSE)
    assert file.stat().st_mode & 0o777 == 0o600


def test_one_accounts_calls_are_meant_by_its_name(allowing: Souche) -> None:
    (account,) = allowing("account", "create", "alice")
    (made,) = allowing("fault", "add", *REFUSE, "--account", "alice")
    assert made["Account"] == account["AccountId"]
    assert "mallory" in allowing.refusal("fault", "add", *REFUSE, "--account", "mallory")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("CreateVm", "--status", 400), "no action CreateVm"),
        (("CreateVms",), "--status, --delay or --half-way"),
        (("CreateVms", "--status", 409), "--code is expected"),
        (("CreateVms", "--status", 409, "--code", "many"), "--code is expected"),
        (("CreateVms", "--status", 409, "--code", 11000), "--code is expected"),
        (("CreateVms", "--delay", 1, "--code", 9000), "--code needs --status"),
        (("CreateVms", "--half-way"), "--half-way is for"),
        (("CreateImageExportTask", "--half-way", "--status", 429), "--half-way is for"),
    ],
)
def test_what_is_no_fault_is_refused(allowing: Souche, words: tuple[object, ...], said: str) -> None:
    assert said in allowing.refusal("fault", "add", *words)
    assert allowing("fault", "list") == []


def test_a_region_that_allows_none_has_none(souche: Souche) -> None:
    home = Home(souche.home)
    home.make()
    home.record_facts({"AllowFaults": None})
    for words in (("add", *REFUSE), ("list",), ("clear",)):
        assert "without --allow-faults" in souche.refusal("fault", *words)


def test_info_tells_that_there_are_faults(allowing: Souche) -> None:
    allowing("fault", "add", *REFUSE)
    (facts,) = allowing("info")
    assert (facts["AllowFaults"], facts["Faults"]) == (1, 1)

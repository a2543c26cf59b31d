"""`souche export` and `souche bucket create`, where they are refused; tests/test_object_store.py has what works."""

import pytest
from typer.testing import CliRunner

from souche.app import export_refreshes
from souche.home import Home
from souche.main import administration
from souche.model.accounts import Principal
from souche.states import ExportState
from tests.cli.conftest import Souche
from tests.support.resources import make_export_task, make_image


def test_a_region_that_never_had_an_object_store(souche: Souche) -> None:
    souche("account", "create", "alice")
    assert "no account 'bob'" in souche.refusal("bucket", "create", "exports", "--account", "bob")
    assert "doesn't exist" in souche.refusal("export", "ami-00000000", "--bucket", "exports")


def test_exports_are_signed_by_a_server_only(souche: Souche) -> None:
    souche("account", "create", "alice")
    assert souche("export", "list") == []
    assert "souche serve" in souche.refusal("export", "sign", "image-export-00000000")


def test_a_server_that_ends_before_new_urls_are_written_is_told(
    souche: Souche, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made,) = souche("account", "create", "alice")
    who = Principal(made["AccountId"])
    with administration.administer(souche.home) as administered:
        image = make_image(administered.region, who)
        task = make_export_task(administered.region, who, image, state=ExportState.COMPLETED)
    served = iter([True, False])
    monkeypatch.setattr(Home, "is_served", lambda _: next(served))
    monkeypatch.setattr(export_refreshes, "WAIT_SECONDS", 0.0)
    assert "when it runs again" in souche.refusal("export", "sign", task.task_id)


def test_the_help_of_exports_shows_every_way(souche: Souche) -> None:
    said = CliRunner().invoke(souche._app, ["export", "--help"]).output
    for word in ("list", "sign", "--bucket"):
        assert word in said


def test_an_external_object_store_gets_its_buckets_by_exports(souche: Souche) -> None:
    (alice,) = souche("account", "create", "alice")
    souche("account", "create", "bob")
    Home(souche.home).record_facts({"Oos": "https://oos.example.org", "OosListen": None})
    (made,) = souche("bucket", "create", "exports", "--account", "alice")
    assert made == {"Bucket": "exports", "AccountId": alice["AccountId"]}
    assert "another account" in souche.refusal("bucket", "create", "exports", "--account", "bob")

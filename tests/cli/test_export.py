"""`souche export` and `souche bucket create`, where they are refused; tests/test_object_store.py has what works."""

from typer.testing import CliRunner

from souche.home import Home
from tests.cli.conftest import Souche


def test_a_region_that_never_had_an_object_store(souche: Souche) -> None:
    souche("account", "create", "alice")
    assert "no account 'bob'" in souche.refusal("bucket", "create", "exports", "--account", "bob")
    assert "doesn't exist" in souche.refusal("export", "ami-00000000", "--bucket", "exports")


def test_exports_are_signed_by_a_server_only(souche: Souche) -> None:
    souche("account", "create", "alice")
    assert souche("export", "list") == []
    assert "souche serve" in souche.refusal("export", "sign", "image-export-00000000")


def test_the_help_of_exports_shows_every_way(souche: Souche) -> None:
    said = CliRunner().invoke(souche._app, ["export", "--help"]).output
    for word in ("list", "sign", "--bucket"):
        assert word in said


def test_an_external_object_store_gets_its_buckets_by_exports(souche: Souche) -> None:
    (alice,) = souche("account", "create", "alice")
    souche("account", "create", "bob")
    Home(souche.home).tell({"Oos": "https://oos.example.org", "OosListen": None})
    (made,) = souche("bucket", "create", "exports", "--account", "alice")
    assert made == {"Bucket": "exports", "AccountId": alice["AccountId"]}
    assert "another account" in souche.refusal("bucket", "create", "exports", "--account", "bob")

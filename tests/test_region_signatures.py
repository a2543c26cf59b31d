"""The key of a region in `souche serve`: shown, created once, and required from others."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from souche import config
from souche.config import BadSetting
from souche.main.regions import read_required_keys
from souche.signing import PublicKey, SigningKey
from tests.support.bucket import bucket
from tests.support.client import value
from tests.support.exported import SYSTEM, put_disk, put_manifest
from tests.support.polling import eventually
from tests.support.signed import export
from tests.test_main import Served, serving, souche, told
from tests.wire.server import Server
from tests.wire.signing import OSC_SDK_PYTHON, ClientForm

KEY = SigningKey.generate()
OTHER = SigningKey.generate()
OWN = replace(OSC_SDK_PYTHON, prefix="/souche/v1")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Served, dict[str, Any]]]:
    """A region that requires a signature."""
    place = tmp_path_factory.mktemp("region")
    home, keys = place / "home", place / "keys"
    keys.write_text(f"# whom we trust\n{KEY.public.text} eu-west-2\n")
    account = told("account", "create", "alice", "--home", home)
    allowed = f"127.0.0.1:{bucket().port}"
    with serving(
        home, "--oos-listen", "", "--allow-import", allowed, "--require-signed", str(keys)
    ) as region:
        yield home, region, account


def ask(
    region: Served, account: dict[str, Any], action: str, form: ClientForm = OSC_SDK_PYTHON, **request: object
) -> Any:
    server = Server(urlsplit(region.facts["Api"]).port or 0)
    key = {"key_id": account["AccessKeyId"], "secret": account["SecretKey"]}
    return server.call(action, json.dumps(request).encode(), form, **key)


def test_the_key_is_shown_by_info_and_by_the_api(served: tuple[Path, Served, dict[str, Any]]) -> None:
    home, region, account = served
    facts = told("info", "--home", home)
    key = PublicKey.read(facts["PublicKey"])
    assert (facts["KeyFingerprint"], facts["RequireSigned"]) == (key.fingerprint, KEY.public.text)
    assert ask(region, account, "ReadRegionKey", OWN).json["RegionKey"] == {
        "RegionId": (home / "region-id").read_text().strip(),
        "RegionName": "souche-1",
        "PublicKey": key.text,
        "KeyFingerprint": key.fingerprint,
    }
    assert (home / "signing.key").stat().st_mode & 0o777 == 0o600


def test_what_is_not_signed_is_refused_by_the_api_and_by_the_command(
    served: tuple[Path, Served, dict[str, Any]],
) -> None:
    home, region, account = served
    for location in (put_manifest(), export(OTHER).put()):
        answer = ask(region, account, "CreateImage", FileLocation=location)
        assert (answer.status, answer.json["Errors"][0]["Code"]) == (400, value(4040)[2])
        refused = souche("import", location, "--account", "alice", "--home", home)
        assert refused.returncode == 1
        for said in (answer.json["Errors"][0]["Details"], refused.stderr):
            assert "only exports that are signed by a key of its --require-signed" in said
    wanted: dict[str, Any] = {"FileLocation": put_disk(SYSTEM, "disk.raw"), "SnapshotSize": len(SYSTEM)}
    assert ask(region, account, "CreateSnapshot", **wanted).status == 400


def test_what_a_named_key_has_signed_is_imported(served: tuple[Path, Served, dict[str, Any]]) -> None:
    _home, region, account = served
    answer = ask(region, account, "CreateImage", FileLocation=export(KEY).put())
    image_id = answer.json["Image"]["ImageId"]

    def state() -> str:
        found = region.call(account, "ReadImages", Filters={"ImageIds": [image_id]})["Images"]
        return str(found[0]["State"])

    eventually(lambda: state() == "available")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no public key"),
        ("# none\n", "no public key"),
        ("ssh-rsa AAAA\n", "ssh-rsa"),
        (None, "No such file"),
    ],
)
def test_a_file_of_keys_that_is_wrong_is_told_at_the_start(
    tmp_path: Path, text: str | None, reason: str
) -> None:
    """A region that was to require signatures and does not would be worse than none."""
    keys = tmp_path / "keys"
    if text is not None:
        keys.write_text(text)
    with pytest.raises(BadSetting, match=reason):
        read_required_keys(str(keys))


def test_the_flag_is_a_setting() -> None:
    given = {"home": Path("/home")}
    assert config.read_settings(given, {}).require_signed == ""
    assert config.read_settings(given, {"SOUCHE_REQUIRE_SIGNED": "keys"}).require_signed == str(
        Path("keys").absolute()
    )

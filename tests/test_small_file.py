"""Files that the operator names by mistake: none is read without a bound."""

from collections.abc import Callable
from pathlib import Path

import pytest

from souche import client_variables, small_file
from souche.cli import region_file
from souche.cli.region_file import BadRegionFile
from souche.clock import SystemClock
from souche.config import BadSetting
from souche.http.certificates import CertificatePair, Tls
from souche.main import drivers
from souche.main.database_url import read_database_file
from souche.main.regions import read_required_keys
from tests.cli.conftest import Souche

ENDLESS = Path("/dev/zero")
SAID = "The file /dev/zero has more than 64 KiB."


def test_the_bound_is_the_last_size_that_is_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * small_file.MOST_BYTES)
    assert len(small_file.read(file)) == small_file.MOST_BYTES
    with file.open("ab") as longer:
        longer.write(b"x")
    with pytest.raises(small_file.TooLarge, match="has more than 64 KiB"):
        small_file.read(file)


@pytest.mark.parametrize(
    "words",
    [
        ("account", "create", "ci", "--access-key", "CI" * 10, "--secret-key-file", ENDLESS),
        ("vm", "console", "--token-file", ENDLESS),
    ],
    ids=["--secret-key-file", "--token-file"],
)
def test_a_file_of_a_command_is_bounded(tmp_path: Path, words: tuple[object, ...]) -> None:
    souche = Souche(tmp_path / "home")
    souche("account", "create", "alice")
    assert souche.refusal(*words) == f"souche: {SAID}\n"


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda: drivers.read_key_file(ENDLESS), "an access key ID and a secret key"),
        (lambda: read_required_keys(str(ENDLESS)), SAID),
        (lambda: read_database_file(str(ENDLESS)), "should have one line"),
        (lambda: Tls(CertificatePair(ENDLESS, ENDLESS), SystemClock()), SAID),
    ],
    ids=["--oos-key-file", "--require-signed", "--database-file", "--tls-cert"],
)
def test_a_file_of_a_setting_is_bounded(read: Callable[[], object], said: str) -> None:
    with pytest.raises(BadSetting, match=said):
        read()


def test_a_file_of_a_region_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "region.toml"
    key = f'access-key = "{"A" * 20}"\nsecret-key-file = "{ENDLESS}"'
    file.write_text(f'[serve]\nhome = "home"\n[[accounts]]\nname = "ci"\n{key}\n')
    with pytest.raises(BadRegionFile) as refused:
        region_file.read(file)
    assert str(refused.value).endswith("accounts 1.secret-key-file: The file /dev/zero has more than 64 KiB.")


@pytest.mark.parametrize("content", ["[" * 30_000, "[" * 100_000], ids=["nested", "large"])
def test_profiles_that_cannot_be_read_lead_nowhere(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    named = {"OSC_CONFIG_FILE": str(tmp_path / "config.json"), "OSC_PROFILE": "mine"}
    assert list(client_variables.leading_away(named, tmp_path)) == []

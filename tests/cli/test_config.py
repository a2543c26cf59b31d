"""The file of `--config`, and `souche config show`."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from souche import config
from souche.cli import commands
from souche.cli.config_file import read_config_file
from souche.config import SETTINGS, BadSetting, Settings
from souche.main import command_line

DEFAULT_ENDPOINT = "http://127.0.0.1:8808"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "souche.toml"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.variable, raising=False)
    monkeypatch.delenv("SOUCHE_CONFIG", raising=False)


def made(file: Path, variables: dict[str, str] | None = None, **given: Any) -> Settings:
    environment = variables or {}
    return config.read_settings(given, environment, read_config_file({"config": file}, environment))


def test_every_kind_of_setting_is_read_from_the_file(file: Path) -> None:
    file.write_text(
        'home = "region"\nlisten = "127.0.0.1:1"\nallow_import = ["a:1", "b:2"]\nguest_nat = true\n'
        'reserve_gib = 2\ntrash_hours = 1.5\nrequire_signed = "/keys"\ndatabase_file = "secrets/url"\n'
    )
    settings = made(file)
    assert settings.home == file.parent / "region"
    assert (settings.listen, settings.endpoint) == ("127.0.0.1:1", "http://127.0.0.1:1")
    assert settings.allow_import == ("a:1", "b:2")
    assert settings.guest_nat is True
    assert (settings.reserve_gib, settings.trash_hours) == (2, 1.5)
    assert settings.require_signed == "/keys"
    assert settings.database_file == str(file.parent / "secrets" / "url")


def test_a_flag_wins_over_a_variable_that_over_the_file_and_that_over_the_default(file: Path) -> None:
    file.write_text('home = "/srv"\nregion = "from-file"\nguest_nat = true\n')
    variables = {"SOUCHE_REGION": "from-variable"}
    assert made(file, variables, region="from-flag").region == "from-flag"
    assert made(file, variables).region == "from-variable"
    assert made(file).region == "from-file"
    assert made(file).subregions == "a,b"
    assert made(file, {"SOUCHE_GUEST_NAT": "false"}).guest_nat is False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('lisen = "a:1"', "there is no setting 'lisen'; perhaps listen"),
        ('oos-listen = "a:1"', "there is no setting 'oos-listen'; perhaps oos_listen"),
        ("nonsense = 1", "there is no setting 'nonsense' (docs/settings.md lists all)"),
        ("listen = 8808", "a string is expected for listen"),
        ('guest_nat = "true"', "true or false is expected for guest_nat"),
        ("reserve_gib = true", "a number is expected for reserve_gib"),
        ('allow_import = "a:1"', "a list, each a string, is expected for allow_import"),
        ("allow_import = [1]", "a list, each a string, is expected for allow_import"),
        ("listen = ", "is not TOML"),
        ("[serve]\nlisten = 'a:1'", "there is no setting 'serve'"),
    ],
)
def test_what_is_wrong_with_the_file_is_told(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(BadSetting) as refused:
        read_config_file({"config": file}, {})
    assert said in str(refused.value)
    assert str(file) in str(refused.value)


def test_a_file_that_is_not_there_is_told(file: Path) -> None:
    with pytest.raises(BadSetting, match=r"--config is not valid: .*No such file"):
        read_config_file({}, {"SOUCHE_CONFIG": str(file)})


def shown(*arguments: str | Path, **variables: str) -> Any:
    app = commands.build(command_line.composition())
    done = CliRunner().invoke(app, ["config", "show", *map(str, arguments)], env=variables)
    assert done.exit_code == 0, done.output
    return done.output


def test_each_value_is_shown_with_its_source(file: Path) -> None:
    file.write_text('home = "region"\nlisten = "127.0.0.1:1"\n')
    text = shown("--config", file, "--region", "r", "--json", SOUCHE_LOG_LEVEL="debug")
    values = json.loads(text)
    assert list(values) == [setting.key for setting in SETTINGS]
    home = str(file.parent / "region")
    assert values["home"] == {"Value": home, "Source": "file", "From": str(file)}
    assert values["region"] == {"Value": "r", "Source": "flag", "From": "--region"}
    assert values["log_level"] == {"Value": "debug", "Source": "variable", "From": "SOUCHE_LOG_LEVEL"}
    assert values["compute"] == {"Value": "libvirt", "Source": "default", "From": None}
    assert values["endpoint"] == {"Value": "http://127.0.0.1:1", "Source": "default", "From": None}
    lines = [line.split() for line in shown(SOUCHE_CONFIG=str(file)).splitlines()]
    assert ["listen", "127.0.0.1:1", str(file)] in lines
    assert ["guest_network", "-", "default"] in lines


def test_settings_are_shown_without_a_home_too() -> None:
    values = json.loads(shown("--json"))
    assert values["home"] == {"Value": None, "Source": "default", "From": None}
    assert values["endpoint"]["Value"] == DEFAULT_ENDPOINT

"""Settings that may be given several times."""

from pathlib import Path

import pytest

from souche import config
from souche.config import BadSetting, Settings
from souche.main import database_url, tls
from tests.support.certificates import certificate


def made(given: tuple[str, ...] | None, variable: str | None = None) -> Settings:
    environment = {} if variable is None else {"SOUCHE_ALLOW_IMPORT": variable}
    return config.read_settings({"home": Path("/home"), "allow_import": given}, environment)


def test_flags_go_before_the_variable_which_has_commas() -> None:
    assert made(("a:1", "b:2"), "c:3").allow_import == ("a:1", "b:2")
    assert made(None, "c:3,d:4").allow_import == ("c:3", "d:4")
    assert made(None).import_endpoints == []


def test_where_imports_may_come_from_is_host_and_port() -> None:
    assert made(("OOS.example:8809", "[::1]:80")).import_endpoints == [("oos.example", 8809), ("::1", 80)]
    for wrong in ("oos.example", ":80", "oos.example:http", "oos.example:70000"):
        with pytest.raises(BadSetting, match="--allow-import"):
            _ = made((wrong,)).import_endpoints


@pytest.mark.parametrize(
    ("given", "variable", "expected"),
    [
        (None, None, False),
        (True, None, True),
        (None, "true", True),
        (None, "1", True),
        (None, "false", False),
    ],
)
def test_a_flag_is_given_or_its_variable_says_so(
    given: bool | None,  # noqa: FBT001
    variable: str | None,
    expected: bool,  # noqa: FBT001
) -> None:
    environment = {} if variable is None else {"SOUCHE_GUEST_NAT": variable}
    assert (
        config.read_settings({"home": Path("/home"), "guest_nat": given}, environment).guest_nat is expected
    )


def test_a_flag_is_true_or_false() -> None:
    with pytest.raises(BadSetting, match="--guest-nat"):
        config.read_settings({"home": Path("/home")}, {"SOUCHE_GUEST_NAT": "perhaps"})


def test_subregions_are_letters_each_once() -> None:
    def letters(given: str | None) -> tuple[str, ...]:
        return config.read_settings({"home": Path("/home"), "subregions": given}, {}).subregion_letters

    assert letters(None) == ("a", "b")
    assert letters("c, a,b") == ("c", "a", "b")
    for wrong in ("", "a,", "a,a", "A", "ab", "a b", "1"):
        with pytest.raises(BadSetting, match="--subregions"):
            letters(wrong)


@pytest.mark.parametrize("text", ["notaurl", "ftp://host", "http://", "http://host:port", "127.0.0.1:8809"])
@pytest.mark.parametrize("flag", ["endpoint", "oos_endpoint", "export_endpoint"])
def test_an_endpoint_is_a_url(tmp_path: Path, flag: str, text: str) -> None:
    with pytest.raises(BadSetting, match=f"--{flag.replace('_', '-')} is not valid: a URL"):
        config.read_settings({"home": tmp_path, flag: text}, {})


SECRET = "Pa55-w0rd"


def database(**given: str) -> str | None:
    settings = config.read_settings({"home": Path("/home"), **given}, {})
    return database_url.database_url(settings.database, settings.database_file)


def test_the_records_are_in_the_home_unless_a_database_is_named(tmp_path: Path) -> None:
    assert database() is None
    assert (
        database(database="postgresql://souche@db.example/region") == "postgresql://souche@db.example/region"
    )
    file = tmp_path / "database"
    file.write_text("postgresql://souche:word@db.example/region\n")
    file.chmod(0o600)
    assert database(database_file=str(file)) == "postgresql://souche:word@db.example/region"
    with pytest.raises(BadSetting, match="either"):
        database(database="postgresql://souche@db.example/region", database_file=str(file))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://souche:{SECRET}@db.example/region",
        f"postgresql://souche@db.example/region?password={SECRET}",
        f"postgresql://souche@db.example/region?sslpassword={SECRET}",
        f"mysql://souche:{SECRET}@db.example/region",
        f"postgresql://souche:{SECRET}@db.example:port/region",
        f"postgresql://souche:p@{SECRET}/word@db.example/region",
        f"postgresql://souche:p/{SECRET}@db.example/region",
        f"postgresql://souche:1/{SECRET}@db.example/region",
        f"postgresql://souche:1#{SECRET}@db.example/region",
        f"postgresql://souche:1@db.example/region#{SECRET}",
        f"postgresql://souche:{SECRET}@db.example",
        f"souche:{SECRET}@db.example/region",
    ],
)
def test_a_password_never_stands_in_an_argument_or_an_error(tmp_path: Path, url: str) -> None:
    file = tmp_path / "database"
    file.write_text(url)
    for mode in (0o600, 0o640):
        file.chmod(mode)
        for given in ({"database": url}, {"database_file": str(file)}):
            try:
                assert database(**given) == url
            except BadSetting as refused:
                assert SECRET not in str(refused)  # noqa: PT017
            else:
                assert ("database_file" in given, mode) == (True, 0o600)


@pytest.mark.parametrize("text", ["", "one two", "one\ntwo\n"])
def test_the_file_of_a_database_has_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "database"
    file.write_text(text)
    with pytest.raises(BadSetting, match="one line"):
        database(database_file=str(file))
    with pytest.raises(BadSetting, match="No such file"):
        database(database_file=str(tmp_path / "absent"))


def test_tls_takes_a_certificate_with_its_key_or_one_of_the_regions_own(tmp_path: Path) -> None:
    files = certificate(tmp_path / "tls").pair

    def checked(**given: object) -> Settings:
        made = config.read_settings({"home": tmp_path, **given}, {})
        tls.check(made)
        return made

    good = checked(tls_cert=str(files.certificate), tls_key=str(files.key))
    assert (good.scheme, good.endpoint) == ("https", "https://127.0.0.1:8808")
    assert checked(tls_self_signed=True).endpoint == "https://127.0.0.1:8808"
    assert checked().endpoint == "http://127.0.0.1:8808"
    with pytest.raises(BadSetting, match="--tls-key is not valid: it belongs to --tls-cert"):
        checked(tls_cert=str(files.certificate))
    with pytest.raises(BadSetting, match="--tls-cert is not valid: it belongs to --tls-key"):
        checked(tls_key=str(files.key))
    with pytest.raises(BadSetting, match="--tls-self-signed is not valid: either this or --tls-cert"):
        checked(tls_cert=str(files.certificate), tls_key=str(files.key), tls_self_signed=True)
    with pytest.raises(BadSetting, match=r"nowhere\.pem: No such file"):
        checked(tls_cert=str(tmp_path / "nowhere.pem"), tls_key=str(files.key))

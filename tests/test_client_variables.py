"""What leads clients to the real cloud (docs/developing-against.md)."""

import json
import pwd
from pathlib import Path

import pytest

from souche.client_variables import leading_away, unwanted, variables

OWN = variables("http://127.0.0.1:8808/api/v1", "http://127.0.0.1:8809", "souche-1", "A" * 20, "s" * 40)
ELSEWHERE = {"OSC_ENDPOINT_API": "https://api.eu-west-2.outscale.com/api/v1"}


def test_the_variables_of_a_region_lead_to_it(tmp_path: Path) -> None:
    assert list(leading_away(OWN, tmp_path)) == []
    assert list(leading_away({}, tmp_path)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (ELSEWHERE, "OSC_ENDPOINT_API is https://api.eu-west-2.outscale.com"),
        ({"OUTSCALE_OAPI_URL": "api.eu-west-2.outscale.com/api/v1"}, "OUTSCALE_OAPI_URL is"),
        ({"AWS_ENDPOINT_URL": "https://oos.eu-west-2.outscale.com"}, "AWS_ENDPOINT_URL is"),
        ({"OSC_ENDPOINT_API": ""}, "OSC_ENDPOINT_API is not"),
        ({"OUTSCALE_OAPI_URL": ""}, "OUTSCALE_OAPI_URL is not"),
    ],
)
def test_what_leads_to_the_real_cloud_is_told(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    (reason,) = leading_away(OWN | changes, tmp_path)
    assert said in reason


@pytest.mark.parametrize(
    ("profile", "leads_away"),
    [
        ({"access_key": "A"}, True),
        ({"endpoints": {"api": "https://api.eu-west-2.outscale.com/api/v1"}}, True),
        ({"endpoints": {"api": "http://127.0.0.1:8808/api/v1"}}, False),
        ("damaged", False),
    ],
)
def test_a_profile_counts_where_no_key_is_set(tmp_path: Path, profile: object, *, leads_away: bool) -> None:
    (tmp_path / ".osc").mkdir()
    (tmp_path / ".osc/config.json").write_text(json.dumps({"default": profile, "mine": profile}))
    assert bool(list(leading_away({}, tmp_path))) is leads_away
    assert bool(list(leading_away(OWN | {"OSC_PROFILE": "mine"}, tmp_path))) is leads_away
    assert list(leading_away(OWN, tmp_path)) == []


def test_a_host_whose_name_only_ends_like_the_clouds_is_not_it(tmp_path: Path) -> None:
    named = {"OSC_ENDPOINT_API": "http://notoutscale.com/api/v1"}
    assert list(leading_away(OWN | named, tmp_path)) == []


def test_a_region_without_an_object_store_has_no_variables_of_buckets() -> None:
    found = variables("http://127.0.0.1:8808/api/v1", None, "souche-1", "A" * 20, "s" * 40)
    assert not any(name.startswith("AWS_") for name in found)


def test_profiles_and_sessions_stand_in_the_way() -> None:
    assert unwanted({"AWS_PROFILE": "x", "OSC_PASSWORD": "x", "PATH": "x"}) == ["AWS_PROFILE", "OSC_PASSWORD"]


def test_a_user_without_a_home_has_no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container: the process's user id is in no file."""

    def unknown(_uid: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert list(leading_away({})) == []

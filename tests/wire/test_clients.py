"""The clients themselves, against a real server on the loopback address."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from libcloud.compute.drivers.outscale import OutscaleNodeDriver
from osc_sdk_python import Gateway

from souche.clock import SystemClock
from souche.http.certificates import Tls
from tests.support.certificates import certificate
from tests.wire.answers import check_answer
from tests.wire.server import REGION_NAME, Server, new_app, serving
from tests.wire.signing import ACCESS_KEY_ID, SECRET_KEY


@pytest.fixture(scope="module")
def gateway(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """osc-sdk-python's client, once: it takes seconds to read its specification. Its home is empty
    of configuration, which would win over the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("OSC_ACCESS_KEY", ACCESS_KEY_ID)
        patch.setenv("OSC_SECRET_KEY", SECRET_KEY)
        patch.setenv("OSC_REGION", REGION_NAME)
        patch.setenv("OSC_ENDPOINT_API", f"{server.url}/api/v1")
        with Gateway() as made:
            yield made


def test_osc_sdk_python(gateway: Any) -> None:
    answer = gateway.ReadSubregions()
    check_answer("ReadSubregions", answer)
    assert answer["Subregions"][0]["RegionName"] == REGION_NAME
    assert list(gateway.raw("ReadSubregions", DryRun=True)) == ["ResponseContext"]


def test_osc_sdk_python_shows_our_errors(gateway: Any) -> None:
    with pytest.raises(Exception, match="3001"):
        gateway.raw("ReadSubregions", Nonsense=1)


def test_osc_sdk_python_by_https(gateway: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = certificate(tmp_path / "tls")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(files.authority))
    with serving(new_app(), tls=Tls(files.pair, SystemClock()).context) as server:
        endpoint = f"https://127.0.0.1:{server.port}/api/v1"
        monkeypatch.setattr(gateway.call.profile.endpoints, "api", endpoint)
        check_answer("ReadSubregions", gateway.ReadSubregions())


def test_osc_cli(server: Server, tmp_path: Path) -> None:
    profile = {
        "access_key": ACCESS_KEY_ID,
        "secret_key": SECRET_KEY,
        "region_name": REGION_NAME,
        "endpoint": server.url,
        "https": False,
    }
    (tmp_path / ".osc").mkdir()
    (tmp_path / ".osc/config.json").write_text(json.dumps({"default": profile}))
    command = [str(Path(sys.executable).with_name("osc-cli")), "api", "ReadSubregions"]
    done = subprocess.run(command, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    check_answer("ReadSubregions", json.loads(done.stdout))


def test_libcloud(server: Server) -> None:
    class Driver(OutscaleNodeDriver):  # type: ignore[misc]  # libcloud has no types
        def _get_outscale_endpoint(self, _region: str, version: str, action: str) -> str:
            return f"{server.url}/api/{version}/{action}"

    driver = Driver(key=ACCESS_KEY_ID, secret=SECRET_KEY, region=REGION_NAME, service="api", version="latest")
    subregions = driver.ex_list_subregions()
    assert subregions[0]["SubregionName"] == f"{REGION_NAME}a"

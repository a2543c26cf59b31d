"""`GET /metrics` of a region that is served by a process."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from souche import config
from souche.config import NO_FILE, ConfigFile
from tests.support.polling import eventually
from tests.test_main import Served, serving, souche, told

SIMULATED = ("--listen", "127.0.0.1:0", "--compute", "simulated")


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Served]]:
    home = tmp_path_factory.mktemp("region") / "home"
    with serving(home) as served:
        yield home, served


def samples(url: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Values by name and label values, which are in the order of their labels' names."""
    answer = requests.get(url, timeout=10)
    assert answer.status_code == 200
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_what_a_region_does_is_in_its_metrics(region: tuple[Path, Served]) -> None:
    home, served = region
    url = served.facts["Metrics"]
    assert told("info", "--home", home)["Metrics"] == url
    account = told("account", "create", "alice", "--home", home)
    made = served.call(account, "CreateVolume", SubregionName="souche-1a", Size=1)["Volume"]["VolumeId"]
    eventually(lambda: served.volume_state(account, made) == "available")
    ended = {
        ("souche_layers", ()): 1,
        ("souche_operations", ("create_volume",)): 0,
        ("souche_operations_ended_total", ("create_volume", "done")): 1,
    }
    found = eventually(lambda: now if ended.items() <= (now := samples(url)).items() else None, 60)
    assert found["souche_requests_total", ("CreateVolume", "", "200")] == 1
    assert found["souche_info", ("souche-1", "0.1.0")] == 1
    assert found["souche_chain_files_longest", ()] == 1
    assert found["souche_layer_bytes", ("own",)] > 0
    assert found["souche_room_free_bytes", ("home",)] > 0
    assert found["souche_ready", ("database",)] == 1
    assert found["souche_sweep_last_success_timestamp_seconds", ("power",)] > 0
    assert found["process_resident_memory_bytes", ()] > 0


def test_an_address_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        refused = souche("serve", "--home", tmp_path / "home", *SIMULATED, "--metrics-listen", listen)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith(
        f"souche: The setting --metrics-listen is not valid: {listen} cannot be listened on"
    )


def test_another_server_of_a_home_is_told_so_and_not_of_its_metrics(region: tuple[Path, Served]) -> None:
    home, served = region
    listen = served.facts["Metrics"].removeprefix("http://").removesuffix("/metrics")
    second = souche("serve", "--home", home, *SIMULATED, "--metrics-listen", listen)
    assert second.stderr == f"souche: Another process serves the region in {home}.\n"


def test_an_empty_setting_turns_them_off(tmp_path: Path) -> None:
    with serving(tmp_path / "home", "--metrics-listen", "") as served:
        assert served.facts["Metrics"] is None
        assert json.loads((tmp_path / "home" / "serving.json").read_text())["Metrics"] is None


def listen(environment: dict[str, str] | None = None, file: ConfigFile = NO_FILE, **given: object) -> str:
    return config.read_settings({"home": Path("/srv"), **given}, environment or {}, file).metrics_listen


def test_the_default_port_is_for_one_region_of_a_machine() -> None:
    """Those that are on any free port, and those that go with their command, are many."""
    assert listen() == "127.0.0.1:8810"
    assert listen(listen="0.0.0.0:8808") == "127.0.0.1:8810"
    assert listen(listen="127.0.0.1:0") == "127.0.0.1:0"
    assert listen(ephemeral=True) == "127.0.0.1:0"
    assert listen({"SOUCHE_EPHEMERAL": "1"}) == "127.0.0.1:0"
    assert listen(ephemeral=True, metrics_listen="127.0.0.1:9") == "127.0.0.1:9"
    assert listen({"SOUCHE_METRICS_LISTEN": "127.0.0.1:9"}, listen="127.0.0.1:0") == "127.0.0.1:9"
    assert listen(file=ConfigFile(None, {"metrics_listen": "", "ephemeral": True})) == ""

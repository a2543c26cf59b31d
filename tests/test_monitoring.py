"""The dashboard and the alert rules name what a served region has, and each alert says what to do."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.test_main import serving, told

ROOT = Path(__file__).parent.parent
MONITORING = ROOT / "packaging" / "monitoring"
DASHBOARD = json.loads((MONITORING / "souche-dashboard.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((MONITORING / "souche-alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
NAME = re.compile(r"\b((?:souche|process)_\w+)\b(?:\{([^}]*)\})?")
SCRAPED = {"instance", "job"}
"""labels that Prometheus adds"""


def expressions() -> list[str]:
    """Those of the dashboard's panels and of its variables, and those of the alerts."""
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    variables = [each["definition"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    return [*panels, *variables, *(rule["expr"] for rule in RULES)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, set[str]]]:
    """The metrics of a region that has answered a request, with the labels of each."""
    home = tmp_path_factory.mktemp("region") / "home"
    with serving(home) as region:
        region.call(told("account", "create", "alice", "--home", home), "ReadVms")
        text = requests.get(region.facts["Metrics"], timeout=10).text
        labels: dict[str, set[str]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels.setdefault(sample.name, set()).update(sample.labels)
        yield labels


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_each_metric_and_label_that_is_named_is_there(
    served: Mapping[str, set[str]], expression: str
) -> None:
    named = NAME.findall(expression)
    assert named
    for name, selector in named:
        assert name in served
        assert set(re.findall(r"(\w+)[=!]", selector)) <= served[name] | SCRAPED


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    page, _, place = rule["annotations"]["runbook"].partition("#")
    assert place == rule["alert"].lower()
    text = (ROOT / page).read_text()
    section = text.partition(f"\n### {rule['alert']}\n")[2].partition("\n#")[0]
    assert len(section.split()) > 15


def test_no_alert_is_described_that_is_not_raised() -> None:
    described = re.findall(r"^### (Souche\w+)$", (ROOT / "docs" / "operating.md").read_text(), re.MULTILINE)
    assert described == [rule["alert"] for rule in RULES]


def test_the_dashboard_can_be_imported() -> None:
    panels = DASHBOARD["panels"]
    assert DASHBOARD["title"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    shown = [panel for panel in panels if panel["type"] != "row"]
    assert all(panel["targets"] and panel["datasource"]["uid"] == "${datasource}" for panel in shown)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)

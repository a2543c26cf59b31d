import pytest
from tools import api_errata, gen_api

from souche.api import actions
from souche.api.protocol import spec


def test_generated_files_are_fresh() -> None:
    assert gen_api.stale() == [], "run tools/gen_api.py"


def test_generated_files_have_no_prose() -> None:
    text = gen_api.generate()[gen_api.API / "spec.json"]
    assert '"description": "' not in text
    assert "<br" not in text


def test_the_table_is_read_as_it_is() -> None:
    source = (gen_api.API / "actions.py").read_text(encoding="utf-8")
    assert gen_api.supported_actions(source) == sorted(actions.ACTIONS)


@pytest.mark.parametrize("action", sorted(spec.document()["actions"]))
def test_every_check_compiles(action: str) -> None:
    spec.request_check(action)


def test_errata_are_needed() -> None:
    schemas = gen_api.document()["components"]["schemas"].values()
    for erratum in api_errata.ERRATA:
        found = [
            schema["properties"][erratum.name]
            for schema in schemas
            if erratum.name in schema.get("properties", {})
        ]
        assert found, f"nothing is called {erratum.name} any more"
        assert any({**schema, **erratum.change} != schema for schema in found), (
            f"{erratum.name} is right by now"
        )

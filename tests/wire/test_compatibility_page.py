"""docs/compatibility.md says what every action does here."""

import re
from pathlib import Path

from souche.api.actions import ACTIONS
from souche.api.protocol import spec

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"


def test_every_action_of_the_specification_is_listed_with_what_it_does_here() -> None:
    table = PAGE.read_text().partition("## Every action")[2]
    listed = dict(
        re.findall(r"^\| (\w+) \| (yes|an empty answer|not supported: 400, 8000) \|$", table, re.MULTILINE)
    )
    assert sorted(listed) == spec.action_names()
    assert len(listed) == 236
    supported = {name for name, done in listed.items() if not done.startswith("not")}
    assert supported ^ set(ACTIONS) == set(), "run python -m tools.gen_docs"
    assert listed["ReadNics"] == "an empty answer"
    assert listed["ReadImages"] == "yes"

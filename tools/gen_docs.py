"""Writes the pages of docs/ that are generated from the code's tables: settings.md and compatibility.md.

`--check` writes nothing and ends with status 1 when a page is stale.
"""

import json
import re
import sys
from pathlib import Path

from souche.api import empty_reads
from souche.api.actions import ACTIONS, SOUCHE_ACTIONS
from souche.api.protocol import spec
from souche.config import SETTINGS, Setting
from tools.differences import DIFFERENCES
from tools.recorded import ABSENT, FACTS, SET, Fact

DOCS = Path(__file__).resolve().parent.parent / "docs"


def settings_page() -> str:
    """docs/settings.md"""
    rows = [_setting_row(setting) for setting in SETTINGS]
    return "\n".join(
        [
            "# Settings",
            "",
            "The settings of `souche serve`. A flag overrides its environment variable, which overrides the file of",
            "`--config` (or `SOUCHE_CONFIG`), which overrides the default: [operating](operating.md#settings).",
            "Generated from `src/souche/config/table.py` by `tools/gen_docs.py`.",
            "",
            "| flag | variable | key in the file | default | description |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _setting_row(setting: Setting) -> str:
    choices = f" One of: {', '.join(setting.choices)}." if setting.choices else ""
    default = f"`{setting.default}`" if setting.default else ""
    return (
        f"| `{setting.flag}` | `{setting.variable}` | `{setting.key}` | {default} | {setting.help}{choices} |"
    )


def compatibility_page() -> str:
    """docs/compatibility.md"""
    names = spec.action_names()
    served = [name for name in names if name in ACTIONS]
    return "\n".join(
        [
            "# Compatibility",
            "",
            f"The OUTSCALE API {spec.version()} has {len(names)} actions. Souche implements {len(served)} of them. The",
            'others return 400 OperationNotSupported 8000, "Souche does not support the action". Generated from',
            "the code's tables by `tools/gen_docs.py`.",
            "",
            "## Differences",
            "",
            "Known differences from the real service, and choices for which there is no source.",
            "",
            "| where | Souche | reason |",
            "|---|---|---|",
            *(f"| {each.where} | {each.here} | {each.why} |" for each in DIFFERENCES),
            "",
            "## Recorded answers of the real service",
            "",
            "`make test` sends each request to a simulated region. A different answer is listed under Differences.",
            "If a record and the specification's prose disagree, the record takes precedence.",
            "",
            "| given | request | answer | since | here |",
            "|---|---|---|---|---|",
            *map(_fact_row, FACTS),
            "",
            "## Souche's own actions",
            "",
            "These actions are under `/souche/v1/` and are signed like all others: "
            + ", ".join(f"`{name}`" for name in SOUCHE_ACTIONS)
            + ".",
            "",
            "## Every action",
            "",
            "| action | here |",
            "|---|---|",
            *(f"| {name} | {_done(name)} |" for name in names),
            "",
        ]
    )


def _fact_row(fact: Fact) -> str:
    answer = ", ".join(f"{path}: {_recorded(value)}" for path, value in fact.answer.items())
    here = f"differs: {fact.differs}" if fact.differs else "the same"
    request = f"{fact.action} `{json.dumps(fact.request)}`"
    return f"| {fact.given} | {request} | {answer} | {fact.since} | {here} |"


def _recorded(value: object) -> str:
    if value is SET:
        return "(set)"
    return (
        value
        if value is ABSENT
        else f"`{value.pattern if isinstance(value, re.Pattern) else json.dumps(value)}`"
    )


def _done(action: str) -> str:
    """Souche's support for an action."""
    if action not in ACTIONS:
        return "not supported: 400, 8000"
    return "an empty answer" if ACTIONS[action].__module__ == empty_reads.__name__ else "yes"


PAGES = {"settings.md": settings_page, "compatibility.md": compatibility_page}


def main() -> int:
    """Write all pages, or check them."""
    stale = [name for name, page in PAGES.items() if not _is_fresh(DOCS / name, page())]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"stale: docs/{name}; run python -m tools.gen_docs")
        return 1 if stale else 0
    for name in stale:
        (DOCS / name).write_text(PAGES[name]())
        print(DOCS / name)
    return 0


def _is_fresh(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())

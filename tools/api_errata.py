"""Errors in the shapes of the published specification, which a server cannot follow. Each entry has its reason.

`gen_api.py` applies these in order while it writes `src/souche/api/protocol/spec.json`.
"""

from dataclasses import dataclass
from typing import Final

Schema = dict[str, object]

INT64: Final = {"minimum": -(2**63), "maximum": 2**63 - 1}


@dataclass(frozen=True)
class Erratum:
    """Merge `change` into the property `name` of every schema in `schemas` (every schema, when empty)."""

    name: str
    change: Schema
    reason: str
    schemas: tuple[str, ...] = ()


@dataclass(frozen=True)
class Omission:
    """Omit the keyword `keyword` everywhere."""

    keyword: str
    reason: str


@dataclass(frozen=True)
class Renaming:
    """Rename the keyword `keyword` to `to` everywhere."""

    keyword: str
    to: str
    reason: str


ERRATA: Final = (
    Erratum(
        "ResultsPerPage",
        {"minimum": 1, "maximum": 1000},
        "The bounds stand only in the description: 'between 1 and 1000, both included'.",
    ),
    Erratum(
        "BootModes",
        {"items": {"type": "string"}},
        "A filter by an unknown value finds nothing (reference section 2, ReadImages); it is no error.",
        ("FiltersImage", "FiltersVm"),
    ),
)

OMISSIONS: Final = (
    Omission("description", "Prose."),
    Omission("example", "Prose."),
    Omission("deprecated", "Nothing depends on it."),
    Omission("default", "What an absent value means is a rule, and rules are written in app/."),
)

RENAMINGS: Final = (
    Renaming(
        "oneOf",
        "anyOf",
        "It is used only for 'a date or a date-time', and Souche reads either as ISO 8601: both match.",
    ),
)

INTEGER_BOUNDS_REASON: Final = (
    "JSON's integers have no bounds and a database's have 64 bits: what does not fit is the client's mistake."
)

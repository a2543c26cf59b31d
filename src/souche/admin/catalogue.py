"""Finds actions by their names."""

from importlib import import_module
from pathlib import Path
from typing import Any, Final

from souche.admin.action import Action

MODULES: Final = frozenset(file.stem for file in Path(__file__).parent.glob("[a-z]*.py"))
"""the modules of this package, most of which have actions"""


def find(name: str) -> Action[..., Any] | None:
    """The action of this name; None: there is none."""
    module, _, function = name.partition(".")
    if module not in MODULES:
        return None
    found = getattr(import_module(f"souche.admin.{module}"), function, None)
    return found if isinstance(found, Action) else None

"""Finds actions by their names."""

from importlib import import_module
from typing import Any, Final

from souche.admin.action import Action

MODULES: Final = frozenset(
    (
        "access_keys",
        "account_deletion",
        "accounts",
        "backups",
        "buckets",
        "consoles",
        "exports",
        "image_aliases",
        "image_lives",
        "image_origins",
        "image_reports",
        "images",
        "inventory",
        "keypairs",
        "marketplace",
        "notices",
        "publications",
        "quotas",
        "status",
        "trash",
        "uses",
    )
)
"""the modules of this package with actions"""


def find(name: str) -> Action[..., Any] | None:
    """The action of this name; None: there is none."""
    module, _, function = name.partition(".")
    if module not in MODULES:
        return None
    found = getattr(import_module(f"souche.admin.{module}"), function, None)
    return found if isinstance(found, Action) else None

"""Operations: work that a committed transaction has promised, done by a workflow.

The row is written in the transaction that made the promise and erased by the workflow's last step, so a crash
at any moment leaves either no promise or one that the next start keeps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Argument: TypeAlias = str | int | bool | None


@dataclass(frozen=True)
class Operation:
    """One run of a workflow for one resource. `operation_id` names the run: a second start of it is harmless.
    `account_id` is whose resource it is; accounts take turns."""

    operation_id: str
    workflow: str
    subject_id: str
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    account_id: str = ""

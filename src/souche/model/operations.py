"""Operations: work that a committed transaction has asked for, done by a workflow.

The row is written in the transaction that asks for the work and erased by the workflow's last step, so a crash
at any moment leaves either no operation or one that the next start takes up.

Each workflow has params of its own (`Params`), and one function that makes its operations: both in
`souche/operations`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic

from typing_extensions import TypeVar  # typing.TypeVar has defaults since Python 3.13


class Params:
    """What a workflow is asked to do, beside the resource it is for: a frozen dataclass for each workflow.

    It is stored as JSON, in the database and in the journal. Both keep what earlier releases have written, so a field
    that is added has a default, and none is renamed; a field whose form changes is read by `current`.
    """

    workflow: ClassVar[str] = ""

    @classmethod
    def current(cls, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """The stored arguments in the form of this release."""
        return arguments


@dataclass(frozen=True)
class RawParams(Params):
    """What is stored and cannot be read: of a workflow that this release does not have, or in a form that it does not
    know."""

    arguments: Mapping[str, object]


P = TypeVar("P", bound=Params, covariant=True, default=Params)


@dataclass(frozen=True)
class Operation(Generic[P]):
    """One run of a workflow for one resource. `operation_id` names the run: a second start of it is harmless.
    `account_id` is whose resource it is; accounts take turns."""

    operation_id: str
    workflow: str
    subject_id: str
    params: P
    account_id: str = ""


MadeP = TypeVar("MadeP", bound=Params)


def id_of(kind: type[Params], subject_id: str, run: str = "") -> str:
    """The id of an operation. `run` distinguishes the operations of one workflow on one resource; empty: there is only
    one, ever."""
    name = f"{kind.workflow}:{subject_id}"
    return f"{name}:{run}" if run else name


def make(params: MadeP, subject_id: str, account_id: str, run: str = "") -> Operation[MadeP]:
    """An operation of the workflow that these are the params of; `run` as in `id_of`."""
    operation_id = id_of(type(params), subject_id, run)
    return Operation(operation_id, params.workflow, subject_id, params, account_id)

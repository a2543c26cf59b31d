"""Operations: work that a committed transaction has requested and a workflow performs.

The transaction that requests the work writes the row, and the workflow's last step erases it. So a crash at any moment
leaves either no operation or one that the next start resumes.

Each workflow has its own params (`Params`), and one function that creates its operations: both in `souche/operations`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic

from typing_extensions import TypeVar  # typing.TypeVar has defaults since Python 3.13


class Params:
    """The arguments of a workflow, in addition to its resource: a frozen dataclass for each workflow.

    They are stored as JSON, in the database and in the journal. Both may contain arguments of earlier releases, so a
    new field needs a default, and no field is ever renamed. `current` reads a field whose form has changed.
    """

    workflow: ClassVar[str] = ""

    @classmethod
    def current(cls, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """The stored arguments in the form of this release."""
        return arguments


@dataclass(frozen=True)
class RawParams(Params):
    """Stored arguments that cannot be read: of a workflow that this release does not have, or in an unknown form."""

    arguments: Mapping[str, object]


P = TypeVar("P", bound=Params, covariant=True, default=Params)


@dataclass(frozen=True)
class Operation(Generic[P]):
    """One run of a workflow for one resource. `operation_id` names the run: a second start of it is harmless.
    `account_id` is the resource's account; accounts take turns."""

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

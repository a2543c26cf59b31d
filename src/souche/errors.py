"""The one error family. The docstring of an error is its message; its fields fill the braces. It names the fields of
requests by terms, which each door puts into its own words (`words.py`).

Nothing here knows HTTP: `api/protocol/errors.py` is the single table from these to status, Type and Code.

    SoucheError
    +-- UserError               the caller asked for what cannot be
    |   +-- NotFound            ... of what does not exist, or may not be seen (the same thing to a caller)
    |   +-- Invalid             ... with a value that breaks a rule
    |   +-- WrongState          ... in a state that forbids it
    |   +-- Conflict            ... against something that exists
    |   +-- Denied              ... without the right
    |   +-- QuotaExceeded       ... beyond a limit
    +-- SystemFailure           something under us failed
        +-- ProgramMissing, ProgramFailed, ProgramTimedOut
        +-- StorageFailed, ComputeFailed, Unavailable, RecordsUnavailable, WritersBusy (worth another try)
        +-- OutOfSpace          the medium is full, or only its reserve is left (see `room`)
        +-- Raced               another request came first (done again by `api/protocol/dispatch`)
        +-- OutOfTime           a read took longer than its time limit (`http/app` repeats it in a thread)
"""

import re
from pathlib import PurePath
from typing import ClassVar, Final, Self

from souche.words import PLAIN, Words

HOST_PATH: Final = re.compile(
    r"(?<![\w/.~<\]-])/(?!dev/(?:sd|xvd|vd)[a-z]+[0-9]*\b)[\w.~-]|\b(?:file|unix):/", re.IGNORECASE
)
"""The beginning of an absolute path, but not of a URL's path or a guest's device name."""
FROM_OUTSIDE: Final = ": {"
"""in a message, precedes text from a program or the system"""


class SoucheError(Exception):
    """Something went wrong."""

    template: ClassVar[str]

    def __init_subclass__(cls) -> None:
        cls.template = " ".join((cls.__doc__ or "").split())

    def __init__(self, **fields: object) -> None:
        self.fields = fields
        super().__init__(self.worded(PLAIN))

    def worded(self, words: Words) -> str:
        """The whole message, in the words of a door."""
        return words.format(self.template, self.fields)

    def public_message(self, words: Words = PLAIN) -> str:
        """The message for users. The message itself is for the log."""
        return self.worded(words)

    def __reduce__(self) -> tuple[object, ...]:
        # Journals pickle errors; the default would call the class with the formatted message.
        return _rebuild, (type(self), self.fields)


def _rebuild(kind: type[SoucheError], fields: dict[str, object]) -> SoucheError:
    return kind(**fields)


class UserError(SoucheError):
    """The request cannot be carried out."""

    passing: tuple[str, ...] = ()
    """the resources whose work under way is the reason for the refusal (`app/context/settling`)"""

    def while_passing(self, *resource_ids: str) -> Self:
        """The same refusal, which passes when these resources have settled."""
        self.passing = resource_ids
        return self


class NotFound(UserError):
    """There is no such resource."""


class Invalid(UserError):
    """A value is not valid."""


class WrongState(UserError):
    """The resource is in a state that forbids this."""


class Conflict(UserError):
    """The request conflicts with something that exists."""


class Denied(UserError):
    """The caller has no right to do this."""


class QuotaExceeded(UserError):
    """A limit of the account is reached."""


class SystemFailure(SoucheError):
    """Something that Souche relies on failed."""

    def public_message(self, words: Words = PLAIN) -> str:
        """The message without output of programs and without paths of the host. A message with a path is cut before its
        reason, and continues with the cause, as far as that is public."""
        cause, headline = self.__cause__, words.format(self.template.partition(FROM_OUTSIDE)[0], self.fields)
        if HOST_PATH.search(headline):
            return SystemFailure.template
        if isinstance(cause, SystemFailure):
            return f"{headline}: {cause.public_message(words)}"
        if isinstance(cause, OSError) and cause.strerror:
            return f"{headline}: {cause.strerror}"
        return headline if HOST_PATH.search(str(self)) else self.worded(words)


class ProgramMissing(SystemFailure):
    """The program '{program}' is not installed (`souche doctor` names its package)."""


class ProgramFailed(SystemFailure):
    """'{program}' ended with status {status}: {stderr}"""

    def public_message(self, words: Words = PLAIN) -> str:  # noqa: ARG002
        return f"'{PurePath(str(self.fields['program'])).name}' failed"


class ProgramTimedOut(SystemFailure):
    """'{program}' was stopped after {seconds} seconds."""


class Raced(SystemFailure):
    """Another request has just written the same record."""


class OutOfTime(SystemFailure):
    """The database did not answer within {seconds} seconds."""


class StorageFailed(SystemFailure):
    """The volume store failed: {reason}"""


class DiskDamaged(StorageFailed):
    """The disk of {resource_id} is damaged: {reason}"""

    def public_message(self, words: Words = PLAIN) -> str:  # noqa: ARG002
        """Names of layers have ids of others' resources in them."""
        return f"The disk of {self.fields['resource_id']} is damaged."


class OutOfSpace(SystemFailure):
    """The region is out of space: {reason}"""


class ComputeFailed(SystemFailure):
    """The hypervisor failed: {reason}"""


class CapturedTooOften(ComputeFailed):
    """The VM {vm_id} was captured too often since its start: stop and start it, then try again."""


class ChainTooLong(ComputeFailed):
    """The hypervisor failed: {doing}: a disk of the VM has more files than this version of libvirt reads. While the VM
    is off, Souche merges some of them: try again in a minute."""


class Unavailable(SystemFailure):
    """{what} cannot be reached at the moment: {reason}"""


class RecordsUnavailable(Unavailable):
    """The database cannot be reached at the moment: {reason}"""


class RecordsFull(OutOfSpace, RecordsUnavailable):
    """The region is out of space: {reason}"""


class WritersBusy(Unavailable):
    """Other writers have held the region's records for {seconds} seconds. Try again."""

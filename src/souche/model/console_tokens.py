"""What lets its bearer open the console of a VM, once."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class ConsoleToken:
    """`token` is known to its bearer alone: the records have its SHA-256."""

    vm_id: str
    token: str = field(repr=False)
    expiration_date: datetime

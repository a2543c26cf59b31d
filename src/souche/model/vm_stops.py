"""When and why a VM stopped."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class VmStop:
    """One stop of a VM. `generation` is the VM's at that time."""

    vm_id: str
    generation: int
    state_reason: str
    stop_date: datetime

    @property
    def position_id(self) -> str:
        """Its position among the stops of the same date."""
        return f"{self.vm_id}/{self.generation}"

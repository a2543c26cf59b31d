"""Tags on resources."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Tag:
    """One key and value on one resource of an account."""

    account_id: str
    resource_id: str
    resource_type: str
    key: str
    value: str
    creation_date: datetime

    @property
    def position_id(self) -> str:
        """Its position among the tags of the same date. A tag has no id: its resource and its key name it."""
        return f"{self.resource_id}/{self.key}"

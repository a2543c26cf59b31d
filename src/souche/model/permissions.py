"""The grants of an image or a snapshot."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Permissions:
    """Explicit grants, and whether everyone may use the resource. The owner's right is implied."""

    account_ids: tuple[str, ...] = ()
    public: bool = False

    def allow(self, account_id: str) -> bool:
        """Whether an account other than the owner may use the resource."""
        return self.public or account_id in self.account_ids


PRIVATE = Permissions()

"""Identifiers: the specification's prefixes, and where new ones come from.

Source: reference "Identifiers" [SPEC]: `ami- snap- vol- i- r-` and others with 8 lowercase hex digits,
`key-` with 32, accounts of 12 digits, access keys of 20 upper-case letters and digits with secrets of 40.
"""

import re
import secrets
import string
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

IMAGE: Final = "ami"
SNAPSHOT: Final = "snap"
VOLUME: Final = "vol"
VM: Final = "i"
RESERVATION: Final = "r"
KEYPAIR: Final = "key"
SECURITY_GROUP: Final = "sg"
SECURITY_GROUP_RULE: Final = "sgr"
API_ACCESS_RULE: Final = "aar"
PUBLIC_IP: Final = "eipalloc"
PUBLIC_IP_LINK: Final = "eipassoc"
VOLUME_UPDATE: Final = "vol-update"
PRODUCT_TYPE: Final = "pty"
IMAGE_EXPORT: Final = "image-export"
SNAPSHOT_EXPORT: Final = "snap-export"

BACKUP_CAPTURE: Final = "backup"
"""prefix of a backup's snapshots, which have no record and no account"""
BACKUP_DATE: Final = "%Y%m%dt%H%M%S%f"

CLEANING: Final = "clean"
"""prefix of the working disks of a cleaning, which have no record"""

HEX_DIGITS: Final = {KEYPAIR: 32}
DEFAULT_HEX_DIGITS: Final = 8
ACCESS_KEY_ALPHABET: Final = string.ascii_uppercase + string.digits


def is_well_formed(resource_id: str, prefix: str) -> bool:
    """Whether an id has the prefix and the right number of lowercase hex digits."""
    digits = HEX_DIGITS.get(prefix, DEFAULT_HEX_DIGITS)
    return re.fullmatch(rf"{prefix}-[0-9a-f]{{{digits}}}", resource_id) is not None


def cleaning(snapshot_id: str) -> str:
    """The id of the volume that becomes a snapshot of a clean image, and of the copy that it is made of."""
    return f"{CLEANING}-{snapshot_id.removeprefix(f'{SNAPSHOT}-')}"


def cleaned_snapshot(cleaning_id: str) -> str:
    """The id of the snapshot that a disk of `cleaning` is for."""
    return f"{SNAPSHOT}-{cleaning_id.removeprefix(f'{CLEANING}-')}"


def new_backup(now: datetime) -> str:
    """The id of a backup. It contains the backup's time, so ids sort by time."""
    return f"{now:{BACKUP_DATE}}-{secrets.token_hex(4)}"


def backup_capture(backup_id: str, volume_id: str) -> str:
    """The id of the snapshot that a backup takes of a volume."""
    return f"{BACKUP_CAPTURE}-{backup_id}-{volume_id}"


def backup_date(capture_id: str) -> datetime | None:
    """The start of the backup that a capture belongs to; None if the id does not contain it."""
    try:
        return datetime.strptime(capture_id.split("-")[1], BACKUP_DATE).replace(tzinfo=UTC)
    except (IndexError, ValueError):
        return None


class IdSource:
    """Makes new identifiers. `random_bits(n)` gives an integer of n random bits; tests inject a seeded one."""

    def __init__(self, random_bits: Callable[[int], int] = secrets.randbits) -> None:
        self._random_bits = random_bits

    def new(self, prefix: str) -> str:
        """A new id such as `ami-1a2b3c4d`. The caller's transaction refuses the rare duplicate."""
        digits = HEX_DIGITS.get(prefix, DEFAULT_HEX_DIGITS)
        return f"{prefix}-{self._random_bits(digits * 4):0{digits}x}"

    def account_id(self) -> str:
        """Twelve digits, the first never 0."""
        return str(10**11 + self._random_bits(64) % (9 * 10**11))

    def access_key_id(self) -> str:
        """20 upper-case letters and digits (oapi-cli refuses any other size)."""
        return self._characters(20)

    def secret_key(self) -> str:
        """40 upper-case letters and digits: 206 bits."""
        return self._characters(40)

    def serial(self) -> int:
        """A number that distinguishes one run of a repeated operation from all others."""
        return self._random_bits(64)

    def request_id(self) -> str:
        """A UUID in its 8-4-4-4-12 form."""
        digits = f"{self._random_bits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def mac_address(self) -> str:
        """A locally administered unicast MAC with QEMU's prefix 52:54:00."""
        digits = f"{self._random_bits(24):06x}"
        return f"52:54:00:{digits[:2]}:{digits[2:4]}:{digits[4:]}"

    def _characters(self, count: int) -> str:
        base = len(ACCESS_KEY_ALPHABET)
        number = self._random_bits(count * 6)
        letters = []
        for _ in range(count):
            number, digit = divmod(number, base)
            letters.append(ACCESS_KEY_ALPHABET[digit])
        return "".join(letters)

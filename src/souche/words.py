"""What messages call the fields of requests, without the words of one door.

A field is `ImageName` in the API's JSON, `--name` on the command line, and another word in an API of another shape. So
messages below `api/` and `cli/` name a `Term`, and each door has one table from terms to its own words
(`api/protocol/words.py`, `cli/words.py`). A message is a format string with slots for terms: "The {word[image_id]}
'{image_id}' doesn't exist."

Records keep messages too, such as why an import failed. They are written with `MARKS`, so the slots stay in the text,
and each door fills them when it shows the text (`Words.fill`).
"""

import re
from collections.abc import Mapping
from enum import StrEnum, auto
from typing import Final, Protocol, runtime_checkable

_INITIALS: Final = {
    "api": "API",
    "id": "ID",
    "ids": "IDs",
    "iops": "IOPS",
    "ip": "IP",
    "tpm": "TPM",
    "url": "URL",
    "vm": "VM",
    "vms": "VMs",
}
_SLOT: Final = re.compile(r"\{word\[(\w+)\]\}")


class Term(StrEnum):
    """A field of a request, or an action, that messages name."""

    ACCEPTED_FINDING = auto()
    ACCESS_KEY = auto()
    ACCESS_KEY_ID = auto()
    ACCOUNT_ALIAS = auto()
    ACCOUNT_IDS = auto()
    ACCOUNT_NAME = auto()
    API_KEY = auto()
    ARCHITECTURE = auto()
    BOOT_MODE = auto()
    BUCKET = auto()
    CLIENT_TOKEN = auto()
    DATE = auto()
    DAYS = auto()
    DELETION_PROTECTION = auto()
    DESCRIPTION = auto()
    DEVICE_MAPPINGS = auto()
    DEVICE_NAME = auto()
    DISK_FORMAT = auto()
    DISK_URL = auto()
    EXPIRATION_DATE = auto()
    FILE_LOCATION = auto()
    FLOW = auto()
    FROM_PORT = auto()
    GRACE_DAYS = auto()
    IMAGE_ID = auto()
    IMAGE_NAME = auto()
    IMAGE_NAMES = auto()
    IOPS = auto()
    IP_RANGE = auto()
    IP_RANGES = auto()
    KEYPAIR_NAME = auto()
    KEY_TAG = auto()
    LEAST_VMS = auto()
    LIFE_REASON = auto()
    MAPPED_DEVICE_NAME = auto()
    MAPPED_VOLUME = auto()
    MOST_VMS = auto()
    NO_DEVICE = auto()
    OBJECT_PREFIX = auto()
    OFFICIAL_NAME = auto()
    PRIVATE_IP = auto()
    PRODUCT_TYPE_ID = auto()
    PROTOCOL = auto()
    PUBLIC_IP = auto()
    PUBLIC_IP_ID = auto()
    PUBLIC_IP_LINK_ID = auto()
    PUBLIC_KEY = auto()
    QUOTA_VALUE = auto()
    REGION_NAME = auto()
    RESOURCE_IDS = auto()
    ROOT_DEVICE_NAME = auto()
    RULES = auto()
    SECRET_KEY = auto()
    SECURE_BOOT = auto()
    SECURITY_GROUP_NAME = auto()
    SIZE = auto()
    SNAPSHOT_ID = auto()
    SUBREGION_NAME = auto()
    SUCCESSOR = auto()
    TAGS = auto()
    TO_PORT = auto()
    TPM = auto()
    USER_DATA = auto()
    VENDOR = auto()
    VIRTUAL_DEVICE_NAME = auto()
    VM_ID = auto()
    VM_IDS = auto()
    VM_TYPE = auto()
    VOLUME_ID = auto()
    VOLUME_SIZE = auto()
    VOLUME_TYPE = auto()

    CANCEL_EXPORT = auto()
    READ_IMAGE_REPORTS = auto()
    READ_VM_TYPES = auto()
    UPDATE_IMAGE_ALIAS = auto()


@runtime_checkable
class Worded(Protocol):
    """A message that is put into the words of a door."""

    def worded(self, words: "Words") -> str: ...


class Words:
    """A door's words for the terms. A term without one is called by its own name."""

    def __init__(self, table: Mapping[Term, str] | None = None) -> None:
        self._table = dict(table or {})

    def __getitem__(self, term: str) -> str:
        """For the slots of format strings.

        Raises:
            ValueError: there is no such term.
        """
        known = Term(term)
        return self._table.get(known) or " ".join(_INITIALS.get(part, part) for part in known.split("_"))

    def format(self, template: str, fields: Mapping[str, object]) -> str:
        """A message: its slots filled, with values that are terms or messages themselves in these words too."""
        return template.format(word=self, **{name: self._said(value) for name, value in fields.items()})

    def fill(self, text: str) -> str:
        """A text that `MARKS` left slots in. What names no term is left as it is."""
        return _SLOT.sub(lambda slot: self[slot[1]] if slot[1] in {*Term} else slot[0], text)

    def _said(self, value: object) -> object:
        if isinstance(value, Term):
            return self[value]
        return value.worded(self) if isinstance(value, Worded) else value


class _Marks(Words):
    def __getitem__(self, term: str) -> str:
        return f"{{word[{Term(term)}]}}"


PLAIN: Final = Words()
"""for logs"""
MARKS: Final = _Marks()
"""for records: keeps each term as a slot"""


class Phrase:
    """A part of a message, such as a reason, that names terms."""

    def __init__(self, template: str, **fields: object) -> None:
        self.template, self.fields = template, fields

    def worded(self, words: Words) -> str:
        return words.format(self.template, self.fields)

    def __str__(self) -> str:
        return self.worded(PLAIN)

    def __reduce__(self) -> tuple[object, ...]:
        return _phrase, (self.template, self.fields)


def _phrase(template: str, fields: dict[str, object]) -> Phrase:
    return Phrase(template, **fields)

"""The variables that UEFI firmware keeps in a file (EDK2's, which OVMF is built from), and secure boot in them. Pure.

The file is a firmware volume: its header, a store of authenticated variables, and spare space in which the firmware
rewrites the store, which is left unchanged. Secure boot is enabled if there is a platform key (PK) and
`SecureBootEnable` is not 0. If `SecureBootEnable` is missing, the firmware sets it to 1 at its start, if there is a PK.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from souche.errors import ComputeFailed
from souche.model.vms import SecureBootAction

VOLUME_SIGNATURE: Final = b"_FVH"
STORE_GUID: Final = UUID("aaf32c78-947b-439a-a180-2e144ec37792").bytes_le
STORE_HEADER: Final = struct.Struct("<16sIBBHI")  # GUID, size, format, state, reserved
VARIABLE_HEADER: Final = struct.Struct("<HBBIQ16sIII16s")
"""start, state, reserved, attributes, monotonic count, time, index of a public key, lengths of name and data, GUID"""
START, ADDED, BEING_DELETED = 0x55AA, 0x3F, 0x3E
NON_VOLATILE_AND_BOOT_SERVICE: Final = 3
ERASED: Final = b"\xff"

GLOBAL: Final = UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
SECURITY_DATABASE: Final = UUID("d719b2cb-3d3a-4596-a3bc-dad00e67656f")
PLATFORM_KEY: Final = (GLOBAL, "PK")
KEYS: Final = (PLATFORM_KEY, (GLOBAL, "KEK"), (SECURITY_DATABASE, "db"), (SECURITY_DATABASE, "dbx"))
ENABLED: Final = (UUID("f0a30bc7-af08-4556-99c4-001009c93a44"), "SecureBootEnable")

Name = tuple[UUID, str]


@dataclass(frozen=True)
class Variable:
    """The data of a variable, and its other fields for the firmware."""

    data: bytes
    attributes: int = NON_VOLATILE_AND_BOOT_SERVICE
    count: int = 0
    time: bytes = bytes(16)
    key_index: int = 0


Variables = Mapping[Name, Variable]


def read(volume: bytes) -> dict[Name, Variable]:
    """The variables of a firmware volume, in their order.

    Raises:
        ComputeFailed: it is none, or has no store of authenticated variables.
    """
    at, end = _store(volume)
    being_deleted: dict[Name, Variable] = {}
    found: dict[Name, Variable] = {}
    while at + VARIABLE_HEADER.size <= end:
        start, state, _, attributes, count, time, key, names, length, guid = VARIABLE_HEADER.unpack_from(
            volume, at
        )
        data_at = at + VARIABLE_HEADER.size + names
        if start != START or data_at + length > end:
            break
        text = volume[at + VARIABLE_HEADER.size : data_at].decode("utf-16-le", errors="replace").rstrip("\0")
        variable = Variable(volume[data_at : data_at + length], attributes, count, time, key)
        if state in (ADDED, BEING_DELETED):
            (found if state == ADDED else being_deleted)[UUID(bytes_le=guid), text] = variable
        at = _aligned(data_at + length)
    return being_deleted | found


def written(volume: bytes, variables: Variables) -> bytes:
    """The volume with these variables and no others.

    Raises:
        ComputeFailed: as `read`; or there is no room for them.
    """
    at, end = _store(volume)
    entries = b"".join(_entry(name, variable) for name, variable in variables.items())
    if len(entries) > end - at:
        raise ComputeFailed(reason="the firmware has no room for these variables")
    return volume[:at] + entries.ljust(end - at, ERASED) + volume[end:]


def with_secure_boot(variables: Variables, action: SecureBootAction, factory: Variables) -> Variables:
    """The variables after an action of the OUTSCALE API. `factory` has the factory's keys."""
    keys = {name: factory[name] for name in KEYS if name in factory}
    match action:
        case "none":
            return variables
        case "enable":
            return _without(variables if PLATFORM_KEY in variables else {**variables, **keys}, ENABLED)
        case "disable":
            return {**variables, ENABLED: Variable(b"\0")} if PLATFORM_KEY in variables else variables
        case "setup-mode":
            return _without(variables, PLATFORM_KEY, ENABLED)
        case "restore-factory-keys":
            return {**_without(variables, *KEYS), **keys}


def _store(volume: bytes) -> tuple[int, int]:
    """The part of a volume for variables."""
    header = int.from_bytes(volume[48:50], "little")
    if volume[40:44] != VOLUME_SIGNATURE or len(volume) < header + STORE_HEADER.size:
        raise ComputeFailed(reason="the firmware's variables are not a firmware volume")
    guid, size, *_ = STORE_HEADER.unpack_from(volume, header)
    if guid != STORE_GUID or header + size > len(volume):
        raise ComputeFailed(reason="the firmware's variables are not a store of authenticated variables")
    return header + STORE_HEADER.size, header + size


def _entry(name: Name, variable: Variable) -> bytes:
    guid, text = name
    encoded = f"{text}\0".encode("utf-16-le")
    lengths = len(encoded), len(variable.data)
    header = VARIABLE_HEADER.pack(
        *(START, ADDED, 0, variable.attributes, variable.count, variable.time, variable.key_index),
        *(*lengths, guid.bytes_le),
    )
    entry = header + encoded + variable.data
    return entry.ljust(_aligned(len(entry)), ERASED)


def _aligned(offset: int) -> int:
    return (offset + 3) & ~3


def _without(variables: Variables, *names: Name) -> dict[Name, Variable]:
    return {name: variable for name, variable in variables.items() if name not in names}

"""The UEFI variables of a guest: a file that its firmware reads and writes."""

from pathlib import Path

from souche.compute.libvirt.host_paths import UEFI_VARIABLES, write_durably
from souche.errors import ComputeFailed
from souche.formats import uefi_variables
from souche.model.vms import SecureBootAction

FACTORY_VARIABLES = Path(
    "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
)  # with Microsoft's keys; Microsoft signs other systems' boot loaders


def apply_secure_boot(nvram: Path, done: SecureBootAction, wanted: SecureBootAction) -> None:
    """Apply `wanted` to the firmware variables of a guest that is off. Missing variables are first made as `done` left
    them. Idempotent.

    Raises:
        ComputeFailed: the variables cannot be read or written.
    """
    try:
        factory = uefi_variables.read(FACTORY_VARIABLES.read_bytes())
        actions = [wanted] if nvram.exists() else [done, wanted]
        before = (nvram if nvram.exists() else Path(UEFI_VARIABLES)).read_bytes()
        variables: uefi_variables.Variables = uefi_variables.read(before)
        for action in actions:
            variables = uefi_variables.with_secure_boot(variables, action, factory)
        after = uefi_variables.written(before, variables)
        if after != before or not nvram.exists():
            write_durably(nvram, after)
    except OSError as error:
        raise ComputeFailed(reason=f"the variables of the guest's firmware: {error.strerror}") from error

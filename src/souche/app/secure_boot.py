"""Secure boot of VMs: the firmware's action on its keys at the next start (reference section 6)."""

from souche.model.images import BootMode
from souche.model.vms import SecureBootAction
from souche.value_refusals import BadValue
from souche.words import Phrase, Term


def for_boot_mode(action: SecureBootAction, boot_mode: BootMode) -> SecureBootAction:
    """The action for a VM with this boot mode. A BIOS has no secure boot, so disabling it is `none`.

    Raises:
        BadValue: a BIOS cannot do that.
    """
    if boot_mode == "uefi":
        return action
    if action in ("none", "disable"):
        return "none"
    raise BadValue(
        parameter=Term.SECURE_BOOT, reason=Phrase("the VM has the {word[boot_mode]} legacy; uefi is needed")
    )

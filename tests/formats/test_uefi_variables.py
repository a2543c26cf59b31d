"""The variables of OVMF, as Debian's package has them."""

from pathlib import Path

import pytest

from souche.errors import ComputeFailed
from souche.formats import uefi_variables
from souche.formats.uefi_variables import ENABLED, GLOBAL, KEYS, PLATFORM_KEY, Variable, Variables
from souche.model.vms import SecureBootAction

EMPTY = Path("/usr/share/OVMF/OVMF_VARS_4M.fd").read_bytes()
FACTORY = uefi_variables.read(Path("/usr/share/OVMF/OVMF_VARS_4M.ms.fd").read_bytes())
BOOT_ORDER = (GLOBAL, "BootOrder")
OWN_KEY = Variable(b"own", attributes=0x27, time=bytes(range(16)))


def after(before: Variables, *actions: SecureBootAction) -> Variables:
    """What the file says after these actions, each written and read back."""
    for action in actions:
        changed = uefi_variables.with_secure_boot(before, action, FACTORY)
        before = uefi_variables.read(uefi_variables.written(EMPTY, changed))
    return before


def test_what_is_written_is_read() -> None:
    assert uefi_variables.read(EMPTY) == {}
    assert set(KEYS) <= set(FACTORY)
    volume = uefi_variables.written(EMPTY, FACTORY)
    assert (uefi_variables.read(volume), len(volume)) == (FACTORY, len(EMPTY))
    assert uefi_variables.written(volume, {}) == EMPTY


def test_to_enable_secure_boot_puts_the_factorys_keys_where_there_are_none() -> None:
    boot_order = Variable(b"\1\0")
    enabled = after({BOOT_ORDER: boot_order}, "enable")
    assert {name: enabled[name] for name in KEYS} == {name: FACTORY[name] for name in KEYS}
    assert (enabled[BOOT_ORDER], ENABLED in enabled) == (boot_order, False)
    own = after({PLATFORM_KEY: OWN_KEY, ENABLED: Variable(b"\0")}, "enable")
    assert own == {PLATFORM_KEY: OWN_KEY}


def test_to_disable_secure_boot_keeps_the_keys() -> None:
    disabled = after({}, "enable", "disable")
    assert disabled == {**after({}, "enable"), ENABLED: Variable(b"\0")}
    assert after(disabled, "enable") == after({}, "enable")
    assert after({}, "disable") == {}


def test_the_setup_mode_has_no_platform_key_and_the_factorys_can_be_restored() -> None:
    setup = after({}, "enable", "setup-mode")
    assert PLATFORM_KEY not in setup
    own = {**setup, PLATFORM_KEY: OWN_KEY}
    assert after(own, "restore-factory-keys") == after({}, "enable")


@pytest.mark.parametrize("action", ["none", "enable", "disable", "setup-mode", "restore-factory-keys"])
def test_twice_is_as_once(action: SecureBootAction) -> None:
    for before in ({}, FACTORY):
        assert after(before, action, action) == after(before, action)


def test_a_variable_that_is_being_replaced_counts_until_the_new_one_is_there() -> None:
    old = uefi_variables.written(EMPTY, {BOOT_ORDER: Variable(b"old!")})
    at = old.index(0x55AA.to_bytes(2, "little"))
    old = old[: at + 2] + b"\x3e" + old[at + 3 :]
    assert uefi_variables.read(old) == {BOOT_ORDER: Variable(b"old!")}
    deleted = old[: at + 2] + b"\x3c" + old[at + 3 :]
    assert uefi_variables.read(deleted) == {}


@pytest.mark.parametrize("volume", [b"", bytes(len(EMPTY)), EMPTY[:100], EMPTY[:72] + bytes(16) + EMPTY[88:]])
def test_what_is_no_store_of_variables_is_refused(volume: bytes) -> None:
    with pytest.raises(ComputeFailed, match="the firmware's variables are no"):
        uefi_variables.read(volume)


def test_more_than_there_is_room_for_is_refused() -> None:
    with pytest.raises(ComputeFailed, match="no room"):
        uefi_variables.written(EMPTY, {BOOT_ORDER: Variable(bytes(len(EMPTY)))})

"""Ends and restarts domains, gently first."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import libvirt

from souche.compute.libvirt.bindings import Domain, Host
from souche.compute.libvirt.host_paths import tpm_log_tail
from souche.compute.libvirt.waiting import wait_until
from souche.errors import ComputeFailed

ASK_AGAIN_SECONDS = 10.0  # a guest that is still booting ignores the first request
ASK_SHUTDOWN = libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT | libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN
ASK_REBOOT = libvirt.VIR_DOMAIN_REBOOT_GUEST_AGENT | libvirt.VIR_DOMAIN_REBOOT_ACPI_POWER_BTN
FORGET = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    | libvirt.VIR_DOMAIN_UNDEFINE_TPM
)


def power_on(domain: Domain) -> None:
    """Start a domain, or continue one that QEMU stopped (for example, for a full disk). One that has panicked is
    started from its beginning.

    Raises:
        ComputeFailed: its TPM does not start; with swtpm's message, because libvirt names a file that is removed with
            the guest.
        libvirt.libvirtError: for any other reason.
    """
    if has_panicked(domain):
        power_off(domain)
    if not domain.isActive():
        try:
            with _unless(domain.isActive):
                domain.create()
        except libvirt.libvirtError as error:
            if "swtpm" in str(error):
                said = tpm_log_tail(domain.name()) or str(error)
                raise ComputeFailed(reason=f"the TPM of {domain.name()} does not start: {said}") from error
            raise
    if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
        domain.resume()


def is_halted(state: int, reason: int) -> bool:
    """Whether this state and reason mean that QEMU stopped the guest when a write found no space: libvirt's default
    error policy (https://libvirt.org/formatdomain.html, `error_policy`). It reports other errors to the guest."""
    return (state, reason) == (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR)


def resume_halted(domain: Domain) -> None:
    """Continue a halted guest. Do nothing to any other guest."""
    if is_halted(*domain.state()):
        with _unless(lambda: not is_halted(*domain.state())):
            domain.resume()


def has_panicked(domain: Domain) -> bool:
    """Whether the guest's kernel has panicked: its QEMU still exists (`domain_xml.ON_EVENTS`)."""
    return bool(domain.state()[0] == libvirt.VIR_DOMAIN_CRASHED)


def power_off(domain: Domain) -> None:
    """Cut the power of a domain, which may be off."""
    if domain.isActive():
        with _unless(lambda: not domain.isActive()):
            domain.destroy()


def shut_down(domain: Domain, timeout_seconds: float) -> None:
    """Ask the guest to power off until it is off. After `timeout_seconds`, or when it panics, cut its power."""
    deadline = time.monotonic() + timeout_seconds
    while domain.isActive() and not has_panicked(domain) and (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(libvirt.libvirtError):
            domain.shutdownFlags(ASK_SHUTDOWN)
        wait_until(lambda: not domain.isActive(), min(ASK_AGAIN_SECONDS, left))
    power_off(domain)


def reboot(host: Host, domain: Domain, grace_seconds: float) -> None:
    """Ask the guest to restart. Reset it if it has not restarted after `grace_seconds`.

    libvirt reports a restart by an event, for any cause. A guest that has panicked is started again.
    """
    if has_panicked(domain):
        power_on(domain)
        return
    restarted = threading.Event()
    callback = host.domainEventRegisterAny(
        domain, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, lambda *_: restarted.set(), None
    )
    try:
        with contextlib.suppress(libvirt.libvirtError):
            domain.reboot(ASK_REBOOT)
        if not restarted.wait(grace_seconds):
            domain.reset()
    finally:
        host.domainEventDeregisterAny(callback)


def forget(domain: Domain) -> None:
    """Undefine a domain that is off, with everything that libvirt stores for it."""
    domain.undefineFlags(FORGET)


@contextlib.contextmanager
def _unless(done: Callable[[], object]) -> Iterator[None]:
    """Run an action that another process may be running too: an error does not count if `done` is true afterwards."""
    try:
        yield
    except libvirt.libvirtError:
        if not done():
            raise


def screenshot(host: Host, domain: Domain) -> bytes:
    """The screen of a running domain, as a PNG, which QEMU can write since version 7.1.

    Raises:
        ComputeFailed: it wrote something else.
    """
    parts: list[bytes] = []
    stream = host.newStream()
    kind = domain.screenshot(stream, 0)
    stream.recvAll(lambda _stream, part, _opaque: parts.append(part), None)
    stream.finish()
    if kind != "image/png":
        raise ComputeFailed(reason=f"QEMU gave a screenshot of the type {kind}")
    return b"".join(parts)

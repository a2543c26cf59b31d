"""The disks of a domain: attached, detached, and switched to new overlays at one instant."""

import contextlib
import os
import time
from collections.abc import Mapping
from functools import partial

import libvirt
import libvirt_qemu
import structlog

from souche.compute.libvirt import disk_xml
from souche.compute.libvirt.bindings import Domain
from souche.compute.libvirt.disk_xml import DiskView, file_of
from souche.compute.libvirt.host_paths import bypasses_page_cache
from souche.compute.libvirt.markup import text
from souche.compute.libvirt.waiting import wait_until
from souche.errors import CapturedTooOften, ComputeFailed
from souche.model.disks import DiskSource, FileSource, GuestDisk, GuestHold

DETACH_SECONDS = 30.0
AGENT_PING_SECONDS = 1
FREEZE_SECONDS = 10  # longest wait for the guest agent while it freezes file systems
SWITCH = (
    libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
    | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
    | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
    | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT
)
QUIESCE = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE
CHAIN_TOO_LONG = (
    "layers deep are not supported"  # from qemuDomainDetermineDiskChain; many errors share its code
)
BY_RELATIVE_NAME = libvirt.VIR_DOMAIN_BLOCK_REBASE_RELATIVE
STOP_SHORTENING_SECONDS = 30.0
SHORTENING_MIB_PER_SECOND = 64  # leaves bandwidth for the guest's own reads and writes
LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG

log = structlog.get_logger()


def cache_mode(source: DiskSource) -> disk_xml.CacheMode:
    """QEMU's cache mode for a disk: it bypasses the host's page cache if the file system allows it. Then the guest's
    writes are already on the medium, and a capture need not flush the page cache while the guest's disks are paused.
    """
    return "none" if bypasses_page_cache(file_of(source).path) else "writeback"


def running_views(domain: Domain) -> dict[str, DiskView] | None:
    """The disks of a running domain, by volume id; None: it does not run."""
    xml = domain.XMLDesc()
    return disk_xml.views(xml) if disk_xml.is_running(xml) else None


def attach(domain: Domain, guest_disk: GuestDisk) -> None:
    """Plug a disk into the definition (in place of one of the same volume with another source) and, if the
    domain runs, into QEMU."""
    xml = text(disk_xml.disk(guest_disk, cache_mode(guest_disk.source)))
    volume_id = guest_disk.volume_id
    running = running_views(domain)
    if running is not None and volume_id not in running:
        domain.attachDeviceFlags(xml, LIVE)
    defined = _defined(domain).get(volume_id)
    if defined is not None and defined.source != guest_disk.source:
        _undefine_disk(domain, volume_id)
        defined = None
    if defined is None:
        domain.attachDeviceFlags(xml, CONFIG)


def detach(domain: Domain, volume_id: str) -> None:
    """Unplug a disk from QEMU and from the definition.

    libvirt only asks QEMU; the disk leaves the running domain's XML when QEMU has closed it. virtio-scsi
    needs no answer from the guest for that.

    Raises:
        ComputeFailed: it was still attached after `DETACH_SECONDS`.
    """
    live = disk_xml.disk_in(domain.XMLDesc(), volume_id) if running_views(domain) is not None else None
    if live is not None:
        domain.detachDeviceFlags(live, LIVE)
        if not wait_until(lambda: volume_id not in (running_views(domain) or {}), DETACH_SECONDS):
            raise ComputeFailed(reason=f"the guest did not release {volume_id}")
    _undefine_disk(domain, volume_id)


def resize(domain: Domain, volume_id: str, size_bytes: int) -> None:
    """Make QEMU grow a disk to at least this size, and tell the guest.

    Raises:
        ComputeFailed: the domain does not run, or has no such disk.
    """
    view = (running_views(domain) or {}).get(volume_id)
    if view is None:
        raise ComputeFailed(reason=f"{domain.name()} does not run with the disk {volume_id}")
    if domain.blockInfo(view.target)[0] < size_bytes:
        domain.blockResize(view.target, size_bytes, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)


def shorten(domain: Domain, most_files: int) -> None:
    """If a disk's chain has more than `most_files` files, start a job in QEMU that copies the files between the disk's
    own file and the lowest one. The lowest is usually an image's, by far the largest, and stays shared.

    Only the lowest file can be the job's base: the files between may have been merged and removed since QEMU opened
    them (`storage/qcow2/collect.py`), but the lowest is always still in the chain.
    """
    xml = domain.XMLDesc()
    if not disk_xml.is_running(xml):
        return
    for target, below in disk_xml.chains(xml).items():
        if len(below) > most_files and not domain.blockJobInfo(target):
            log.info("chain is being shortened", domain=domain.name(), disk=target, files=len(below))
            domain.blockRebase(target, below[-1], SHORTENING_MIB_PER_SECOND, BY_RELATIVE_NAME)


def stop_shortening(domain: Domain) -> None:
    """End the jobs of `shorten`, which keep libvirt from any other change to a disk. The copied data stay, and are
    valid.

    Raises:
        ComputeFailed: a job still runs after `STOP_SHORTENING_SECONDS`.
    """
    for target in disk_xml.chains(domain.XMLDesc()):
        if not wait_until(partial(_is_idle, domain, target), STOP_SHORTENING_SECONDS):
            raise ComputeFailed(reason=f"QEMU does not end its work on the disk {target} of {domain.name()}")


def _is_idle(domain: Domain, target: str) -> bool:
    """Whether QEMU has no job on a disk. A running job is asked to end."""
    if not domain.isActive() or not domain.blockJobInfo(target):
        return True
    with contextlib.suppress(libvirt.libvirtError):  # the job has ended meanwhile
        domain.blockJobAbort(target)
    return not domain.blockJobInfo(target)


def switch(domain: Domain, overlays: Mapping[str, DiskSource]) -> GuestHold:
    """Switch the disks to their overlays in one QEMU transaction, in the running domain and in its definition.

    Returns:
        An upper bound of the guest's pause: the time that libvirt took to freeze the file systems through the agent, to
        switch, and to thaw. The time for which QEMU itself stops the guest's I/O lies within it.

    Raises:
        ComputeFailed: the domain does not run, has no such disk, or has a chain of about 200 files, because captures
            were faster than `shorten`: libvirt opens no longer chain.
    """
    wanted = {volume_id: file_of(source) for volume_id, source in overlays.items()}
    present = running_views(domain)
    if present is None or not wanted.keys() <= present.keys():
        raise ComputeFailed(reason=f"{domain.name()} does not run with the disks {sorted(wanted)}")
    changing = {id_: source for id_, source in wanted.items() if present[id_].source != source}
    if not changing:
        return GuestHold(0.0, quiesced=None)
    for view in present.values():
        _flush(view.source)
    try:
        return _snapshot(domain, disk_xml.switch(list(present.values()), changing), changing)
    except libvirt.libvirtError as error:
        if CHAIN_TOO_LONG in str(error):
            log.warning("chain too long", domain=domain.name(), error=str(error))
            raise CapturedTooOften(vm_id=domain.name()) from None
        raise


def agent_answers(domain: Domain) -> bool:
    """Whether the guest agent answers within a second."""
    if not disk_xml.agent_connected(domain.XMLDesc()):
        return False
    try:
        libvirt_qemu.qemuAgentCommand(domain, '{"execute": "guest-ping"}', AGENT_PING_SECONDS, 0)
    except libvirt.libvirtError:
        return False
    return True


def _snapshot(domain: Domain, xml: str, changing: Mapping[str, FileSource]) -> GuestHold:
    """Quiesced if the agent answers; crash-consistent if it does not, or if it fails to freeze. Returns the seconds of
    the snapshot, without those of the check of the agent."""
    quiesced = agent_answers(domain)
    if quiesced:
        domain.agentSetResponseTimeout(FREEZE_SECONDS)
    began = time.monotonic()
    if quiesced:
        try:
            _snapshot_once(domain, xml, SWITCH | QUIESCE, changing)
            return GuestHold(time.monotonic() - began, quiesced=True)
        except libvirt.libvirtError as error:
            log.warning("not quiesced", domain=domain.name(), error=str(error))
            _thaw(domain)
    _snapshot_once(domain, xml, SWITCH, changing)
    return GuestHold(time.monotonic() - began, quiesced=False)


def _snapshot_once(domain: Domain, xml: str, flags: int, changing: Mapping[str, FileSource]) -> None:
    """An error counts only if nothing was switched: libvirt also reports one if only the thaw failed, and a second
    snapshot would then put the overlays onto themselves."""
    try:
        domain.snapshotCreateXML(xml, flags)
    except libvirt.libvirtError as error:
        now = running_views(domain) or {}
        if any(id_ not in now or now[id_].source != source for id_, source in changing.items()):
            raise
        log.warning("switched, with an error", domain=domain.name(), error=str(error))
        _thaw(domain)


def _thaw(domain: Domain) -> None:
    """Thaw file systems, because a freeze that timed out may have succeeded."""
    with contextlib.suppress(libvirt.libvirtError):
        domain.fsThaw()


def _flush(source: FileSource) -> None:
    """Flush the host's page cache of a disk while the guest still runs. Otherwise QEMU would flush it inside the
    transaction, while the guest's disks are paused."""
    try:
        with source.path.open("rb") as stream:
            os.fdatasync(stream.fileno())
    except OSError as error:
        raise ComputeFailed(reason=f"{source.path} cannot be written out: {error}") from error


def _defined(domain: Domain) -> dict[str, DiskView]:
    return disk_xml.views(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))


def _undefine_disk(domain: Domain, volume_id: str) -> None:
    defined = disk_xml.disk_in(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), volume_id)
    if defined is not None:
        domain.detachDeviceFlags(defined, CONFIG)

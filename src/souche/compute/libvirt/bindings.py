"""The part of libvirt's Python API that Souche uses, typed. Debian's binding ships no types.

Everything here raises `libvirt.libvirtError`; `connection.Connection.calling` translates it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypedDict

LifecycleCallback = Callable[["Host", "Domain", int, int, object], None]
RebootCallback = Callable[["Host", "Domain", object], None]


class Lease(TypedDict):
    """A DHCP lease; `clientid` is None if the guest sent none."""

    mac: str
    ipaddr: str
    clientid: str | None


class Stream(Protocol):
    """virStream."""

    def recvAll(self, handler: Callable[["Stream", bytes, object], None], opaque: object) -> None: ...  # noqa: N802
    def finish(self) -> int: ...


class Domain(Protocol):
    """virDomain."""

    def name(self) -> str: ...
    def isActive(self) -> int: ...  # noqa: N802
    def state(self) -> list[int]: ...
    def XMLDesc(self, flags: int = 0) -> str: ...  # noqa: N802
    def create(self) -> int: ...
    def resume(self) -> int: ...
    def destroy(self) -> int: ...
    def reset(self) -> int: ...
    def reboot(self, flags: int = 0) -> int: ...
    def shutdownFlags(self, flags: int) -> int: ...  # noqa: N802
    def undefineFlags(self, flags: int) -> int: ...  # noqa: N802
    def attachDeviceFlags(self, xml: str, flags: int) -> int: ...  # noqa: N802
    def detachDeviceFlags(self, xml: str, flags: int) -> int: ...  # noqa: N802
    def snapshotCreateXML(self, xml: str, flags: int) -> object: ...  # noqa: N802
    def blockInfo(self, target: str, flags: int = 0) -> list[int]: ...  # noqa: N802  capacity, allocation, physical
    def blockResize(self, target: str, size: int, flags: int) -> int: ...  # noqa: N802
    def blockRebase(self, target: str, base: str, bandwidth: int, flags: int) -> int: ...  # noqa: N802  in MiB/s
    def blockJobInfo(self, target: str) -> dict[str, int]: ...  # noqa: N802  empty where there is none
    def blockJobAbort(self, target: str) -> int: ...  # noqa: N802
    def agentSetResponseTimeout(self, timeout: int, flags: int = 0) -> int: ...  # noqa: N802
    def screenshot(self, stream: Stream, screen: int, flags: int = 0) -> str: ...  # returns the MIME type
    def fsThaw(self) -> int: ...  # noqa: N802


class Network(Protocol):
    """virNetwork."""

    def isActive(self) -> int: ...  # noqa: N802
    def XMLDesc(self, flags: int = 0) -> str: ...  # noqa: N802
    def create(self) -> int: ...
    def destroy(self) -> int: ...
    def undefine(self) -> int: ...
    def update(self, command: int, section: int, parent_index: int, xml: str, flags: int) -> int: ...
    def DHCPLeases(self, mac: str | None = None, flags: int = 0) -> list[Lease]: ...  # noqa: N802


class Host(Protocol):
    """virConnect."""

    def isAlive(self) -> int: ...  # noqa: N802
    def close(self) -> int: ...
    def newStream(self, flags: int = 0) -> Stream: ...  # noqa: N802
    def lookupByName(self, name: str) -> Domain: ...  # noqa: N802
    def listAllDomains(self, flags: int = 0) -> Sequence[Domain]: ...  # noqa: N802
    def getAllDomainStats(self, stats: int) -> Sequence[tuple[Domain, Mapping[str, int]]]: ...  # noqa: N802
    def defineXML(self, xml: str) -> Domain: ...  # noqa: N802
    def domainXMLToNative(self, kind: str, xml: str, flags: int) -> str: ...  # noqa: N802
    def networkLookupByName(self, name: str) -> Network: ...  # noqa: N802
    def networkDefineXML(self, xml: str) -> Network: ...  # noqa: N802
    def domainEventRegisterAny(  # noqa: N802
        self, domain: Domain | None, event: int, callback: LifecycleCallback | RebootCallback, opaque: object
    ) -> int: ...
    def domainEventDeregisterAny(self, callback_id: int) -> int: ...  # noqa: N802

"""Where Souche knowingly differs from the real service, or chose where no source tells: rows of
docs/compatibility.md."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """One row. `where`: the action, parameter or field."""

    where: str
    here: str
    why: str


DIFFERENCES = (
    Difference(
        "CreateImage, CreateSnapshot: FileLocation",
        "400 OperationNotSupported 8000",
        "imports are a later piece of work",
    ),
    Difference(
        "CreateImage from a copy",
        "the copy gets snapshots of its own, in the caller's account",
        "a copy is independent; no source tells whether the real service shares them",
    ),
    Difference(
        "CreateImage from a VM: NoReboot absent",
        "the VM passes through stopping and pending while it is shut down, imaged and started",
        "the reference says shut down, imaged, restarted, and not which states are shown",
    ),
    Difference(
        "CreateVms: BootMode absent, image with both",
        "that of the VM that the image was made from, else legacy",
        "the real default is unknown; SeaBIOS is the faster of the two",
    ),
    Difference(
        "CreateVms: Nics, SubnetId, SecurityGroupIds, SecurityGroups, PrivateIps",
        "refused as not existing (5057, 5036, 5022), or as a bad value",
        "Nets and security groups are not kept yet",
    ),
    Difference(
        "CreateVms: TpmEnabled", "400 OperationNotSupported 8000", "virtual TPMs are a later piece of work"
    ),
    Difference(
        "Vm.PublicIp", "the private address", "it is the address by which the region's users reach the VM"
    ),
    Difference("Vm.Nics", "absent, as outside a Net", "Nets are not kept"),
    Difference("Vm.SecurityGroups", "empty", "security groups are not kept yet"),
    Difference(
        "ReadAdminPassword",
        'always ""',
        "no Windows guest can report one yet; for other VMs the real answer is the same",
    ),
    Difference(
        "UnlinkVolume: ForceUnlink", "changes nothing", "a volume that a guest holds on to stays attached"
    ),
    Difference(
        "UpdateVm: ActionsOnNextBoot, IsSourceDestChecked, BsuOptimized",
        "accepted, without effect",
        "secure boot and Nets are not there; BsuOptimized has no effect on the real service either",
    ),
    Difference(
        "access keys that are locked after failures",
        "401 AccessDenied 13",
        "as docs.outscale.com/api-errors lists it; an older observation saw 1",
    ),
    Difference("a request over 1 MiB", "413 InvalidParameterValue 4106", "a limit of Souche's own"),
)

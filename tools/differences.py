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
        "the date in a signature's scope",
        "that of the request, else 401",
        "the real service was seen to take any; with it a signing key of one day opened the account for ever",
    ),
    Difference(
        "more requests at once than an account may have",
        "429 TooManyResources 10000, with Retry-After",
        "the real service's bounds are unpublished, and no answer with its code is on record",
    ),
    Difference(
        "UpdateVm: a BlockDeviceMapping with the VolumeId of a volume that is not linked to the VM",
        "refused, 4047 or 5064",
        "a mistake that would go unseen; the real answer is not on record",
    ),
    Difference(
        "imports: the format of a disk",
        "qcow2, raw, VMDK, VHD, VHDX or OVA, as the name in its URL or in the manifest says; gzip may be around it",
        "qcow2 and raw were seen to be taken; what the real service does with others is not on record",
    ),
    Difference(
        "CreateImage by a manifest: ImageName absent",
        "the manifest's name, with -copyN behind it where the account has an image of it",
        "imports beside the source were seen to succeed; how they are named is not known",
    ),
    Difference(
        "CreateImage by a manifest: a product code that the region does not know",
        "kept on the image",
        "it is a licence of another region, and only an export of an OMI takes licences along",
    ),
    Difference(
        "CreateImage by a manifest: a bucket that does not exist",
        "400 InvalidResource 5031, as for a manifest that does not; 4002 is never answered",
        "over HTTP both are 404",
    ),
    Difference(
        "CreateImage from snapshots or by a manifest: BootModes absent",
        "legacy",
        "the real default is unknown",
    ),
    Difference(
        "CreateImage from a VM: TpmMandatory absent",
        "false, also when the VM has a TPM",
        "the specification says so of the parameter, and nothing of VMs",
    ),
    Difference(
        "CreateImage by copy: NoReboot",
        "400 InvalidParameter 3002",
        "the specification has it for VMs only; the refusal was seen with FileLocation",
    ),
    Difference(
        "an image of a VM: deletion protection, shutdown behaviour, performance, boot mode",
        "kept with the image and its copies, taken by launches that do not name them, and shown in no field",
        "an OMI is said to carry them, and the specification has no field for them",
    ),
    Difference(
        "CreateVms, UpdateVm: Windows (0002) below v3, 2 vCores or 4 GiB",
        "409 ResourceConflict 9072",
        "documented as what Windows needs; no source tells whether it is enforced",
    ),
    Difference(
        "ReadImages, ReadVms: Filters.BootModes",
        "an unknown value finds nothing, as in every filter",
        "the specification has an enumeration there; unknown values of filters were seen to be no error",
    ),
    Difference(
        "ReadImages: Filters.ProductCodeNames",
        "matches the codes themselves, as ProductCodes does",
        "no source tells what the name of a code is",
    ),
    Difference(
        "ReadImages: `?` in ImageNames and FileLocations",
        "stands for itself; `*` alone is a wildcard",
        "unverified on the real service",
    ),
    Difference(
        "Image.FileLocation of an imported image",
        "the whole URL for its owner, the URL without its query for others",
        "the query is a signature, and gives access",
    ),
    Difference(
        "CreateSnapshot: FileLocation",
        "the URL is tried at the call: 4074, 4075, 4088; a disk that is refused later ends in error",
        "a snapshot has no comment in which it could be said later",
    ),
    Difference(
        "a manifest's second disk at /dev/sda2",
        "taken for /dev/xvdb, /dev/sda3 for /dev/xvdc, and so on",
        "the published sample has it, and no VM can have such a device",
    ),
    Difference(
        "CreateImage by copy of a public image",
        "the copy is private, as every new image is",
        "the real service was recorded making it public; an OMI that its owner has not shared is private here",
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
        "CreateImageExportTask: objects beside the disks",
        "`manifest-<8 hex>.json` and `companion-<8 hex>.json` (docs/formats.md)",
        "no source names the manifest's object; the digits keep one export from spoiling another's",
    ),
    Difference(
        "SnapshotExportTask.State while it is being exported",
        "pending, with its progress",
        "the specification has initializing, preparing and uploading too, at which Terraform fails",
    ),
    Difference(
        "CreateImageExportTask, CreateSnapshotExportTask: OsuManifestUrl",
        "accepted, and without a meaning",
        "it is an answer's field, which the specification has in requests too",
    ),
    Difference(
        "CreateImageExportTask: a mapping without a snapshot",
        "left out of the manifest",
        "the manifest has no place for an empty volume",
    ),
    Difference(
        "CreateImageExportTask: a mapping larger than its snapshot",
        "Size in the manifest is the mapping's",
        "an io1 volume may need it for its Iops; an import takes sizes that are larger than the disk",
    ),
    Difference(
        "OsuApiKey of an account of this region",
        "the export goes into that account's bucket",
        "the real service has one OOS for all accounts of a region, too",
    ),
    Difference(
        "CreateSnapshot of a volume that is creating",
        "waits for it, 5 s at most; then 409 InvalidState 6003",
        "the real service was recorded to refuse it with 6007 (one source); Terraform and scripts ask right away",
    ),
    Difference(
        "DeleteVolume while a snapshot of the volume is being made",
        "waits for it, 5 s at most; then 409 InvalidState 6003",
        "no source tells; Terraform deletes a volume right after the call for its last snapshot",
    ),
    Difference(
        "DeleteExportTask",
        "while the task is under way, in any state; otherwise 409 InvalidState 6003",
        "the specification says both active or pending, and pending/queued only; no reply on record shows the code",
    ),
    Difference(
        "DeleteSnapshot of a snapshot that is being exported",
        "409 InvalidState 6003; DeleteImage is possible",
        "no source tells; the export could not go on, and needs the image no more",
    ),
    Difference(
        "OOS: ACLs other than private, bucket encryption, `?website`, `?logging`, keys with `//`",
        "refused by S3's codes: [buckets](buckets.md) has the list",
        "the embedded store would take them and not obey them",
    ),
    Difference(
        "OOS: bucket policies",
        "the actions, principals and conditions that are obeyed exactly; others are NotImplemented",
        "the embedded store would take them and not obey them",
    ),
    Difference(
        "CreateVms: BootMode absent, image of a VM, with both",
        "that of the VM that the image was made from; uefi for every other image",
        "what the image was made from has booted so; the real service was recorded to take uefi",
    ),
    Difference(
        "VmInitiatedShutdownBehavior terminate, of a VM with DeletionProtection",
        "the VM is stopped, and not terminated",
        "the protection is there against a deletion by mistake; no source tells",
    ),
    Difference(
        "VmInitiatedShutdownBehavior terminate, HostAction absent",
        "HostAction restart",
        "with terminate no other value is on record",
    ),
    Difference(
        "CreateVms: Nics, SubnetId, PrivateIps",
        "refused as not existing (5057, 5036), or as a bad value",
        "Nets are not kept",
    ),
    Difference(
        "CreateSecurityGroup: NetId",
        "refused as not existing, 5065; a rule of the flow Outbound is a bad value, 4047",
        "Nets are not kept, and outside of them all outbound traffic is let out",
    ),
    Difference(
        "the default security group",
        "also lets in SSH and ping from the host of the region, by two rules that can be deleted",
        "so that the person who sets a region up reaches the first VM; nothing else is let in beside its members",
    ),
    Difference(
        "members of a security group in a rule",
        "groups of the account itself only, else 5022",
        "groups of other accounts cannot be seen",
    ),
    Difference(
        "Vm.SecurityGroups of a terminated VM",
        "[], and no filter on groups finds it",
        "no source tells; Terraform deletes no group while a VM is listed that has no other one",
    ),
    Difference(
        "DeleteSecurityGroup of a group that a rule of another names",
        "409 ResourceConflict 9002",
        "no reply on record shows the code",
    ),
    Difference(
        "SecurityGroupRule.SecurityGroupRuleId",
        "rules for the same traffic are shown as one, with one id, which is the same again when they are made again",
        "no action takes the id, and the specification's examples show them as one",
    ),
    Difference(
        "connections that stand when their rule is deleted",
        "go on until they end",
        "rules decide about what begins; no source tells what the real service does",
    ),
    Difference(
        "UserData: pin, tags.osc.fcu.{attract,repulse}_…",
        "accepted, without effect; the tags are there",
        "there is one host",
    ),
    Difference(
        "ReadNics, ReadNets, ReadLoadBalancers, ReadUsers, ReadCas and other reads of what is not kept",
        "an empty list",
        "clients read them on their way",
    ),
    Difference(
        "ReadVmTypes",
        "lists a useful part of the tinav names beside the others; ephemeral disks are shown, and no VM has any",
        "the real service was recorded to list none; CreateVms takes every tinav name, and clients choose from it",
    ),
    Difference(
        "ReadVmTypes: c1 and m1, and the word in EphemeralsType",
        "numbers that are likely; ssd",
        "not on record",
    ),
    Difference(
        "subregions",
        "as many as --subregions names, all on one host",
        "clients place VMs and volumes in several; what fails, fails in all of them",
    ),
    Difference("ReadCatalog, ReadPublicCatalog", "a catalog without entries", "nothing is sold here"),
    Difference(
        "Vm.PublicIp without a linked public IP",
        "the private address, also while the VM is stopped",
        "it is the address by which the region's users reach the VM",
    ),
    Difference(
        "public IPs",
        "of a range that leads to guests on the region's host only (--public-ips); linked to VMs, not to NICs",
        "nothing for them may leave the host, and Nets are not kept",
    ),
    Difference(
        "DeletePublicIp of a linked public IP",
        "409 ResourceConflict 9029, as LinkPublicIp without AllowRelink",
        "no reply on record shows the code",
    ),
    Difference(
        "the tag osc.fcu.eip.auto-attach",
        "a public IP that is linked elsewhere stays there, and the VM starts without",
        "the real service was seen to start such a VM too; no source tells who keeps the address",
    ),
    Difference(
        "Vm.PublicDnsName",
        "the address too, of a public IP as well",
        "nothing resolves names here, and Packer connects to this one unless told otherwise",
    ),
    Difference("Vm.Nics", "absent, as outside a Net", "Nets are not kept"),
    Difference(
        "ReadAdminPassword",
        'always ""',
        "no Windows guest can report one yet; for other VMs the real answer is the same",
    ),
    Difference(
        "ReadImages, ReadSnapshots: Tags of what another account owns",
        "[], and the filters on tags find the caller's own only",
        "tags are their owner's notes, which ReadTags shows to nobody else; no source tells",
    ),
    Difference(
        "ReadImages: official images that an update has replaced",
        "found by ImageIds, launched and copied for 30 days more (docs/official-images.md)",
        "on the real service the old id disappears; no source tells when",
    ),
    Difference(
        "images with the code of a product on the marketplace, its subscriber's copies too",
        "launched and copied by its owner and its subscribers only, else 401 AccessDenied 5",
        "a choice: no reply on record shows how the real service refuses",
    ),
    Difference(
        "LinkVolume, as the root volume, of one with the code of a product on the marketplace",
        "refused like a launch, 401 AccessDenied 5, unless the VM was launched with the code",
        "otherwise an account that has unsubscribed goes on launching the product; no source tells",
    ),
    Difference(
        "CreateImage from a VM: ProductCodes absent",
        "those of the VM, and the licences of the root volume that it has now",
        "a root volume can be changed for another; no source tells",
    ),
    Difference(
        "UpdateImage, DeleteImage of a version on the marketplace",
        "400 OperationNotSupported 8000, but for the description",
        "published versions are frozen; no source tells the code",
    ),
    Difference(
        "UpdateImage: ProductCodes",
        "replaces the list, but for pty- codes of other accounts, which stay",
        "a subscriber could shed a vendor's code otherwise",
    ),
    Difference(
        "ReadQuotas: names, collections and limits",
        "Souche's own but for vm_limit, image_export_limit and snapshot_export_limit",
        "no list of the real ones is on record",
    ),
    Difference(
        "quotas of images and of key pairs",
        "400 with the nearest codes, 10026 and 10005",
        "no codes of their own are on record",
    ),
    Difference(
        "UnlinkVolume: ForceUnlink", "changes nothing", "a volume that a guest holds on to stays attached"
    ),
    Difference(
        "ActionsOnNextBoot.SecureBoot of a VM whose BootMode is legacy",
        "disable is none; any other action is a bad value, 4047",
        "no reply on record shows the code",
    ),
    Difference(
        "ActionsOnNextBoot.SecureBoot of a running VM",
        "accepted, done at the next start; a reboot is none. While the VM starts or stops: 409 InvalidState 6003",
        "the documentation says that it needs a stop and a start",
    ),
    Difference(
        "UpdateVm: IsSourceDestChecked",
        "what changes nothing is accepted; it stays false",
        "Nets are not there; outside a Net the real service shows false too",
    ),
    Difference(
        "a VM to restart that goes off again and again",
        "restarted five times within ten minutes; after that it is `stopped`, StateReason says so, and it is restarted "
        "when ten minutes have passed",
        "no source tells; it would be started without end",
    ),
    Difference(
        "a guest whose kernel panics",
        "stopped, or restarted where HostAction says so; StateReason is Client.GuestPanic. A panic before the kernel "
        "has its driver of pvpanic is seen by the last line of its first serial console (`console=ttyS0`); without "
        "one it is not seen, and the VM stays `running` with no reason: its CPU is busy like any other guest's. "
        "StopVms ends it",
        "no source tells; the VM would be running for ever",
    ),
    Difference(
        "access keys that are locked after failures",
        "401 AccessDenied 13",
        "as docs.outscale.com/api-errors lists it; an older observation saw 1",
    ),
    Difference(
        "login and password (Basic)",
        "401 AccessDenied 1, on every action that needs credentials",
        "accounts here have no passwords",
    ),
    Difference(
        "throttling",
        "none: 429 and 503 are not answered for the number of requests",
        "the limits are unpublished, and a region has one owner",
    ),
    Difference(
        "CreateImage from snapshots: NoReboot",
        "accepted, without effect",
        "no source says that it is refused, and libcloud gives it with every request",
    ),
    Difference(
        "a parameter that is null",
        "as if it were absent",
        "clients in Go send lists that they have not filled as null: Packer, whenever an owner is given by alias",
    ),
    Difference("a request over 1 MiB", "413 InvalidParameterValue 4106", "a limit of Souche's own"),
)

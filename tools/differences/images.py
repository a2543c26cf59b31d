"""Differences of images, snapshots, volumes, exports and buckets, and of all requests."""

from tools.differences.row import Difference

DIFFERENCES = (
    Difference(
        "the date in a signature's scope",
        "must be the request's date, otherwise 401",
        "the real service was seen to accept any date; then a signing key of one day opens the account forever",
    ),
    Difference(
        "more requests at once than an account may have",
        "429 TooManyResources 10000, with Retry-After",
        "the real service's limits are unpublished, and no recorded answer has its code",
    ),
    Difference(
        "UpdateVm: a BlockDeviceMapping with the VolumeId of a volume that is not linked to the VM",
        "refused, 4047 or 5064",
        "otherwise the mistake would go unnoticed; the real answer is not on record",
    ),
    Difference(
        "imports: the format of a disk",
        "qcow2, raw, VMDK, VHD, VHDX or OVA, gzipped or not, as declared by the name in its URL or in the manifest",
        "the real service was seen to accept qcow2 and raw; its behaviour with other formats is not on record",
    ),
    Difference(
        "CreateImage by a manifest: ImageName absent",
        "the manifest's name, followed by -copyN if the account already has an image of that name",
        "an import into the source's account was seen to succeed; the name it gets is not known",
    ),
    Difference(
        "CreateImage by a manifest: a product code that the region does not know",
        "kept on the image",
        "it is another region's licence, and only an export of an OMI preserves licences",
    ),
    Difference(
        "CreateImage by a manifest: a bucket that does not exist",
        "400 InvalidResource 5031, as for a missing manifest; 4002 is never returned",
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
        "it is the parameter's default in the specification, which does not mention VMs",
    ),
    Difference(
        "CreateImage by copy: NoReboot",
        "400 InvalidParameter 3002",
        "the specification defines it for VMs only; the refusal was seen with FileLocation",
    ),
    Difference(
        "an image of a VM: deletion protection, shutdown behaviour, performance, boot mode",
        "stored with the image and its copies, used by launches that do not set them, and shown in no field",
        "the documentation says that an OMI carries them; the specification has no field for them",
    ),
    Difference(
        "CreateVms, UpdateVm: Windows (0002) below v3, 2 vCores or 4 GiB",
        "409 ResourceConflict 9072",
        "documented as the requirements of Windows; no source says whether they are enforced",
    ),
    Difference(
        "ReadImages, ReadVms: Filters.BootModes",
        "an unknown value matches nothing, as in every filter",
        "the specification defines an enumeration; the real service was seen to accept unknown filter values",
    ),
    Difference(
        "ReadImages: Filters.ProductCodeNames",
        "matches the codes themselves, as ProductCodes does",
        "no source defines the name of a code",
    ),
    Difference(
        "ReadImages: `?` in ImageNames and FileLocations",
        "a literal character; only `*` is a wildcard",
        "unverified on the real service",
    ),
    Difference(
        "Image.FileLocation of an imported image",
        "the whole URL for its owner, the URL without its query for others",
        "the query is a signature and grants access",
    ),
    Difference(
        "CreateSnapshot: FileLocation",
        "the call checks the URL: 4074, 4075, 4088; if the disk is refused later, the snapshot ends in error",
        "a snapshot has no comment that could report it later",
    ),
    Difference(
        "a manifest's second disk at /dev/sda2",
        "read as /dev/xvdb, /dev/sda3 as /dev/xvdc, and so on",
        "the published sample has it, but VMs cannot have such a device",
    ),
    Difference(
        "CreateImage by copy of a public image",
        "the copy is private, like every new image",
        "the real service was recorded to make it public; in Souche an OMI is private until its owner shares it",
    ),
    Difference(
        "CreateImage from a copy",
        "the copy gets its own snapshots, in the caller's account",
        "a copy is independent; no source says whether the real service shares snapshots",
    ),
    Difference(
        "CreateImage from a VM: NoReboot absent",
        "the VM passes through stopping and pending while it is shut down, imaged and started",
        "the reference says shut down, imaged, restarted, but not which states are shown",
    ),
    Difference(
        "CreateImageExportTask: objects beside the disks",
        "`manifest-<8 hex>.json` and `companion-<8 hex>.json` (docs/formats.md)",
        "no source gives the name of the manifest's object; the digits keep exports from overwriting each other",
    ),
    Difference(
        "SnapshotExportTask.State during the export",
        "pending, with its progress",
        "the specification also has initializing, preparing and uploading, but Terraform fails on them",
    ),
    Difference(
        "CreateImageExportTask, CreateSnapshotExportTask: OsuManifestUrl",
        "accepted and ignored",
        "it is a field of answers that the specification also has in requests",
    ),
    Difference(
        "CreateImageExportTask: a mapping without a snapshot",
        "omitted from the manifest",
        "a manifest cannot describe an empty volume",
    ),
    Difference(
        "CreateImageExportTask: a mapping larger than its snapshot",
        "Size in the manifest is the mapping's",
        "an io1 volume may need the size for its Iops; an import accepts sizes larger than the disk",
    ),
    Difference(
        "OsuApiKey of an account of this region",
        "the export goes into that account's bucket",
        "the real service also has one OOS for all accounts of a region",
    ),
    Difference(
        "CreateSnapshot of a volume that is creating",
        "waits for it for up to 5 s; then 409 InvalidState 6003",
        "the real service was recorded to refuse it with 6007 (one source); Terraform and scripts do not wait",
    ),
    Difference(
        "DeleteVolume while a snapshot of the volume is being made",
        "waits for it for up to 5 s; then 409 InvalidState 6003",
        "no source; Terraform deletes a volume immediately after the call for its last snapshot",
    ),
    Difference(
        "DeleteExportTask",
        "allowed while the task is under way, in any state; otherwise 409 InvalidState 6003",
        "the specification says both active or pending, and pending/queued only; no recorded answer shows the code",
    ),
    Difference(
        "DeleteSnapshot of a snapshot that is being exported",
        "409 InvalidState 6003; DeleteImage is possible",
        "no source; the export could not continue, but it no longer needs the image",
    ),
    Difference(
        "OOS: ACLs other than private, bucket encryption, `?website`, `?logging`, keys with `//`",
        "refused with S3's codes: [buckets](buckets.md) has the list",
        "the embedded store would accept and ignore them",
    ),
    Difference(
        "OOS: bucket policies",
        "accepted with the actions, principals and conditions that are enforced exactly; others are NotImplemented",
        "the embedded store would accept and ignore them",
    ),
)

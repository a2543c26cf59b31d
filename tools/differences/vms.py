"""Differences of VMs, their networks, accounts, products and reads."""

from tools.differences.row import Difference

DIFFERENCES = (
    Difference(
        "CreateVms: BootMode absent, image of a VM, with both",
        "the BootMode of the VM that the image was made from; uefi for every other image",
        "the source VM booted in this mode; the real service was recorded to use uefi",
    ),
    Difference(
        "VmInitiatedShutdownBehavior terminate, on a VM with DeletionProtection",
        "the VM is stopped, not terminated",
        "the protection prevents accidental deletion; no source",
    ),
    Difference(
        "VmInitiatedShutdownBehavior terminate, HostAction absent",
        "HostAction restart",
        "no other value with terminate is on record",
    ),
    Difference(
        "CreateVms: Nics, SubnetId, PrivateIps",
        "refused as nonexistent (5057, 5036), or as a bad value",
        "Souche has no Nets",
    ),
    Difference(
        "CreateSecurityGroup: NetId",
        "refused as nonexistent, 5065; a rule with the flow Outbound is a bad value, 4047",
        "Souche has no Nets, and outside a Net all outbound traffic is allowed",
    ),
    Difference(
        "the default security group",
        "also allows SSH and ping from the region's host, by two rules that can be deleted",
        "so that the operator can reach the first VM; otherwise only members are allowed",
    ),
    Difference(
        "members of a security group in a rule",
        "only groups of the same account, otherwise 5022",
        "groups of other accounts cannot be seen",
    ),
    Difference(
        "Vm.SecurityGroups of a terminated VM",
        "[], and no filter on groups matches it",
        "no source; Terraform does not delete a group while a VM is listed that has no other group",
    ),
    Difference(
        "DeleteSecurityGroup of a group that another group's rule refers to",
        "409 ResourceConflict 9002",
        "no recorded answer shows the code",
    ),
    Difference(
        "SecurityGroupRule.SecurityGroupRuleId",
        "rules for the same traffic are shown as one rule with one id; recreated rules get the same id",
        "no action takes the id, and the specification's examples show them as one",
    ),
    Difference(
        "open connections when their rule is deleted",
        "continue until they end",
        "rules apply to new connections; no source says what the real service does",
    ),
    Difference(
        "UserData: pin, tags.osc.fcu.{attract,repulse}_…",
        "accepted without effect; the tags are stored",
        "there is one host",
    ),
    Difference(
        "ReadNics, ReadNets, ReadLoadBalancers, ReadUsers, ReadCas and other reads of unsupported resources",
        "an empty list",
        "clients read them as part of other work",
    ),
    Difference(
        "ReadVmTypes",
        "also lists a useful subset of the tinav names; shows ephemeral disks, although VMs have none",
        "the real service was recorded to list no tinav names; CreateVms accepts all, and clients choose from the list",
    ),
    Difference(
        "ReadVmTypes: c1 and m1, and the value of EphemeralsType",
        "plausible numbers; ssd",
        "not on record",
    ),
    Difference(
        "subregions",
        "those of --subregions, all on one host",
        "clients place VMs and volumes in several; a failure affects all of them",
    ),
    Difference("ReadCatalog, ReadPublicCatalog", "a catalog without entries", "Souche sells nothing"),
    Difference(
        "Vm.PublicIp without a linked public IP",
        "the private address, also while the VM is stopped",
        "the region's users reach the VM by this address",
    ),
    Difference(
        "public IPs",
        "from a range that is routed to guests on the region's host only (--public-ips); linked to VMs, not to NICs",
        "no traffic for them may leave the host, and Souche has no Nets",
    ),
    Difference(
        "DeletePublicIp of a linked public IP",
        "409 ResourceConflict 9029, as LinkPublicIp without AllowRelink",
        "no recorded answer shows the code",
    ),
    Difference(
        "the tag osc.fcu.eip.auto-attach",
        "a public IP that is linked to another VM stays there, and the VM starts without it",
        "the real service was seen to start such a VM too; no source says which VM keeps the address",
    ),
    Difference(
        "Vm.PublicDnsName",
        "the address, also for a public IP",
        "Souche has no DNS, and by default Packer connects to this name",
    ),
    Difference("Vm.Nics", "absent, as outside a Net", "Souche has no Nets"),
    Difference(
        "ReadAdminPassword",
        'always ""',
        "no Windows guest can report one yet; for other VMs the real answer is the same",
    ),
    Difference(
        "ReadImages, ReadSnapshots: Tags of another account's resources",
        "[]; filters on tags match only the caller's own resources",
        "tags are the owner's notes, and ReadTags shows them only to the owner; no source",
    ),
    Difference(
        "ReadImages: official images replaced by an update",
        "can be found by ImageIds, launched and copied for 30 more days (docs/official-images.md)",
        "on the real service the old id disappears; no source says when",
    ),
    Difference(
        "images with the code of a marketplace product, including subscribers' copies",
        "only the product's owner and subscribers can launch and copy them; others get 401 AccessDenied 5",
        "a choice: no recorded answer shows how the real service refuses",
    ),
    Difference(
        "LinkVolume, as the root volume, of a volume with the code of a marketplace product",
        "refused like a launch, 401 AccessDenied 5, unless the VM was launched with the code",
        "otherwise an account could still launch the product after unsubscribing; no source",
    ),
    Difference(
        "CreateImage from a VM: ProductCodes absent",
        "those of the VM, and the licences of its current root volume",
        "a root volume can be replaced; no source",
    ),
    Difference(
        "UpdateImage, DeleteImage of a version on the marketplace",
        "400 OperationNotSupported 8000, except for the description",
        "published versions are frozen; no source gives the code",
    ),
    Difference(
        "UpdateImage: ProductCodes",
        "replaces the list, except for other accounts' pty- codes, which stay",
        "otherwise a subscriber could remove a vendor's code",
    ),
    Difference(
        "ReadApiLogs: QueryHeaderRaw, QueryHeaderSize, QueryPayloadRaw",
        "absent",
        "the audit log has no headers and no payloads, as secrets may be in them",
    ),
    Difference(
        "ReadApiLogs: the order, and how far back",
        "newest first, as far back as the audit log's files go; a page with a NextPageToken may have fewer results"
        " than asked for",
        "the real order is unknown, and its logs end after 32 days; a request reads at most 32 MiB of the log",
    ),
    Difference(
        "ReadApiLogs: With",
        "only the fields that are true; all without With",
        "the specification does not give the defaults",
    ),
    Difference(
        "ReadQuotas: names, collections and limits",
        "Souche's own, except vm_limit, image_export_limit and snapshot_export_limit",
        "no list of the real ones is on record",
    ),
    Difference(
        "quotas of images and of keypairs",
        "400 with the nearest codes, 10026 and 10005",
        "no specific codes are on record",
    ),
    Difference(
        "UnlinkVolume: ForceUnlink",
        "changes nothing",
        "a volume stays attached while the guest does not release it",
    ),
    Difference(
        "ActionsOnNextBoot.SecureBoot of a VM with the BootMode legacy",
        "disable is accepted without effect; any other action is a bad value, 4047",
        "no recorded answer shows the code",
    ),
    Difference(
        "ActionsOnNextBoot.SecureBoot of a running VM",
        "applied at the next start; a reboot does not count. While the VM starts or stops: 409 InvalidState 6003",
        "the documentation says that it needs a stop and a start",
    ),
    Difference(
        "UpdateVm: IsSourceDestChecked",
        "accepted, also true; it stays false",
        "Souche has no Nets; outside a Net the real service shows false too",
    ),
    Difference(
        "a VM with the behaviour restart that shuts down repeatedly",
        "restarted five times within ten minutes; then it is `stopped` with a StateReason, and restarted when ten "
        "minutes have passed",
        "no source; otherwise it would restart endlessly",
    ),
    Difference(
        "a guest whose kernel panics",
        "stopped, or restarted if HostAction is restart; StateReason is Client.GuestPanic. A panic before the kernel "
        "has loaded its pvpanic driver is detected by the last line of the guest's first serial console "
        "(`console=ttyS0`). Without such a console it is not detected, and the VM stays `running` without a reason: "
        "its CPU is as busy as any other guest's. StopVms ends it",
        "no source; otherwise the VM would stay running forever",
    ),
    Difference(
        "access keys locked after failed signatures",
        "401 AccessDenied 13",
        "as listed on docs.outscale.com/api-errors; an older observation saw 1",
    ),
    Difference(
        "login and password (Basic)",
        "401 AccessDenied 1, on every action that needs credentials",
        "Souche's accounts have no passwords",
    ),
    Difference(
        "throttling",
        "none: the request rate never causes 429 or 503",
        "the limits are unpublished, and a region has one owner",
    ),
    Difference(
        "CreateImage from snapshots: NoReboot",
        "accepted without effect",
        "no source says that it is refused, and libcloud sends it with every request",
    ),
    Difference(
        "a parameter that is null",
        "treated as absent",
        "Go clients send empty lists as null: Packer does when an owner is given by alias",
    ),
    Difference(
        "tags of a resource; resources of CreateTags and DeleteTags",
        "at most 100 tags, otherwise 10041; at most 1000 resources, otherwise 4047",
        "the code is the real service's, its limits are unpublished",
    ),
    Difference("a request over 1 MiB", "413 InvalidParameterValue 4106", "Souche's own limit"),
)

"""Refusals of requests. The docstring of an error is its message; its fields fill the braces.

The caller can correct every error here, so each names the value and the fault. A hidden resource is refused with the
same message as a missing one. `api/protocol/errors.py` gives each error its status and code. `value_refusals.py` has
the refusals of values, `quota_refusals.py` those of requests over a limit.

Source: reference "Image-path outcomes", "Error families", sections 2, 3 and 5 to 8.
"""

from souche.errors import Conflict, Denied, NotFound, UserError, WrongState

# Missing or hidden resources.


class NoSuchImage(NotFound):
    """The {word[image_id]} '{image_id}' doesn't exist."""


class NoSuchImageAlias(NotFound):
    """The alias '{alias}' doesn't exist."""


class NoSuchSnapshot(NotFound):
    """The {word[snapshot_id]} '{snapshot_id}' doesn't exist."""


class NoSuchVm(NotFound):
    """The {word[vm_id]} '{vm_id}' doesn't exist."""


class NoSuchVolume(NotFound):
    """The {word[volume_id]} '{volume_id}' doesn't exist."""


class NoBucketPolicy(NotFound):
    """The bucket {bucket} has no policy."""


class NoSuchKeypair(NotFound):
    """The key pair '{keypair}' doesn't exist."""


class NoSuchVmType(NotFound):
    """The {word[vm_type]} '{vm_type}' doesn't exist. Expected tinavW.cXrYpZ or a name that {word[read_vm_types]}
    lists."""


class NoSuchSubregion(NotFound):
    """The {word[subregion_name]} '{subregion_name}' doesn't exist in this region."""


class NoSuchSecurityGroup(NotFound):
    """The security group '{security_group}' doesn't exist."""


class NoSuchSecurityGroupToChange(NoSuchSecurityGroup):
    """The security group '{security_group}' doesn't exist."""


class NoSuchRule(NotFound):
    """The security group {security_group_id} has no such rule for '{source}'."""


class NoSuchPublicIp(NotFound):
    """The public IP '{public_ip}' doesn't exist."""


class NoSuchPublicIpLink(NotFound):
    """The public IP link '{link}' doesn't exist."""


class NoSuchTask(NotFound):
    """The task '{task_id}' doesn't exist."""


class NoSuchManifest(NotFound):
    """There is no manifest at '{location}'."""


class NoSuchAccessKey(NotFound):
    """The {word[access_key_id]} '{access_key_id}' doesn't exist."""


class NoSuchApiAccessRule(NotFound):
    """The API access rule '{rule_id}' doesn't exist."""


class NoSuchProductType(NotFound):
    """The {word[product_type_id]} '{product_type_id}' doesn't exist."""


class NoSuchResource(NotFound):
    """The resource '{resource_id}' doesn't exist."""


# Wrong states.


class WrongImageState(WrongState):
    """The image {image_id} is {state}: {reason}"""


class NoFormerImage(WrongState):
    """The alias '{alias}' cannot be rolled back: {reason}"""


class WrongSnapshotState(WrongState):
    """The snapshot {snapshot_id} is {state}: {reason}"""


class WrongVmState(WrongState):
    """The VM {vm_id} is {state}: {reason}"""


class NoConsole(WrongState):
    """The VM {vm_id} has no console that can be opened: {reason}"""


class WrongVolumeState(WrongState):
    """The volume {volume_id} is {state}: {reason}"""


class RefreshFailed(WrongState):
    """The URLs of the export {task_id} cannot be renewed: {reason}"""


class WrongTaskState(WrongState):
    """The task {task_id} is {state}: {reason}"""


class NeverStarted(WrongState):
    """The VM {vm_id} is still pending: wait until it is running."""


class UnlinkedAlready(WrongState):
    """The volume {volume_id} is not linked to a VM."""


# Conflicts with existing resources.


class ConsoleTaken(Conflict):
    """Another session has the console of the VM {vm_id}: a console has one session at a time."""


class ImageNameTaken(Conflict):
    """The {word[image_name]} '{name}' is already used by {image_id}: it must be unique for your account."""


class ImageAliasTaken(Conflict):
    """The alias '{alias}' already exists: {word[update_image_alias]} changes its image."""


class ReservedAliasName(Conflict):
    """The name '{name}' is reserved for official images: other accounts cannot create an alias with it."""


class AliasFollowsFamily(Conflict):
    """The alias '{alias}' automatically follows the images that are published under this name."""


class BucketTaken(Conflict):
    """The bucket name {bucket} is not available: another account has it."""


class BucketIsYours(Conflict):
    """The account already has the bucket {bucket}."""


class KeypairNameTaken(Conflict):
    """The {word[keypair_name]} '{name}' is already used in your account."""


class SecurityGroupNameTaken(Conflict):
    """The {word[security_group_name]} '{name}' is already used in your account."""


class ReservedSecurityGroup(Conflict):
    """The default security group {security_group_id} cannot be deleted."""


class SecurityGroupInUse(Conflict):
    """The security group {security_group_id} is in use by {vm_id}."""


class SecurityGroupNamed(Conflict):
    """The security group {security_group_id} is used in a rule of {naming_id}."""


class RuleTaken(Conflict):
    """The security group {security_group_id} already has this rule for '{source}'."""


class SnapshotInUse(Conflict):
    """The snapshot {snapshot_id} is in use by {image_id}: delete the image first."""


class ProductTypeInUse(Conflict):
    """The product type {product_type_id} is in use by {image_id}."""


class DeviceInUse(Conflict):
    """The device '{device_name}' is already in use on the VM {vm_id}; /dev/sdX and /dev/xvdX are the same device."""


class DuplicateDevice(Conflict):
    """The device '{device_name}' is named more than once; /dev/sdX and /dev/xvdX are the same device."""


class VolumeInUse(Conflict):
    """The volume {volume_id} is already linked to the VM {vm_id}."""


class LastApiAccessRule(Conflict):
    """The API access rule {rule_id} is the last of the account: without rules, every request would be refused."""


class PublicIpInUse(Conflict):
    """The public IP {public_ip} is linked to the VM {vm_id}."""


class ZoneMismatch(Conflict):
    """The volume {volume_id} and the VM {vm_id} are not in the same subregion."""


class VmSpecsMismatch(Conflict):
    """The VM does not suit its image: {reason}"""


class ClientTokenReused(Conflict):
    """The {word[client_token]} '{client_token}' was already used with other parameters."""


# Missing permissions.


class BadConsoleToken(Denied):
    """The token does not open a console: it is invalid, expired, used or replaced."""


class NotBucketOwner(Denied):
    """The bucket {bucket} belongs to another account."""


class NotOwner(Denied):
    """The resource {resource_id} belongs to another account."""


class NotSubscribed(Denied):
    """The account is not subscribed to the product {product_type_id}, whose code is on {resource_id}."""


# The region's rules.


class OperationNotSupported(UserError):
    """This operation is not supported here."""


class SharedImageExport(OperationNotSupported):
    """Public or shared images of another account cannot be exported: copy {image_id} first, and export the copy."""


class NoObjectStore(OperationNotSupported):
    """This region has no object store: `souche serve` runs without one (--oos-listen, --oos-endpoint)."""


class NoAuditFile(OperationNotSupported):
    """This region shows no API calls: its audit log is not in a file (--audit-log)."""


class DeletionProtected(OperationNotSupported):
    """The VM {vm_id} is protected from deletion."""


class PublishedVersion(OperationNotSupported):
    """The image {image_id} is a version on the marketplace: {reason}"""


class CannotClean(Conflict):
    """The image cannot be cleaned: {reason}."""


class FindingsRefuse(Conflict):
    """The image {image_id} may not be {purpose}: its report has findings of severity high ({codes}).
    {word[read_image_reports]} and `souche image check` show them."""


class OwnAlready(Conflict):
    """The image {image_id} already belongs to the account."""


class ReportMissing(Conflict):
    """The image {image_id} may not be {purpose} yet: the report of its contents is not made."""


class OtherRegion(OperationNotSupported):
    """The {word[region_name]} '{region_name}' is not this region, '{own_region_name}'."""


# The operator's commands.


class AccountNameTaken(Conflict):
    """The account name '{name}' is already used in this region."""


class AccessKeyTaken(Conflict):
    """The access key {access_key_id} is already in use, with another secret or by another account."""


class AccountAliasTaken(Conflict):
    """The alias '{alias}' is the alias of the account {account}, or resembles it: '{other}'."""


class ProvidersName(Conflict):
    """'{name}' looks like the name of the provider, by which users find official images: it is reserved."""


class NoSuchAccount(NotFound):
    """There is no account '{account}' in this region (`souche account list`)."""


class NoSuchQuota(NotFound):
    """There is no quota '{name}'. Quotas: {known}."""


class NotPublished(NotFound):
    """The image {image_id} is not a version on the marketplace."""


class NotOfficial(Conflict):
    """The image {image_id} was not published by `souche image publish` or `build`: its owner unshares or deletes it;
    `souche marketplace withdraw` withdraws a version."""


class WrongLife(WrongState):
    """The image {image_id} is {life}: {reason}"""


class CannotBoot(OperationNotSupported):
    """Images are booted before they become public, and this machine lacks {program} for it: `souche doctor` has
    details. --no-verify publishes without a boot."""

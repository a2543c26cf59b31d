"""The single table from an error to HTTP status, Type and Code.

An error is looked up by its class, then by its bases: a class without a row uses its family's. An error without any row
is Souche's own failure: the answer is 500, without the error's text. The codes come from reference "Error families" and
"Image-path outcomes"; a comment marks rows that are Souche's choice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from souche import errors, quota_refusals, refusals, value_refusals
from souche.api.protocol import request_errors as wire
from souche.api.protocol.words import WORDS
from souche.faults import RETRY_STATUSES, FaultOnPurpose
from souche.formats import json_fields
from souche.objects import fetch


@dataclass(frozen=True)
class Row:
    """How an error looks on the wire. With `retry_seconds`, the answer has a Retry-After header."""

    status: int
    type: str
    code: str
    retry_seconds: int | None = None


def _denied(code: int, status: int = 401) -> Row:
    return Row(status, "AccessDenied", str(code))


def _parameter(code: int) -> Row:
    return Row(400, "InvalidParameter", str(code))


def _value(code: int) -> Row:
    return Row(400, "InvalidParameterValue", str(code))


def _absent(code: int) -> Row:
    return Row(400, "InvalidResource", str(code))


def _state(code: int) -> Row:
    return Row(409, "InvalidState", str(code))


def _missing(code: int) -> Row:
    return Row(400, "MissingParameter", str(code))


def _unsupported(code: int) -> Row:
    return Row(400, "OperationNotSupported", str(code))


def _conflict(code: int) -> Row:
    return Row(409, "ResourceConflict", str(code))


def _quota(code: int, status: int = 400) -> Row:
    return Row(status, QUOTA_TYPE, str(code))


QUOTA_TYPE: Final = "TooManyResources (QuotaExceeded)"
"""as in recent recorded answers; older ones had `QuotaExceded`"""

INTERNAL: Final = Row(500, "InternalError", "2000")
INTERNAL_DETAILS: Final = "The region failed. Its log has the reason under this request's ID."

TABLE: Final[Mapping[type[BaseException], Row]] = {
    # The families.
    errors.UserError: _value(4045),
    errors.NotFound: _absent(5044),
    errors.Invalid: _value(4047),
    errors.WrongState: _state(6003),
    errors.Conflict: _conflict(9000),
    errors.Denied: _denied(5),
    errors.QuotaExceeded: _quota(10010),
    errors.WritersBusy: Row(503, "InternalError", "2000", wire.RETRY_SECONDS),  # ours
    errors.RecordsUnavailable: Row(503, "InternalError", "2000", wire.RETRY_SECONDS),  # ours
    # The request itself.
    wire.WrongServicePath: Row(404, "InvalidAction", "12000"),  # ours: no reply on record shows Type and Code
    wire.WrongMethod: _denied(2, status=405),
    wire.UnknownAction: Row(404, "InvalidAction", "12000"),
    wire.BodyTooLarge: Row(413, "InvalidParameterValue", "4106"),  # ours: invalid-parameter-value-length
    wire.TooManyRequests: Row(429, QUOTA_TYPE, "10000", wire.RETRY_SECONDS),  # ours: no body is on record
    wire.TooManyConnections: Row(429, QUOTA_TYPE, "10000", wire.RETRY_SECONDS),  # ours
    wire.TooManyBodies: Row(429, QUOTA_TYPE, "10000", wire.RETRY_SECONDS),  # ours
    wire.TooSlow: Row(408, "InvalidParameterValue", "4106"),  # ours
    wire.BodyCutOff: _value(4110),
    wire.MalformedBody: _value(4110),
    wire.UnknownParameter: _parameter(3001),
    wire.WrongJsonType: _value(4110),
    wire.CredentialsRefused: _denied(1),
    wire.UnknownAccessKey: _value(4120),
    wire.KeyLocked: _denied(13),  # docs.outscale.com/api-errors.html: ErrorTemporaryBruteForceAccessLocked
    # What does not exist.
    refusals.NoSuchImage: _absent(5023),
    refusals.NoSuchImageAlias: _absent(5044),
    refusals.NoSuchSnapshot: _absent(5054),
    refusals.NoSuchVm: _absent(5063),
    refusals.NoSuchVolume: _absent(5064),
    refusals.NoSuchKeypair: _absent(5071),
    refusals.NoSuchVmType: _absent(5024),
    refusals.NoSuchSubregion: _absent(5009),
    wire.NoSuchSubnet: _absent(5057),
    refusals.NoSuchSecurityGroup: _absent(5022),
    refusals.NoSuchSecurityGroupToChange: _absent(5020),
    refusals.NoSuchRule: _absent(5008),
    wire.NoSuchNet: _absent(5065),
    wire.NoSuchNic: _absent(5036),
    refusals.NoSuchPublicIp: _absent(5025),
    refusals.NoSuchPublicIpLink: _absent(5026),
    refusals.NoSuchTask: _absent(5058),
    refusals.NoSuchManifest: _absent(5031),
    refusals.NoSuchAccessKey: _absent(5027),
    refusals.NoSuchProductType: _absent(5059),
    refusals.NoSuchResource: _absent(5044),
    # Parameters.
    value_refusals.MissingParameter: _missing(7007),
    value_refusals.RootSnapshotMissing: _missing(7003),
    value_refusals.IncompatibleParameters: _parameter(3002),
    # Values.
    value_refusals.WrongIdPrefix: _value(4104),
    value_refusals.MalformedId: _value(4105),
    value_refusals.MalformedAccountId: _value(4105),
    value_refusals.BadValue: _value(4047),
    value_refusals.ValueTooLong: _value(4106),
    value_refusals.BadCount: _value(4018),
    value_refusals.BadImageName: _value(4026),
    value_refusals.BadAliasName: _value(4026),
    value_refusals.BadKeypairName: _value(4035),
    value_refusals.BadKey: _value(4032),
    value_refusals.BadDeviceName: _value(4019),
    value_refusals.BadVirtualDeviceName: _value(4076),
    value_refusals.BadVolumeSize: _value(4078),
    value_refusals.VolumeSmallerThanSnapshot: _value(4125),
    value_refusals.BadVolumeType: _value(4047),
    value_refusals.BadIops: _value(4029),
    value_refusals.IopsRatio: _value(4047),
    value_refusals.IopsNotTaken: _value(4045),
    value_refusals.BadSecurityGroupName: _value(4043),
    value_refusals.BadSecurityGroupDescription: _value(4047),
    value_refusals.BadProtocol: _value(4053),
    value_refusals.BadPorts: _value(4051),
    value_refusals.BadIpRange: _value(4047),
    value_refusals.BadUserData: _value(4047),
    value_refusals.BadTag: _value(4047),
    value_refusals.BadTagKey: _value(4069),
    value_refusals.BadTagValue: _value(4071),
    value_refusals.BadProductCodes: _value(4047),
    value_refusals.BadUrl: _value(4075),
    value_refusals.UrlUnreachable: _value(4074),
    fetch.UrlAccessRefused: _value(4088),
    fetch.DownloadFailed: _value(4088),
    fetch.DownloadTooSlow: _value(4088),
    fetch.DownloadTooLarge: _value(4078),  # ours: larger than the given SnapshotSize
    value_refusals.BadManifest: _value(4040),
    json_fields.NotJson: _value(4041),
    value_refusals.UnknownManifestVersion: _value(4094),
    wire.BadPageToken: _value(4047),
    # States.
    refusals.WrongImageState: _state(6001),
    refusals.WrongSnapshotState: _state(6003),
    refusals.WrongVmState: _state(6003),
    refusals.WrongVolumeState: _state(6003),
    refusals.WrongTaskState: _state(6003),
    refusals.RefreshFailed: _state(6003),
    refusals.NeverStarted: _conflict(9039),
    refusals.UnlinkedAlready: Row(424, "DependencyProblem", "1007"),
    # Conflicts.
    refusals.ImageNameTaken: _conflict(9015),
    refusals.ImageAliasTaken: _conflict(9015),
    refusals.ReservedAliasName: _conflict(9015),
    refusals.AliasFollowsFamily: _conflict(9002),
    refusals.KeypairNameTaken: _conflict(9011),
    refusals.SecurityGroupNameTaken: _conflict(9008),
    refusals.ReservedSecurityGroup: _conflict(9051),
    refusals.SecurityGroupInUse: _conflict(9085),  # at this code, Terraform removes the group from its VMs
    refusals.SecurityGroupNamed: _conflict(9002),  # ours: busy
    refusals.RuleTaken: _conflict(9005),  # ErrCidrDuplicate, cluster-api-provider-outscale #631
    refusals.SnapshotInUse: _conflict(9094),
    refusals.FindingsRefuse: _conflict(9002),  # ours: the region has --share-gate
    refusals.ReportMissing: _conflict(9002),
    refusals.ProductTypeInUse: _conflict(9002),
    refusals.DeviceInUse: _conflict(9004),
    refusals.DuplicateDevice: _conflict(9014),
    refusals.VolumeInUse: _conflict(9004),
    refusals.PublicIpInUse: _conflict(9029),
    refusals.ZoneMismatch: _conflict(9071),
    refusals.VmSpecsMismatch: _conflict(9072),
    refusals.ClientTokenReused: _conflict(9009),
    # Rights, and the region's rules.
    refusals.NotOwner: _denied(5),
    refusals.NotSubscribed: _denied(5),
    refusals.OperationNotSupported: _unsupported(8000),  # ours: the first of its family, as 7000 was generic
    refusals.SharedImageExport: _unsupported(8017),
    refusals.DeletionProtected: _unsupported(8018),
    refusals.OtherRegion: _unsupported(8019),
    # Quotas. No code is on record for images, sizes of snapshots, exports and key pairs: these use the nearest one.
    quota_refusals.TooManyConcurrentSnapshots: _quota(10008),
    quota_refusals.TooManyVms: _quota(10010),
    quota_refusals.TooManyPublicIps: _quota(10011),
    quota_refusals.TooManySecurityGroups: _quota(10010),  # ours: no code is on record
    quota_refusals.TooManyVolumes: _quota(10018),
    quota_refusals.TooMuchVolumeSize: _quota(10024),
    quota_refusals.TooManyIops: _quota(10025),
    quota_refusals.TooManySnapshots: _quota(10026),
    quota_refusals.TooMuchSnapshotSize: _quota(10026),
    quota_refusals.TooManyCores: _quota(10029),
    quota_refusals.TooManyTags: _quota(10041),
    quota_refusals.TooMuchMemory: _quota(10042),
    quota_refusals.TooManyImages: _quota(10026),
    quota_refusals.TooManyImageAliases: _quota(10026),
    quota_refusals.TooManyImageExports: _quota(10008),
    quota_refusals.TooManySnapshotExports: _quota(10008),
    quota_refusals.TooManyKeypairs: _quota(10005),
    quota_refusals.NoCapacity: _quota(10001, status=409),
    # Ours: 10001 is "no capacity"; clients retry after 503 (RFC 9110, 15.6.4).
    errors.OutOfSpace: Row(503, QUOTA_TYPE, "10001", retry_seconds=60),
}  # fmt: skip


FAMILIES: Final[Mapping[int, str]] = {
    0: "AccessDenied",
    1: "DependencyProblem",
    2: "InternalError",
    3: "InvalidParameter",
    4: "InvalidParameterValue",
    5: "InvalidResource",
    6: "InvalidState",
    7: "MissingParameter",
    8: "OperationNotSupported",
    9: "ResourceConflict",
    10: QUOTA_TYPE,
    12: "InvalidAction",
}
"""the Type of an error by the thousands of its code"""


def family_of(code: str) -> str | None:
    """The Type of errors with this code; None: it is no code."""
    return FAMILIES.get(int(code) // 1000) if code.isdecimal() else None


def row_of(error: BaseException) -> Row:
    """How an error looks on the wire, by its class. An injected fault looks as requested."""
    if not isinstance(error, FaultOnPurpose) or error.fault.status is None:
        return row(type(error))
    status, code = error.fault.status, error.fault.code
    retry_seconds = wire.RETRY_SECONDS if status in RETRY_STATUSES else None
    return Row(status, family_of(code) or INTERNAL.type, code, retry_seconds)


def row(kind: type[BaseException]) -> Row:
    """The row of a class of errors."""
    return next((TABLE[base] for base in kind.__mro__ if base in TABLE), INTERNAL)


def is_ours(error: BaseException) -> bool:
    """Whether the error is the region's failure, not the caller's mistake."""
    return row_of(error) is INTERNAL


def envelope(error: BaseException) -> dict[str, object]:
    """The body of the answer, without its ResponseContext."""
    wanted = row_of(error)
    told = WORDS.fill(error.public_message(WORDS)) if isinstance(error, errors.SoucheError) else str(error)
    details = INTERNAL_DETAILS if wanted is INTERNAL else told
    return {"Errors": [{"Type": wanted.type, "Details": details, "Code": wanted.code}]}

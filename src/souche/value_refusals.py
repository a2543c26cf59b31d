"""Refusals of values: parameters that are missing or do not go together, and values that break a rule.

As in `refusals.py`, the docstring of an error is its message.
"""

from souche.errors import Invalid

# Missing or incompatible parameters.


class MissingParameter(Invalid):
    """The parameter '{parameter}' is required."""


class IncompatibleParameters(Invalid):
    """These parameters do not go together: {reason}"""


class RootSnapshotMissing(Invalid):
    """The mapping of the root device '{device_name}' needs a {word[snapshot_id]}."""


# Invalid values.


class WrongIdPrefix(Invalid):
    """Invalid ID '{resource_id}': it should begin with '{prefix}-'."""


class MalformedId(Invalid):
    """Malformed ID '{resource_id}': {digits} lowercase hexadecimal digits should follow '{prefix}-'."""


class MalformedAccountId(Invalid):
    """Malformed account ID '{account_id}': 12 digits are expected."""


class BadValue(Invalid):
    """The value of the parameter '{parameter}' is not valid: {reason}"""


class ValueTooLong(Invalid):
    """The value of the parameter '{parameter}' is too long: it has {length} characters, and may have {most}."""


class BadCount(Invalid):
    """The number of VMs is not valid: {reason}"""


class BadImageName(Invalid):
    """The {word[image_name]} '{name}' is not valid. Constraints: [a-zA-Z0-9_ ()/.-], length: (3, 128)."""


class BadAliasName(Invalid):
    """The alias '{alias}' is not valid: NAME@CHANNEL is expected, where NAME has 1 to 100 of [a-zA-Z0-9_ ().-] (no
    leading, trailing or double spaces), and CHANNEL 1 to 32 of [a-zA-Z0-9_.-]."""


class BadKeypairName(Invalid):
    """The {word[keypair_name]} '{name}' is not valid: 1 to 255 printable ASCII characters are expected."""


class BadKey(Invalid):
    """The {word[public_key]} is not valid: {reason}"""


class BadDeviceName(Invalid):
    """The {word[device_name]} '{device_name}' is not valid. Expected /dev/sda1, or /dev/sdX, /dev/sdXX, /dev/xvdX or
    /dev/xvdXX with a first letter b to z and a second a to z."""


class BadVirtualDeviceName(Invalid):
    """The {word[virtual_device_name]} '{name}' is not valid: {reason}"""


class BadVolumeSize(Invalid):
    """The volume size {size_gib} GiB is not valid: {reason}"""


class VolumeSmallerThanSnapshot(Invalid):
    """Volume size must be greater than or equal to the size of {snapshot_id}: {size_gib} GiB is less than its
    {snapshot_size_gib} GiB."""


class BadVolumeType(Invalid):
    """The {word[volume_type]} '{volume_type}' is not valid. Supported values: standard, gp2, io1."""


class BadIops(Invalid):
    """The value {iops} of {word[iops]} is not valid: {reason}"""


class IopsRatio(Invalid):
    """{iops} IOPS are too many for {size_gib} GiB: at most {ratio} for each GiB."""


class IopsNotTaken(Invalid):
    """{word[iops]} is for io1 volumes only, and '{device_name}' is of the type {volume_type}."""


class BadSecurityGroupName(Invalid):
    """The {word[security_group_name]} '{name}' is not valid: 1 to 255 of a-z, A-Z, 0-9, spaces and
    _.-:/()#,@[]+=&;{{}}!$* are expected, and no 'sg-' at the beginning."""


class BadSecurityGroupDescription(Invalid):
    """The {word[description]} '{description}' is not valid: 1 to 255 letters, digits, spaces and
    _.-:/()#,@[]+=&;{{}}!$* are expected."""


class BadProtocol(Invalid):
    """The {word[protocol]} '{protocol}' is not valid. Supported values: tcp, udp, icmp, -1."""


class BadPorts(Invalid):
    """The port range {first} to {last} is not valid: {reason}"""


class BadIpRange(Invalid):
    """The {word[ip_range]} '{ip_range}' is not valid: {reason}"""


class BadUserData(Invalid):
    """{word[user_data]} is not valid: {reason}"""


class BadTag(Invalid):
    """The tag is not valid: {reason}"""


class BadTagKey(BadTag):
    """The tag key '{key}' is not valid: 1 to 255 characters are expected."""


class BadTagValue(BadTag):
    """The value of the tag '{key}' is too long: it may have at most 255 characters."""


class BadProductCodes(Invalid):
    """The product codes are not valid: {product_codes}"""


class BadUrl(Invalid):
    """The URL in '{parameter}' is not valid: {reason}"""


class UrlUnreachable(Invalid):
    """The URL in '{parameter}' does not correspond to any server that can be reached: {reason}"""


class BadManifest(Invalid):
    """The manifest is not valid: {reason}"""


class UnknownManifestVersion(BadManifest):
    """The manifest's Version is {version}; only 1 is known."""


class BadSignature(BadManifest):
    """The signature of the manifest's companion is not valid: {reason}"""


class ManifestDiffers(BadManifest):
    """The manifest and the companion beside it do not belong together: {reason}"""


class UntrustedExport(BadManifest):
    """This region imports only exports that are signed by a key of its --require-signed: {reason}"""

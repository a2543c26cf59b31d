"""All tables. `migrations/` brings a database to this shape; a test compares the two.

Dates are text in UTC with milliseconds and a trailing Z, which sorts as time does on every database.
"""

from souche.db.tables.accounts import (
    access_keys,
    account_quotas,
    accounts,
    api_access_rules,
    failed_signatures,
    keypairs,
    region,
)
from souche.db.tables.base import UtcDate, metadata, utc_text
from souche.db.tables.exports import buckets, export_disks, export_tasks
from souche.db.tables.images import (
    image_alias_changes,
    image_aliases,
    image_boots,
    image_builds,
    image_cleanings,
    image_findings,
    image_grants,
    image_lives,
    image_mappings,
    image_product_codes,
    image_reports,
    image_users,
    images,
    notices,
)
from souche.db.tables.networks import public_ips, security_group_rules, security_groups, vm_security_groups
from souche.db.tables.operations import operation_locks, operations, workers
from souche.db.tables.products import marketplace_versions, product_types, subscriptions
from souche.db.tables.snapshots import disk_imports, snapshot_grants, snapshots
from souche.db.tables.tags import tags
from souche.db.tables.vms import console_tokens, vm_product_codes, vm_stops, vm_taken_attributes, vms
from souche.db.tables.volumes import volume_links, volume_update_tasks, volumes

__all__ = [
    "UtcDate",
    "access_keys",
    "account_quotas",
    "accounts",
    "api_access_rules",
    "buckets",
    "console_tokens",
    "disk_imports",
    "export_disks",
    "export_tasks",
    "failed_signatures",
    "image_alias_changes",
    "image_aliases",
    "image_boots",
    "image_builds",
    "image_cleanings",
    "image_findings",
    "image_grants",
    "image_lives",
    "image_mappings",
    "image_product_codes",
    "image_reports",
    "image_users",
    "images",
    "keypairs",
    "marketplace_versions",
    "metadata",
    "notices",
    "operation_locks",
    "operations",
    "product_types",
    "public_ips",
    "region",
    "security_group_rules",
    "security_groups",
    "snapshot_grants",
    "snapshots",
    "subscriptions",
    "tags",
    "utc_text",
    "vm_product_codes",
    "vm_security_groups",
    "vm_stops",
    "vm_taken_attributes",
    "vms",
    "volume_links",
    "volume_update_tasks",
    "volumes",
    "workers",
]

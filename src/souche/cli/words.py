"""The command line's words for the terms in messages: the single table. A value given by an option has the option's
name."""

from typing import Final

from souche.words import Term, Words

WORDS: Final = Words(
    {
        Term.ACCEPTED_FINDING: "--accept",
        Term.ACCESS_KEY: "--access-key",
        Term.ACCESS_KEY_ID: "access key",
        Term.ACCOUNT_ALIAS: "--alias",
        Term.ACCOUNT_NAME: "NAME",
        Term.ARCHITECTURE: "--architecture",
        Term.BOOT_MODE: "--boot-mode",
        Term.BUCKET: "--bucket",
        Term.DATE: "--on",
        Term.DAYS: "--days",
        Term.DELETION_PROTECTION: "--deletion-protection",
        Term.DESCRIPTION: "--description",
        Term.DISK_FORMAT: "--format",
        Term.FILE_LOCATION: "MANIFEST_URL",
        Term.GRACE_DAYS: "--grace-days",
        Term.IMAGE_ID: "image",
        Term.IMAGE_NAME: "--name",
        Term.LIFE_REASON: "--reason",
        Term.OBJECT_PREFIX: "--prefix",
        Term.OFFICIAL_NAME: "--name",
        Term.PRODUCT_TYPE_ID: "product type",
        Term.QUOTA_VALUE: "VALUE",
        Term.READ_IMAGE_REPORTS: "ReadImageReports",
        Term.SECRET_KEY: "--secret-key-file",
        Term.SNAPSHOT_ID: "snapshot",
        Term.SUCCESSOR: "--successor",
        Term.UPDATE_IMAGE_ALIAS: "`souche alias set`",
        Term.VM_ID: "VM",
        Term.VOLUME_ID: "volume",
    }
)

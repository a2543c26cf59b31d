"""All workflows by name. The journal keeps these names: one that was ever released stays."""

from souche.workflows import (
    apply_security_groups,
    capture_for_backup,
    copy_image,
    copy_snapshot,
    create_image,
    create_snapshot,
    create_vm,
    create_volume,
    delete_snapshot,
    delete_vm,
    delete_volume,
    export_image,
    export_snapshot,
    import_image,
    import_image_from_manifest,
    import_snapshot,
    link_volume,
    reboot_vm,
    start_vm,
    stop_vm,
    unlink_volume,
    update_volume,
)
from souche.workflows.engine import Catalogue

_MODULES = (
    apply_security_groups,
    capture_for_backup,
    copy_image,
    copy_snapshot,
    create_image,
    create_snapshot,
    create_vm,
    create_volume,
    delete_snapshot,
    delete_vm,
    delete_volume,
    export_image,
    export_snapshot,
    import_image,
    import_image_from_manifest,
    import_snapshot,
    link_volume,
    reboot_vm,
    start_vm,
    stop_vm,
    unlink_volume,
    update_volume,
)

CATALOGUE: Catalogue = {module.WORKFLOW.name: module.WORKFLOW for module in _MODULES}

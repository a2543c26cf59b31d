"""All workflows by name. The journal keeps these names: one that was ever released stays."""

from souche.workflows import (
    copy_image,
    copy_snapshot,
    create_image,
    create_snapshot,
    create_vm,
    create_volume,
    delete_snapshot,
    delete_vm,
    delete_volume,
    import_image,
    link_volume,
    reboot_vm,
    start_vm,
    stop_vm,
    unlink_volume,
)
from souche.workflows.engine import Catalogue

_MODULES = (
    copy_image,
    copy_snapshot,
    create_image,
    create_snapshot,
    create_vm,
    create_volume,
    delete_snapshot,
    delete_vm,
    delete_volume,
    import_image,
    link_volume,
    reboot_vm,
    start_vm,
    stop_vm,
    unlink_volume,
)

CATALOGUE: Catalogue = {module.WORKFLOW.name: module.WORKFLOW for module in _MODULES}

"""Known differences from the real service, and choices without a source: rows of docs/compatibility.md."""

from tools.differences import images, vms

DIFFERENCES = (*images.DIFFERENCES, *vms.DIFFERENCES)

"""The volume store that is a directory of qcow2 files. `driver` is the entry point; `directory` describes the
layout.
"""

from souche.storage.qcow2.driver import Qcow2Store

__all__ = ["Qcow2Store"]

"""The volume store that is a directory of qcow2 files. `driver` is the way in, `directory` says what lies
where.
"""

from souche.storage.qcow2.driver import Qcow2Store

__all__ = ["Qcow2Store"]

"""Inspects images: engines that read their disks, and checks.

`engine.py` is the contract of an engine. `disks/` reads partitions and file systems; `linux/` and `windows/` have the
checks, one function for each kind of finding. All of that runs in a separate process that has only the disks
(`sandboxed.py`), so a hostile file system can harm only that process.
"""

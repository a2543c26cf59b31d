"""What is inside an image: engines that read its disks, and the checks that they run.

`engine.py` is the contract of an engine. `disks/` reads partitions and file systems, `linux/` and `windows/` have the
checks, one function for each kind of finding. All of that runs in a process of its own that has nothing but the disk
(`sandboxed.py`): whatever a hostile file system does to a parser, it ends there.
"""

"""From the bytes of a disk to files: sources, partitions, file systems, and the tree that a guest sees."""

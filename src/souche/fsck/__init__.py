"""`souche fsck`: whether everything in a region's home is as it should be, and what mends what is not.

A check looks, and changes nothing; it may run beside the region's server. `examine` runs all of them, more than once:
only what is found each time, and is about nothing that work under way is about, is a finding.
"""

"""`souche fsck`: checks a region's home, and repairs faults.

A check changes nothing, and may run while the region's server runs. `examine` runs all checks more than once: a finding
is what every run finds and no work under way explains.
"""

"""`souche fsck`: checks a region's home, and repairs faults.

A check changes nothing, and may run beside the region's server. `examine` runs all of them more than once: only what
every run finds, and no work under way explains, is a finding.
"""

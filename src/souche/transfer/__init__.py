"""Disks on their way between volume store and buckets: streams, without a file in between.

This layer stands between workflows and the drivers: it knows NBD (which every volume store serves) and the contract
of object stores, and no driver.
"""

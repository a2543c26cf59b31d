"""Disks between the volume store and buckets: streams, without a file in between.

This layer is between workflows and drivers. It knows NBD (which every volume store serves) and the contract of object
stores, but no driver.
"""

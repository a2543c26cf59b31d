"""Buckets: the contract of an object store, its drivers, the embedded server, and downloads from URLs."""

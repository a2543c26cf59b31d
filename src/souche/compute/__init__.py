"""Hypervisors. `base` is the contract; each driver is one file or folder."""

"""Checks of a Linux system. Each takes a `System` and yields findings."""

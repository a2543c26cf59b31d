"""Souche's tests. A package: test modules import each other's helpers as `tests.<area>.<module>`."""

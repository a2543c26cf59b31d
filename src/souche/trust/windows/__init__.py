"""Checks of a Windows system, by its files and its registry, while it is off."""

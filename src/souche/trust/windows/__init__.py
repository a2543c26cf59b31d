"""Checks of a Windows system that is off, by its files and its registry."""

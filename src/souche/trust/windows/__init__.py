"""Checks of a Windows system that is not running, in its files and its registry."""

"""Durable workflows: one file each, a table of do/undo steps that `engine` runs."""

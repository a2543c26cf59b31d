"""The composition root: a region is put together, served, administered and removed in these modules."""

from souche.main.command_line import cli as cli

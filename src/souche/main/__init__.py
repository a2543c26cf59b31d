"""The composition root: these modules put a region together, serve, administer and remove it."""

from souche.main.command_line import cli as cli

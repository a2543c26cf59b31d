"""Translates between OUTSCALE's JSON and the domain: the action table, validation, views and errors. Nothing below
knows PascalCase."""

"""Builders of official images, and the recipes (`*.toml`) that they go by."""

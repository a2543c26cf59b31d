"""Builders of official images, and their recipes (`*.toml`)."""

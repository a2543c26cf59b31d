"""Souche: a self-hosted region for OUTSCALE machine images."""

__version__ = "0.1.0"

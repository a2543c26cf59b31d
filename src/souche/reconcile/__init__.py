"""Sweeps that bring records and reality together: idempotent, without input, safe at any time."""

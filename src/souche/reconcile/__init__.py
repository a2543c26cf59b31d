"""Sweeps that compare records with reality: idempotent, without input, safe at any time."""

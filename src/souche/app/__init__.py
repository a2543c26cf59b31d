"""Use-cases: who may, in which state, within which limits; one transaction each, which may request operations."""

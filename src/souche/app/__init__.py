"""Use-cases: rights, states and limits. One transaction each, which may request operations."""

"""The databases that a region's records can be in. Nothing outside this package knows which one it is."""

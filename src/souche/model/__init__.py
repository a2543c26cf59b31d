"""The nouns of the region as frozen records, one file each. Names of sizes state the unit."""

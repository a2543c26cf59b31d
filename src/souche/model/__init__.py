"""The nouns of the region as frozen records, one file each. Sizes say their unit in the name."""

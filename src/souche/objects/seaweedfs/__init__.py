"""The embedded object store: SeaweedFS, run and kept by the region."""

"""The embedded object store: SeaweedFS, started and supervised by the region."""

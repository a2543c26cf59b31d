"""The door in front of the embedded object store: it answers requests on buckets, and passes on the bytes of
objects."""

"""The door in front of the embedded object store: requests on buckets are answered here, bytes of objects pass."""

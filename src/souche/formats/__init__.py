"""File formats: pure readers and writers, no policy. Specified in docs/formats.md."""

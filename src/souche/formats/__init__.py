"""File formats: pure readers and writers. docs/formats.md specifies them."""

"""Backups of a whole region, into a folder or a bucket, and regions restored from them. `manifest` describes the
layout."""

"""Backups of a whole region, into a folder or a bucket, and regions made from them. `manifest` says what lies where."""

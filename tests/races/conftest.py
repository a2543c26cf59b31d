"""These tests run on both databases."""

from tests.support.databases import on_both as on_both

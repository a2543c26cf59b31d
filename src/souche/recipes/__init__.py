"""Builders of the official images, one distribution a module, each with the same `build`."""

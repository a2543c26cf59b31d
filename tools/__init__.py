"""Programs of this repository; run them from its root as `python -m tools.NAME`."""

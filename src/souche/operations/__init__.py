"""The params of each workflow, and the one function that makes its operations (see model/operations.py)."""

"""What each workflow is asked to do, and the one function that makes its operations (see model/operations.py)."""

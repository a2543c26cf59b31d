"""The ASGI shell: request ids, signatures, one audit line a request."""

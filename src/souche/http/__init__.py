"""The ASGI shell: request ids, signatures, one log line a request."""

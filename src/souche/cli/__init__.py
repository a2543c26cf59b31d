"""The command line: the server, and the operator's commands."""

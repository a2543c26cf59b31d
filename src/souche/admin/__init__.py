"""The actions behind the operator's commands, from JSON to JSON. The region's server runs them for the command line. If
no server runs, the command runs them itself."""

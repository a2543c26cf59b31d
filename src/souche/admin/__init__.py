"""The actions behind the operator's commands, from JSON to JSON. The server of a region does them for the command line;
where no server runs, the command does them itself."""

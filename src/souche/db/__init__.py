"""The metadata store: the only place with SQL. One file for each noun; functions take an open connection."""

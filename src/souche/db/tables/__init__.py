"""The tables of the schema, a file for each group of nouns. `db/schema.py` has all of them."""

"""Wire to domain and back: the action table, validation, views and errors. Nothing below knows PascalCase."""

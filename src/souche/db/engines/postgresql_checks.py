"""What a start asks a PostgreSQL server."""

from typing import Final

# True if text compares by its bytes. In a language's order, case and punctuation count last.
BYTEWISE: Final = "SELECT 'B' < 'a' AND 'a-z' < 'aa' AND 'z' < U&'\\00E9'"

# What the role may not do. Only an upgrade or a new region creates tables.
RIGHTS_MISSING: Final = """
    WITH there AS (
        SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables
        WHERE schemaname = current_schema()
    )
    SELECT 'read and write the table ' || name FROM there
    WHERE NOT (has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT')
    AND has_table_privilege(name, 'UPDATE') AND has_table_privilege(name, 'DELETE'))
    UNION ALL SELECT 'create tables' WHERE NOT EXISTS (SELECT FROM there)
    AND NOT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)
"""

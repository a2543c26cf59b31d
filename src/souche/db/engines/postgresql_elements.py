"""PostgreSQL's spelling of the elements."""

from typing import Any, Final

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import DDLCompiler

from souche.db.engines.elements import (
    PATTERNS,
    CreateTrigger,
    DatabaseClock,
    DropTrigger,
    JsonArray,
    JsonObject,
    JsonOf,
    LastNumber,
    Matches,
    RandomInteger,
    Unindexed,
    spelled,
)

NAME: Final = "postgresql"


def _like(pattern: str) -> str:
    for special in "\\%_":
        pattern = pattern.replace(special, f"\\{special}")
    return pattern.replace("*", "%")


PATTERNS[NAME] = _like
compiles(Matches, NAME)(spelled(r"{0} LIKE {1} ESCAPE '\'"))
compiles(Unindexed, NAME)(spelled("({all})"))  # PostgreSQL's statistics show which index is selective
compiles(JsonOf, NAME)(spelled("CAST({all} AS json)"))
compiles(JsonObject, NAME)(spelled("json_build_object({all})"))
compiles(JsonArray, NAME)(spelled("coalesce(json_agg({all}), '[]')"))
compiles(LastNumber, NAME)(spelled("pg_sequence_last_value(pg_get_serial_sequence({0}, {1})::regclass)"))
compiles(RandomInteger, NAME)(spelled("hashtextextended(gen_random_uuid()::text, 0)"))
compiles(DatabaseClock, NAME)(
    spelled(
        "to_char(clock_timestamp() AT TIME ZONE 'UTC' + interval '{0} seconds', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
    )
)


@compiles(CreateTrigger, NAME)
def _create_trigger(trigger: CreateTrigger, compiler: DDLCompiler, **_options: Any) -> str:
    statement = compiler.sql_compiler.process(trigger.statement, literal_binds=True)
    return (
        f"CREATE FUNCTION {trigger.name}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {statement}; RETURN NULL; END $$;"
        f" CREATE TRIGGER {trigger.name} AFTER {trigger.event} ON {trigger.table} FOR EACH ROW"
        f" WHEN ({trigger.condition}) EXECUTE FUNCTION {trigger.name}()"
    )


@compiles(DropTrigger, NAME)
def _drop_trigger(trigger: DropTrigger, _compiler: DDLCompiler, **_options: Any) -> str:
    return f"DROP TRIGGER {trigger.name} ON {trigger.table}; DROP FUNCTION {trigger.name}()"

"""PostgreSQL: how it spells what databases spell differently."""

from typing import Any, Final

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import DDLCompiler

from souche.db.engines.elements import (
    PATTERNS,
    CreateTrigger,
    JsonArray,
    JsonObject,
    JsonOf,
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
compiles(Unindexed, NAME)(spelled("({all})"))  # its statistics tell which index is a good one
compiles(JsonOf, NAME)(spelled("CAST({all} AS json)"))
compiles(JsonObject, NAME)(spelled("json_build_object({all})"))
compiles(JsonArray, NAME)(spelled("coalesce(json_agg({all}), '[]')"))
compiles(RandomInteger, NAME)(spelled("hashtextextended(gen_random_uuid()::text, 0)"))


@compiles(CreateTrigger, NAME)
def _create_trigger(trigger: CreateTrigger, compiler: DDLCompiler, **_options: Any) -> str:
    statement = compiler.sql_compiler.process(trigger.statement, literal_binds=True)
    return (
        f"CREATE FUNCTION {trigger.name}() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {statement}; RETURN NULL; END $$;"
        f" CREATE TRIGGER {trigger.name} AFTER {trigger.event} ON {trigger.table} FOR EACH ROW"
        f" WHEN ({trigger.condition}) EXECUTE FUNCTION {trigger.name}()"
    )

"""Whatever is left of a document in PostgreSQL."""

from collections.abc import Callable

from docmill.adapters.postgres.connection import Row


def rows_that_name(ask: Callable[[str], list[Row]], document: object) -> dict[str, int]:
    """Count the rows of every table with a document's id in them, in whatever column."""
    tables = ask(
        "SELECT relname AS name FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace = 'public'::regnamespace"
    )
    names = [table["name"] for table in tables]
    counts = {name: _count(ask, name, document) for name in names}
    return {name: count for name, count in counts.items() if count}


def _count(ask: Callable[[str], list[Row]], table: str, document: object) -> int:
    query = f"SELECT count(*) AS n FROM {table} AS t WHERE strpos(t::text, '{document}') > 0"
    count: int = ask(query)[0]["n"]
    return count

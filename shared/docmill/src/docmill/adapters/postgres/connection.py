"""The type of our connections: rows are dictionaries."""

from typing import Any

import psycopg

Row = dict[str, Any]
Connection = psycopg.Connection[Row]


def first(cursor: psycopg.Cursor[Row]) -> Row:
    """Return the row of a statement that always has one."""
    row = cursor.fetchone()
    if row is None:
        raise LookupError("a statement that always has a row had none")
    return row

"""What a task of either arm does: a tenth of a second, an error at some first tries, one line."""

import os
import threading
from typing import Final

import psycopg

SECONDS: Final = 0.1
FAILING: Final = 10  # percent of the tasks, at their first try
TABLES: Final = (
    "CREATE TABLE tried (task integer PRIMARY KEY)",
    "CREATE TABLE effect (task integer NOT NULL)",
)
_mine: Final = threading.local()


class Hiccup(Exception):
    """The error that some tasks make once: a second try helps."""


def perform(task: int) -> None:
    """Do the task: leave a line in `effect`, or raise Hiccup at a failing task's first try."""
    threading.Event().wait(SECONDS)
    if task % 100 < FAILING and _first_try(task):
        raise Hiccup(task)
    _connection().execute("INSERT INTO effect (task) VALUES (%s)", (task,))


def _first_try(task: int) -> bool:
    insert = "INSERT INTO tried (task) VALUES (%s) ON CONFLICT DO NOTHING"
    return _connection().execute(insert, (task,)).rowcount == 1


def _connection() -> "psycopg.Connection":
    if not hasattr(_mine, "connection"):
        _mine.connection = psycopg.connect(os.environ["COMPARISON_DATABASE_URL"], autocommit=True)
    connection: psycopg.Connection = _mine.connection
    return connection

"""What every statement keeps to."""

import re
from importlib.resources import files

from docmill.adapters.postgres.queries import load

MODULES = [
    each.name.removesuffix(".sql")
    for each in files("docmill.adapters.postgres").joinpath("sql").iterdir()
]
NESTED = re.compile(r"\([^()]*\)")
EVERY_COLUMN = re.compile(r"(?:\b(?:SELECT|RETURNING)\s+|\b\w+\.)\*(?!\s+FROM unnest)")


def outermost(statement: str) -> str:
    """What is left without comments and brackets: it makes the columns of the answer."""
    text = re.sub("--.*", "", statement)
    while (less := NESTED.sub("", text)) != text:
        text = less
    return text


def test_an_answer_names_its_columns() -> None:
    """A connection's prepared statements fail once a migration changes the columns of a `*`."""
    offenders = [
        name
        for module in MODULES
        for name, statement in load(module).items()
        if EVERY_COLUMN.search(outermost(statement))
    ]
    assert offenders == []

"""Named queries, loaded from the .sql files beside this module."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import LiteralString

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)


@cache
def load(module: str) -> Mapping[str, LiteralString]:
    """Return the queries of `sql/<module>.sql` by name, without their comments.

    psycopg (3.3) looks for parameters anew with each call in a text of over 4,096 characters.
    """
    text = files("docmill.adapters.postgres").joinpath("sql", f"{module}.sql").read_text()
    _, *parts = _NAME.split(text)
    return {
        # From our own package: no input reaches it.
        name: _COMMENT.sub("", query).strip()
        for name, query in zip(parts[::2], parts[1::2], strict=True)
    }

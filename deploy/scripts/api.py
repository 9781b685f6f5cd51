"""Writes docs/reference/errors.md from the error classes and api/openapi.json from the routes."""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final, cast

from docmill_ingest.app import Parts, create_app, description
from docmill_ingest.catalogue import Entry, entries

FOLDER: Final = Path(__file__).parents[2] / "docs" / "reference"
_HEAD: Final = """# Errors

Made by `python -m deploy.scripts.api`; the classes in `docmill.domain` are the source.

Every error is `application/problem+json` (RFC 9457). Programs look at `code`: codes are stable, the
other words may change. `remedy` says what to do, `correlation_id` lets the operator find the logs.
A document that is `rejected` or `failed` carries the same codes in `failure.code`.
"""


def errors() -> str:
    """Return the catalogue as Markdown."""
    return "\n".join([_HEAD, *_tables()]) + "\n"


def _tables() -> Iterator[str]:
    for group, found in groupby(entries(), key=lambda each: each.group):
        yield f"## {group[2:]}\n"
        yield "| code | status | means | remedy |\n|---|---|---|---|"
        yield from map(_row, found)
        yield ""


def _row(entry: Entry) -> str:
    return f"| `{entry.code}` | {entry.status or '-'} | {entry.meaning} | {entry.remedy} |"


def openapi() -> str:
    """Return the OpenAPI document as JSON."""
    nothing = cast("Parts", _Nothing())
    return json.dumps(description(create_app(nothing)), indent=1) + "\n"


class _Nothing:
    """Stands for what the routes need while they are only described."""

    def __getattr__(self, name: str) -> "_Nothing":
        return self

    def __call__(self) -> float:
        return 0.0


def main() -> None:
    for name, text in {"errors.md": errors(), "api/openapi.json": openapi()}.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()

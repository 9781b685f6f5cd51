"""`docmill-admin document …`: documents that must be kept."""

import argparse
from collections.abc import Callable, Mapping
from typing import Final, TextIO

from docmill.adapters.postgres.lifecycle import Answer, PostgresLifecycle

ACTOR: Final = "docmill-admin"
_TOLD: Final = {
    Answer.DONE: "done",
    Answer.ALREADY: "was so before",
    Answer.MISSING: "no such document, or it is being erased",
}


def run(asked: argparse.Namespace, lifecycle: PostgresLifecycle, out: TextIO) -> None:
    """Hold or release, and say what came of it."""
    answer = COMMANDS[asked.do](asked, lifecycle)
    out.write(f"{_TOLD[answer]}\n")


COMMANDS: Final[Mapping[str, Callable[[argparse.Namespace, PostgresLifecycle], Answer]]] = {
    "document hold": lambda asked, lifecycle: lifecycle.hold(
        asked.document, reason=asked.reason, by=ACTOR
    ),
    "document release": lambda asked, lifecycle: lifecycle.hold(
        asked.document, reason=None, by=ACTOR
    ),
}

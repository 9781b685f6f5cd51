"""Writes docs/states.md from the tables of moves in the domain."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from docmill.domain import document, task
from docmill.domain.document import State
from docmill.domain.task import TaskState

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "states.md"
S = TypeVar("S", bound=StrEnum)
TEXT: Final = """# States

Generated from `docmill.domain.document.MOVES` and `docmill.domain.task.MOVES`. The ledger's guarded
updates allow no other move, and the hourly audit checks the histories against these tables (I4).

## Document

{document}
- `received → processing` when validate commits the page plan; `→ rejected` when it says why not.
- `processing → ready` when assemble commits, or an only page with what assemble makes;
  `→ failed` when the run cannot be finished.
- `ready | failed | cancelled → processing`: a new run was asked for; readers see the last settled
  run until it settles.
- `→ expired`: retention; content and artifacts go, a tombstone and its events stay (410).
- `→ erasing`: erased; readers get 404 at once, the scheduler deletes all but the audit line.

## Task

{task}
- A task is born `ready`, or `scheduled` when it must not begin at once: of a bulk replay, which is
  spread over time, and a webhook that is sent again.
- `ready → queued` is the dispatcher's fair pick; it raises `dispatch`, the hint's generation.
- `queued → running` is a worker's claim; it takes a token, the fencing number.
- `running → scheduled`: to be tried again later; `→ ready`: released by a drain, or its worker was
  lost.
- A dead or cancelled task never comes back: a new run has new rows.
"""


def diagram(moves: Mapping[S, frozenset[S]], *births: S) -> str:
    """Draw a table of moves, and the states it begins with, as a Mermaid state diagram."""
    arrows = [f"    {a.value} --> {b.value}" for a in moves for b in sorted(moves[a])]
    ends = [f"    {state.value} --> [*]" for state, to in moves.items() if not to]
    begins = [f"    [*] --> {state.value}" for state in births]
    lines = ["```mermaid", "stateDiagram-v2", *begins, *arrows, *ends, "```", ""]
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    PAGE.write_text(
        TEXT.format(
            document=diagram(document.MOVES, State.RECEIVED),
            task=diagram(task.MOVES, TaskState.READY, TaskState.SCHEDULED),
        )
    )


if __name__ == "__main__":
    main()

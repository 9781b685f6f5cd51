"""`docmill-admin task …`: dead letters for an operator's eyes and hands."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final, TextIO, TypeAlias

from docmill.adapters.postgres.letters import PostgresLetters, Replay, Wanted
from docmill.domain.task import Stage

ACTOR: Final = "docmill-admin"

Do: TypeAlias = Callable[[argparse.Namespace, PostgresLetters], Sequence[str]]


def run(asked: argparse.Namespace, letters: PostgresLetters, out: TextIO) -> None:
    """Do what was asked and write its lines."""
    out.writelines(f"{line}\n" for line in COMMANDS[asked.do](asked, letters))


def _list(asked: argparse.Namespace, letters: PostgresLetters) -> Sequence[str]:
    return [
        "\t".join(
            str(row[name])
            for name in ("id", "ended_at", "tenant", "document", "stage", "page", "code", "detail")
        )
        for row in letters.list(_wanted(asked), limit=asked.limit)
    ]


def _show(asked: argparse.Namespace, letters: PostgresLetters) -> Sequence[str]:
    row = letters.get(asked.task)
    if row is None:
        return [Replay.MISSING]
    lines = [f"{name}\t{value}" for name, value in row.items() if name != "attempts"]
    for each in row["attempts"]:
        told = "\t".join(str(each[name]) for name in ("started_at", "worker", "outcome", "cause"))
        lines.append(f"attempt\t{told}")
    return lines


def _replay(asked: argparse.Namespace, letters: PostgresLetters) -> Sequence[str]:
    if asked.task is not None:
        return [letters.replay(asked.task, by=ACTOR)]
    counts = letters.replay_all(
        _wanted(asked), by=ACTOR, per_second=asked.per_second, limit=asked.limit
    )
    return [f"{count}\t{answer}" for answer, count in counts.items() if count]


def _discard(asked: argparse.Namespace, letters: PostgresLetters) -> Sequence[str]:
    tasks = [asked.task]
    if asked.task is None:
        tasks = [row["id"] for row in islice(letters.every(_wanted(asked)), asked.limit)]
    done = [letters.discard(task, by=ACTOR, reason=asked.reason) for task in tasks]
    return [f"{sum(done)} discarded"]


def _wanted(asked: argparse.Namespace) -> Wanted:
    now = datetime.now(UTC)
    return Wanted(
        code=asked.code,
        stage=asked.stage and Stage(asked.stage),
        tenant=asked.tenant,
        since=asked.within_hours and now - asked.within_hours,
        until=asked.before_hours and now - asked.before_hours,
        discarded=asked.discarded,
        replayed=asked.replayed,
    )


COMMANDS: Final[Mapping[str, Do]] = {
    "task list": _list,
    "task show": _show,
    "task replay": _replay,
    "task discard": _discard,
}

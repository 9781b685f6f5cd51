"""A sceptic's model of docmill: replays every document's history and reports contradictions.

It shares nothing with the ledger that it doubts: the rules below are written out anew from the
design, the SQL only reads whole tables in one snapshot, and the store is asked for the bytes.

    python -m docmill.testing.history --database-url URL [--s3-endpoint URL --s3-bucket NAME]

prints what was read and exits 1 when anything contradicts itself. The store's credentials come from
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import boto3

from docmill.testing.history_store import Referred, Store, check_objects
from docmill.testing.history_world import Life, Task, World, read

MOVES: Final = {
    None: {"received"},
    "received": {"processing", "rejected", "failed", "cancelled", "erasing"},
    "processing": {"ready", "failed", "cancelled", "erasing"},
    "ready": {"processing", "expired", "erasing"},
    "failed": {"processing", "expired", "erasing"},
    "cancelled": {"processing", "expired", "erasing"},
    "rejected": {"expired", "erasing"},
    "expired": {"erasing"},
    "erasing": set[str](),
}
LIVE: Final = {"received", "processing"}
ENDS: Final = {"ready", "rejected", "failed", "cancelled"}
OPEN: Final = {"scheduled", "ready", "queued", "running"}
GATING: Final = {"validate", "recognise", "assemble"}
ERRORS: Final = {"transient", "deadline"}  # what spends an attempt
OUTAGES: Final = ("store_down", "wrong_bytes", "database_down", "disk_full")  # causes, first word
DOUBTED: Final = 10  # outages that a task is forgiven though the dependency answered the probe


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One thing that cannot be. `kind` is for programs."""

    kind: str
    document: str
    detail: str


Finding: TypeAlias = Iterator[tuple[str, str]]


class Rule(Protocol):
    """Tells what contradicts itself in a document's life: kind and detail."""

    def __call__(self, life: Life) -> Finding: ...


# ── the rules ───────────────────────────────────────────────────────────────────────────────────
def numbered_without_gaps(life: Life) -> Finding:
    """I6: the history runs from 1 to the document's version, each number once."""
    numbers = [each["seq"] for each in life.events]
    if numbers != list(range(1, life.row["version"] + 1)):
        yield "gap", f"version {life.row['version']}, events {numbers}"


def moves_along_the_table(life: Life) -> Finding:
    """I4: each event's state can follow the one before; the last is the document's."""
    state = None
    for event in life.events:
        after = event["state"]
        if after is None or after == state:
            continue
        if after not in MOVES[state]:
            yield "illegal move", f"{state} to {after} at event {event['seq']}"
        state = after
    if state != life.row["state"]:
        yield "untold state", f"is {life.row['state']}, told {state}"


def ends_a_run_once(life: Life) -> Finding:
    """A run has at most one end, and the next one opens only after it."""
    ended: Counter[int] = Counter()
    run = 1
    for event in life.events:
        if event["kind"] == "run_opened":
            run += 1
        if event["run"] != run:
            yield "order", f"event {event['seq']} is of run {event['run']} during run {run}"
        if event["kind"] in ENDS:
            ended[event["run"]] += 1
    for number, times in ended.items():
        if times > 1:
            yield "twice", f"run {number} ended {times} times"


def tells_each_page_once(life: Life) -> Finding:
    """A page is recognised at most once in a run, and only after its plan."""
    told: Counter[tuple[int, int]] = Counter()
    planned = set()
    for event in life.events:
        if event["kind"] == "validated":
            planned.add(event["run"])
        if event["kind"] == "page_recognised":
            told[event["run"], event["data"]["page"]] += 1
            if event["run"] not in planned and event["run"] == 1:
                yield "order", f"event {event['seq']}: a page before its plan"
    for (run, page), times in told.items():
        if times > 1:
            yield "twice", f"page {page} was recognised {times} times in run {run}"


def is_ready_only_when_whole(life: Life) -> Finding:
    """A settled run has all of its pages or says which are missing, and its outputs."""
    run = life.row["settled_run"]
    if run is None or life.row["state"] in {"expired", "erasing"}:
        return
    read = {
        each["page"] for each in life.artifacts if each["run"] == run and each["kind"] == "page"
    }
    planned = {each["number"] for each in life.pages if each["run"] == run}
    failed = {each["number"] for each in life.pages if each["run"] == run and each["failure_code"]}
    if read | failed != planned or not read:
        yield "unfinished", f"run {run}: {len(read)} of {len(planned)} pages, {len(failed)} failed"
    if not any(each["run"] == run and each["stage"] == "assemble" for each in life.outputs):
        yield "unfinished", f"run {run} is settled and was never assembled"


def has_work_while_it_lives(life: Life) -> Finding:
    """I2: a live document has an open gating task of its run."""
    if life.row["state"] not in LIVE:
        return
    run = life.row["run"]
    if not any(
        task.row["state"] in OPEN and task.row["run"] == run and task.row["stage"] in GATING
        for task in life.tasks
    ):
        yield "hanging", f"run {run} is {life.row['state']} without an open task"


def commits_each_unit_once(life: Life) -> Finding:
    """I3: a done task has one done attempt, whose token its one output carries."""
    outputs = {(each["run"], each["stage"], each["page"]): each for each in life.outputs}
    for task in life.tasks:
        output = outputs.get(task.unit)
        if task.row["state"] == "done" and life.row["state"] not in {"expired", "erasing"}:
            if output is None:
                yield "no output", f"{task} is done"
            elif output["token"] != task.row["token"]:
                yield "foreign output", f"{task}: token {output['token']}, not the task's"
        elif task.row["state"] != "done" and output is not None:
            yield "output without work", f"{task} is {task.row['state']}"


def keeps_its_tokens(life: Life) -> Finding:
    """An output's token is that of a done attempt, of its run or of one it was carried from."""
    done = {
        attempt["token"]
        for task in life.tasks
        for attempt in task.attempts
        if attempt["outcome"] == "done"
    }
    known = {task.unit for task in life.tasks}
    for output in life.outputs:
        unit = output["run"], output["stage"], output["page"]
        if unit in known and output["token"] not in done:
            yield "stale output", f"{unit} carries token {output['token']}, which committed nothing"


def assembles_with_its_only_page(life: Life) -> Finding:
    """What was assembled without a task of its own carries the token of the page's task."""
    known = {task.unit: task.row["token"] for task in life.tasks}
    planned = Counter(each["run"] for each in life.pages)
    only = {each["run"]: each["number"] for each in life.pages if planned[each["run"]] == 1}
    for output in life.outputs:
        run = output["run"]
        if output["stage"] != "assemble" or (run, "assemble", 0) in known or run not in only:
            continue
        token = known.get((run, "recognise", only[run]))  # pruned in time, before its output
        if token is not None and output["token"] != token:
            yield "foreign output", f"run {run} was assembled by {output['token']}, not by {token}"


RULES: Final[Sequence[Rule]] = (
    numbered_without_gaps,
    moves_along_the_table,
    ends_a_run_once,
    tells_each_page_once,
    is_ready_only_when_whole,
    has_work_while_it_lives,
    commits_each_unit_once,
    keeps_its_tokens,
    assembles_with_its_only_page,
)


# ── a task, of a document or of a delivery ──────────────────────────────────────────────────────
def task_contradictions(task: Task) -> Finding:
    """What its attempts say against each other and against what it has spent."""
    yield from _in_order(task)
    yield from _spent_rightly(task)


def _in_order(task: Task) -> Finding:
    if task.ended("done") > 1:
        yield "twice", f"{task} was committed {task.ended('done')} times"
    if (task.row["state"] == "done") != (task.ended("done") == 1):
        yield "done without work", f"{task} is {task.row['state']}"
    opened = [each for each in task.attempts if each["ended_at"] is None]
    if len(opened) != (task.row["state"] == "running"):
        yield "open attempt", f"{task} is {task.row['state']} with {len(opened)} open attempts"
    for before, after in zip(task.attempts, task.attempts[1:], strict=False):
        if before["ended_at"] is None or before["ended_at"] > after["started_at"]:
            yield "overlap", f"{task}: attempt {after['token']} began before the last had ended"


def _spent_rightly(task: Task) -> Finding:
    """No attempt is spent on somebody else's fault: losses, outages and drains cost nothing."""
    row, lost = task.row, task.ended("lost")
    if row["attempt"] != task.ended(*ERRORS):
        yield "overspent", f"{task}: {row['attempt']} errors of {task.ended(*ERRORS)} on record"
    crashed = row["crashes"] - task.ended("crash")
    if crashed < 0 or crashed + row["losses"] > lost:
        yield "overspent", f"{task}: {row['crashes']} crashes, {row['losses']} losses of {lost}"
    if task.ended("dependency") < DOUBTED:
        for each in task.attempts:
            if each["outcome"] in ERRORS and (each["cause"] or "").startswith(OUTAGES):
                yield "outage charged", f"{task}: attempt {each['token']}, {each['cause']}"


# ── the whole ───────────────────────────────────────────────────────────────────────────────────
def contradictions(world: World) -> Iterator[Contradiction]:
    """Check everything that PostgreSQL knows."""
    for life in world.lives.values():
        for rule in RULES:
            yield from _of(life.id, rule(life))
        for task in life.tasks:
            yield from _of(life.id, task_contradictions(task))
        blob = world.blobs.get(life.row["key"])
        if life.row["state"] not in {"expired", "erasing"} and (
            blob is None or blob["state"] != "live"
        ):
            yield Contradiction("no blob", life.id, f"nothing live under {life.row['key']}")
    for task in world.deliveries:
        yield from _of(str(task.row["delivered_document"]), task_contradictions(task))
    for row in world.remains:
        yield Contradiction("remains", str(row["document"]), f"erased, but in {row['relation']}")


def _of(document: str, found: Finding) -> Iterator[Contradiction]:
    for kind, detail in found:
        yield Contradiction(kind, document, detail)


def check(database_url: str, store: Store | None = None) -> list[Contradiction]:
    """Replay everything in one snapshot; with a store, read every object that is referred to."""
    world = read(database_url)
    found = list(contradictions(world))
    if store is None:
        return found
    erased = [(str(row["document"]), f"{row['tenant']}/{row['document']}/") for row in world.erased]
    told = set(check_objects(store, _referred(world), erased))
    if told:  # an erase may have gone by while we looked
        told &= set(check_objects(store, _referred(read(database_url)), erased))
    return found + [Contradiction(kind, document, detail) for kind, document, detail in told]


def _referred(world: World) -> list[Referred]:
    return [
        (life.id, row["key"], row["size"], bytes(row["sha256"]))
        for life in world.lives.values()
        if life.row["state"] not in {"expired", "erasing"}
        for row in (life.row, *life.artifacts)
    ]


def main() -> int:
    """Check and tell; 1 when anything contradicts itself."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--s3-endpoint")
    parser.add_argument("--s3-bucket", default="docmill")
    asked = parser.parse_args()
    store = None
    if asked.s3_endpoint:
        store = Store(boto3.client("s3", endpoint_url=asked.s3_endpoint), asked.s3_bucket)
    found = check(asked.database_url, store)
    for each in found:
        sys.stdout.write(f"{each.document}  {each.kind}: {each.detail}\n")
    sys.stdout.write(f"{len(found)} contradictions\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

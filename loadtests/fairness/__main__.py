"""Fairness in figures: the real dispatcher and PostgreSQL, workers that only take time.

    make fairness [ARGS="--pages 10000 --documents 100000 --tenants 1000"]

Time on the shop floor is counted, not waited for, but for the rates. The cost of a tick is
processor time, ours and PostgreSQL's, taken in turns with a small crowd and a large one: a busy
machine changes little of it. Exits 1 when a promise is broken.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias

from docmill.domain.task import Pool
from docmill.ops.logging import configure
from docmill.ports import Beat
from docmill_dispatcher.tick import Grace, Tick
from tests.stack.crowd import crowd, wait_again
from tests.stack.fairness import flood, jain, p95, patience, rated, shared_out, shares
from tests.stack.floor import Belt
from tests.stack.ledger import Desk, desk
from tests.stack.storm import SLOTS, storm
from tests.stack.template import database, template_database

Desks: TypeAlias = Callable[[], Desk]
LEASE: Final = timedelta(hours=1)  # the floor's time is not PostgreSQL's
SMALL: Final = (100, 10)
ROUNDS: Final = 40

# What is promised.
WAIT: Final = 2.0  # times the wait alone
JAIN: Final = 0.95
OFF: Final = 0.05  # of a share or of a cap
RATE_USED: Final = 0.75
TICK_COST: Final = 1.5  # times that of a small crowd
CAP: Final = 2


class Verdict:
    """What was found, line by line, and whether every promise held."""

    def __init__(self) -> None:
        self.kept = True

    def say(self, what: str, found: str, *, kept: bool) -> None:
        self.kept &= kept
        print(f"{what:52} {found:44} {'kept' if kept else 'BROKEN'}", flush=True)


def judge_flood(verdict: Verdict, desks: Desks, pages: int) -> None:
    """A tenant with very many pages, another with ten documents a minute later."""
    found = flood(desks(), desks(), pages=pages, after=60)
    verdict.say(
        f"10 documents a minute after a flood of {pages} pages",
        f"p95 {p95(found.alone):.1f} s alone, {p95(found.behind):.1f} s so: {found.ratio:.2f} x",
        kept=found.ratio <= WAIT,
    )


def judge_shares(verdict: Verdict, desks: Desks) -> None:
    """Equal tenants, weighed ones, and one with a cap."""
    equal = shares(shared_out(desks(), {f"t{n}": 1.0 for n in range(10)}, seconds=60))
    index = jain(list(equal.values()))
    verdict.say("10 equal tenants", f"Jain's index {index:.4f}", kept=index >= JAIN)
    weights = {"one": 1.0, "two": 2.0, "four": 4.0}
    got = shares(shared_out(desks(), weights, seconds=60))
    off = max(abs(got[tenant] * 7 / weight - 1) for tenant, weight in weights.items())
    verdict.say("weights 1, 2 and 4", f"at most {off:.1%} off their shares", kept=off <= OFF)
    floor = shared_out(desks(), {"capped": 1.0, "other": 1.0}, seconds=60, caps={"capped": CAP})
    live = floor.out["capped", "ocr"]
    used = sum(live) / len(live) / CAP
    verdict.say(
        f"a cap of {CAP} of 8 slots",
        f"never more than {max(live)} out, {used:.1%} of it used",
        kept=max(live) <= CAP and used >= 1 - OFF,
    )


def judge_patience(verdict: Verdict, desks: Desks) -> None:
    """Batch work while critical work never ends."""
    waited = patience(desks())
    kept = waited <= timedelta(minutes=11)
    verdict.say("batch work under endless critical work", f"begins after {waited}", kept=kept)


def judge_rates(verdict: Verdict, desks: Desks) -> None:
    """Rates, with three dispatchers at once."""
    found = rated(desks(), tenant_rate=10, stage_rate=20, seconds=8)
    for what, each in found.items():
        share = each.started / each.limit
        verdict.say(
            f"a rate of a {what}, three dispatchers",
            f"{each.started} starts of at most {each.limit:.0f}",
            kept=RATE_USED <= share <= 1,
        )


def judge_storm(verdict: Verdict, desks: Desks, tasks: int) -> None:
    """Every task runs into an outage, and all are tried again at the same moment."""
    found = storm(desks(), tasks=tasks)
    verdict.say(
        f"{tasks} retries due at once after an outage",
        f"{found.rate}/s at most (slots: {found.may:.0f}), {found.most_out} out, {found.dead} dead",
        kept=found.done == tasks
        and not found.dead + found.spent
        and found.most_out <= found.window
        and found.rate <= found.may + SLOTS,
    )


def judge_cost(verdict: Verdict, desks: Desks, documents: int, tenants: int) -> None:
    """What a tick costs before a small crowd and before a large one."""
    small = ticks(desks(), *SMALL)
    large = ticks(desks(), documents, tenants)
    pairs = [(next(small), next(large)) for _ in range(ROUNDS)]
    few, many = (median(each) for each in zip(*pairs, strict=True))
    ratio = median(large / small for small, large in pairs)
    verdict.say(
        f"a tick: {documents} documents of {tenants} tenants",
        f"{many * 1e3:.1f} ms of CPU, {few * 1e3:.1f} for 100 of 10: {ratio:.2f} x",
        kept=ratio <= TICK_COST,
    )


def ticks(desk: Desk, documents: int, tenants: int) -> Iterator[float]:
    """Yield what each tick cost that found the window empty."""
    crowd(desk, documents=documents, tenants=tenants)
    desk.do("UPDATE pool_clock SET task_seconds = 1")
    beat = Beat(worker="w", pool=Pool.VALIDATOR, slots=4, build="t", languages=[], memory=0)
    tick = Tick(desk.dispatch, Belt(lambda *_: None), Grace(timedelta(0)))
    while True:
        desk.ledger.beat(beat)
        began = _processor(desk)
        tick()
        yield _processor(desk) - began
        wait_again(desk)


def _processor(desk: Desk) -> float:
    """Seconds of processor time that this process and the database's backends have taken."""
    rows = desk.do("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
    took = [Path(f"/proc/{row['pid']}/schedstat").read_text().split()[0] for row in rows]
    return time.process_time() + sum(map(int, took)) / 1e9


def main() -> int:
    """Measure everything and exit 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=10_000, help="of the flood")
    parser.add_argument("--documents", type=int, default=100_000, help="that wait during a tick")
    parser.add_argument("--tenants", type=int, default=1_000, help="to whom they belong")
    parser.add_argument("--retries", type=int, default=10_000, help="after an outage")
    how = parser.parse_args()
    configure("fairness", "WARNING")
    server = os.environ["DOCMILL_TEST_DATABASE_URL"]
    template = template_database(server)
    verdict = Verdict()
    with ExitStack() as stack:

        def desks() -> Desk:
            url = stack.enter_context(database(server, template))
            return stack.enter_context(desk(url, lease=LEASE))

        judge_flood(verdict, desks, how.pages)
        judge_shares(verdict, desks)
        judge_patience(verdict, desks)
        judge_rates(verdict, desks)
        judge_storm(verdict, desks, how.retries)
        judge_cost(verdict, desks, how.documents, how.tenants)
    return 0 if verdict.kept else 1


if __name__ == "__main__":
    sys.exit(main())

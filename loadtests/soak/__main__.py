"""A soak: producers, failing work and a seeded schedule of faults, for as long as one likes.

    python -m loadtests.soak [--minutes 1440] [--seed N] [--producers 5] [--failing 0.05]

The seed is printed first; the same seed draws the same faults in the same order. Every interval a
line tells what was accepted and what became of it; at the end everything accepted must have come
to its end, once, with every invariant held. Exits 1 otherwise.
"""

import argparse
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

import psutil

from deploy.local.stack import Stack
from loadtests.soak.producers import BACKLOG, Producer, Tally, producing
from tests.stack.faults import FAULTS
from tests.stack.flow import Inspector, inspector
from tests.stack.routed import Routed, routed_stack
from tests.stack.wait import until
from tests.stack.whole import QUICK_FAULTS

PAUSE: Final = (4.0, 12.0)  # seconds between two faults
LENGTH: Final = (0.5, 12.0)  # seconds that one lasts; a lease of the quick settings is 4.5
MENDED_WITHIN: Final = 300.0
OPEN: Final = "SELECT count(*) FROM document WHERE state IN ('received', 'processing')"
RUNNING: Final = "SELECT count(*) FROM task WHERE state = 'running'"
STATES: Final = "SELECT state, count(*) AS n FROM document GROUP BY state"
MEGABYTE: Final = 2**20


@dataclass(slots=True)
class Record:
    """What the soak has seen so far. `struck` counts trials by fault, `hit` the tasks they hit."""

    began: float = field(default_factory=time.monotonic)
    struck: Counter[str] = field(default_factory=Counter)
    hit: Counter[str] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)
    reported: tuple[int, float] = (0, 0.0)  # documents ready, and after how many minutes


class Soak:
    """One soak on a stack of its own."""

    def __init__(self, stack: Routed, inspect: Inspector, how: argparse.Namespace) -> None:
        self._stack = stack
        self._inspect = inspect
        self._draw = Random(how.seed)  # of the schedule alone: what a fault draws depends on time
        self._seconds = how.minutes * 60
        self._every = how.report * 60
        self.how = how
        self.tally = Tally()
        self.record = Record()

    def run(self) -> list[str]:
        """Soak, let everything end, and tell what is wrong: nothing, it is hoped."""
        how = self.how
        with producing(
            self._stack, how.producers, self.tally, seed=how.seed, failing=how.failing
        ) as producers:
            watch = threading.Thread(target=self._throttle, args=(producers,), daemon=True)
            watch.start()
            self._break_and_mend()
            self._stack.mend()
        self._stack.mend()
        until(lambda: not self._open(), within=MENDED_WITHIN, every=0.5)
        self._report("end")
        return self._wrong()

    def _break_and_mend(self) -> None:
        due = time.monotonic() + self._every
        end = time.monotonic() + self._seconds
        self._report("start")
        while time.monotonic() < end:
            self._strike(self._draw.choice(sorted(FAULTS)))
            if time.monotonic() >= due:
                due += self._every
                self._report("")

    def _strike(self, name: str) -> None:
        length = self._draw.uniform(*LENGTH)
        pause = self._draw.uniform(*PAUSE)
        self.record.struck[name] += 1
        self.record.hit[name] += self._count(RUNNING)
        with FAULTS[name](self._stack, Random(f"{self.how.seed}-{self.record.struck.total()}")):
            _pass(length)
        self._stack.mend()
        _pass(pause)

    def _throttle(self, producers: Sequence[Producer]) -> None:
        """Let the producers go on while the backlog is small."""
        most = BACKLOG * len(producers)
        while not all(producer.stopped.is_set() for producer in producers):
            small = self._count(OPEN) < most
            for producer in producers:
                producer.may.set() if small else producer.may.clear()
            _pass(0.5)

    def _open(self) -> int:
        return self._count(OPEN, absent=1)

    def _count(self, query: str, absent: int = 0) -> int:
        try:
            return self._inspect.count(query)
        except Exception:  # noqa: BLE001 - PostgreSQL is what the fault broke
            return absent

    def _report(self, label: str) -> None:
        states = Counter({row["state"]: row["n"] for row in self._inspect.rows(STATES)})
        minutes = (time.monotonic() - self.record.began) / 60
        memory = sum(_memory(self._stack).values())
        self.record.memory.append(memory)
        rate = self._rate(states["ready"], minutes)
        print(
            f"{minutes:7.1f} min  accepted {self.tally.accepted:6}  ready {states['ready']:6}"
            f"  rejected {states['rejected']:5}  failed {states['failed']:3}"
            f"  open {self._count(OPEN):4}  faults {self.record.struck.total():4}"
            f"  interrupted {self.record.hit.total():5}  {rate:6.1f} ready a minute"
            f"  memory {memory:5} MB  {label}",
            flush=True,
        )

    def _rate(self, ready: int, minutes: float) -> float:
        """Return the throughput since the last report."""
        before, self.record.reported = self.record.reported, (ready, minutes)
        return (ready - before[0]) / max(minutes - before[1], 1e-9)

    def _wrong(self) -> list[str]:
        wrong = []
        for end, documents in self.tally.expected.items():
            try:
                self._inspect.assert_each_ended_once(documents, end)
            except AssertionError as error:
                wrong.append(f"expected {end}: {error}")
        known = self.tally.accepted
        stored = self._inspect.count("SELECT count(*) FROM document")
        if stored < known:
            wrong.append(f"{known - stored} accepted documents have no row")
        never = [name for name in self.record.struck if not self.record.hit[name]]
        if never:
            print(f"interrupted nothing, so proved nothing: {', '.join(sorted(never))}")
        return wrong


def _memory(stack: Stack) -> Mapping[str, int]:
    """Return each service's resident megabytes, children included."""
    return {name: _resident(service.process.pid) for name, service in stack.services.items()}


def _resident(pid: int | None) -> int:
    total = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except (psutil.NoSuchProcess, TypeError):
        return 0
    for process in family:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total // MEGABYTE


def _pass(seconds: float) -> None:
    threading.Event().wait(seconds)


def _table(record: Record) -> None:
    print(f"\n{'fault':28} {'times':>6} {'interrupted':>12}")
    for name in sorted(record.struck):
        print(f"{name:28} {record.struck[name]:6} {record.hit[name]:12}")


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=24 * 60)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--producers", type=int, default=5)
    parser.add_argument("--failing", type=float, default=0.05)
    parser.add_argument("--report", type=float, default=5, help="minutes between two lines")
    return parser.parse_args()


def main() -> int:
    """Soak and tell; 1 when anything was lost, doubled or left hanging."""
    how = _parsed()
    print(f"seed {how.seed}: the same schedule again with --seed {how.seed}", flush=True)
    with routed_stack(**QUICK_FAULTS) as stack, inspector(stack) as inspect:
        inspect.rows("UPDATE tenant SET max_storage_bytes = 10 ^ 13 RETURNING id")
        soak = Soak(stack, inspect, how)
        wrong = soak.run()
    _table(soak.record)
    memory = soak.record.memory
    print(f"memory of the services: {memory[0]} MB at the start, {memory[-1]} MB at the end")
    print(f"uploads that nobody answered: {soak.tally.refused}")
    for each in wrong:
        print(f"WRONG: {each}")
    print(
        "nothing lost, nothing doubled, every invariant held" if not wrong else f"seed {how.seed}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

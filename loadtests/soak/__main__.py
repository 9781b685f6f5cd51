"""A soak: producers, failing work and a seeded schedule of faults, for as long as one likes.

    python -m loadtests.soak [--minutes 1440] [--seed N] [--producers 5] [--failing 0.05]

The seed is printed first; the same seed draws the same faults in the same order on every machine.
Every interval a line tells what was accepted and what became of it. At the end everything accepted
must have come to its end, once, with every invariant held; every fault must have hit work in
flight, every producer must live, and the services' memory may have grown by so much. Exits 1
otherwise, and tells the seed.
"""

import argparse
import secrets
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Final

import psutil

from deploy.local.stack import Stack
from loadtests.soak.producers import BACKLOG, Producer, Tally, producing
from loadtests.soak.schedule import Step, schedule
from tests.stack import possessed_ocr
from tests.stack.faults import FAULTS, beyond
from tests.stack.flow import Inspector, inspector
from tests.stack.routed import Routed, routed_stack
from tests.stack.setting import with_settings
from tests.stack.wait import until
from tests.stack.whole import QUICK_FAULTS

MENDED_WITHIN: Final = 600.0  # for the whole backlog, of which a busy machine reads one a second
HIT_WITHIN: Final = 20.0  # seconds that a fault goes on for while it has hit nothing
WARM_MINUTES: Final = 2.0  # from then on memory is judged
MEMORY_FIGURES: Final = 6  # with fewer, memory is printed and not judged
GROWTH: Final = 1.3  # of the services' memory: the last figures beside the first warm ones
OPEN: Final = "SELECT count(*) FROM document WHERE state IN ('received', 'processing')"
STATES: Final = "SELECT state, count(*) AS n FROM document GROUP BY state"
MEGABYTE: Final = 2**20
# For as long as any soak lasts nothing of it may expire or find no room.
ROOMY: Final = """
UPDATE tenant SET max_storage_bytes = 10 ^ 13, retention = '30 days', max_retention = '30 days'
RETURNING id"""


@dataclass(slots=True)
class Record:
    """What the soak has seen so far. `struck` counts trials by fault, `hit` what they hit."""

    began: float = field(default_factory=time.monotonic)
    struck: Counter[str] = field(default_factory=Counter)
    hit: Counter[str] = field(default_factory=Counter)
    what: dict[str, str] = field(default_factory=dict)  # by fault: of what kind its hits are
    skipped: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)  # megabytes, warm and under load
    reported: tuple[int, float] = (0, 0.0)  # documents ready, and after how many minutes


class Soak:
    """One soak on a stack of its own."""

    def __init__(self, stack: Routed, inspect: Inspector, how: argparse.Namespace) -> None:
        self._stack = stack
        self._inspect = inspect
        self._steps = schedule(how.seed)
        self._seconds = how.minutes * 60
        self._every = how.report * 60
        self.how = how
        self.tally = Tally()
        self._producers: list[Producer] = []
        self.record = Record()

    def run(self) -> list[str]:
        """Soak, let everything end, and tell what is wrong: nothing, it is hoped."""
        for part in (self._soak, self._judge):
            try:
                part()
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - what was seen is told
                traceback.print_exc()
                self.record.wrong.append(f"{part.__name__} broke off: {error!r}")
        return self.record.wrong

    def _soak(self) -> None:
        how = self.how
        with producing(
            self._stack, how.producers, self.tally, seed=how.seed, failing=how.failing
        ) as self._producers:
            watch = threading.Thread(target=self._throttle, args=(self._producers,), daemon=True)
            watch.start()
            self._break_and_mend()
            self._stack.mend()
            self._report("the last fault is mended")
        until(lambda: not self._open(), within=MENDED_WITHIN, every=0.5)
        self._report("end")

    def _break_and_mend(self) -> None:
        due = time.monotonic() + self._every
        end = time.monotonic() + self._seconds
        self._report("start")
        while time.monotonic() < end:
            self._step(next(self._steps))
            if time.monotonic() >= due:
                due += self._every
                self._report("")

    def _step(self, step: Step) -> None:
        if reason := beyond(step.fault):
            self.record.skipped[step.fault] += 1
            print(f"skipped {step.fault}: {reason}", flush=True)
            return
        self._strike(step)
        self._stack.mend()
        _pass(step.pause)

    def _strike(self, step: Step) -> None:
        record, name = self.record, step.fault
        record.struck[name] += 1
        with FAULTS[name](self._stack, step.draw) as toll:
            _pass(step.length)
            with suppress(AssertionError):
                until(lambda: toll.hits, within=HIT_WITHIN)
        record.hit[name] += toll.hits
        record.what[name] = toll.what
        if not toll.hits:
            record.wrong.append(f"{name}, fault {record.struck.total()}, hit nothing")

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
        if minutes >= WARM_MINUTES and not label:  # the others are told at rest
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
        if dead := [producer.name for producer in self._producers if producer.dead]:
            raise RuntimeError(f"{', '.join(dead)} died; the error is above")

    def _rate(self, ready: int, minutes: float) -> float:
        """Return the throughput since the last report."""
        before, self.record.reported = self.record.reported, (ready, minutes)
        return (ready - before[0]) / max(minutes - before[1], 1e-9)

    def _judge(self) -> None:
        wrong = self.record.wrong
        for end, documents in self.tally.expected.items():
            try:
                self._inspect.assert_each_ended_once(documents, end)
            except AssertionError as error:
                wrong.append(f"expected {end}: {error}")
        known = self.tally.accepted
        stored = self._inspect.count("SELECT count(*) FROM document")
        if stored < known:
            wrong.append(f"{known - stored} accepted documents have no row")
        if told := grown(self.record.memory):
            wrong.append(told)


def grown(memory: Sequence[int]) -> str:
    """Tell of figures whose last ones are too much above their first ones; empty when they are not.

    Of each the median of three, for some of the services may just have been restarted.
    """
    if len(memory) < MEMORY_FIGURES:
        return ""
    first, last = median(memory[:3]), median(memory[-3:])
    return f"memory grew from {first} MB to {last} MB" if last > first * GROWTH else ""


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
    print(f"\n{'fault':40} {'times':>6} {'interrupted':>12}  what")
    for name in sorted(record.struck):
        hit, what = record.hit[name], record.what.get(name, "broke off")
        print(f"{name:40} {record.struck[name]:6} {hit:12}  {what}")
    for name, times in sorted(record.skipped.items()):
        print(f"{name:40} {times:6}      skipped  {beyond(name)}")


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
        inspect.rows(ROOMY)
        possessed = [sys.executable, possessed_ocr.__file__]
        soak = Soak(stack, inspect, how)
        with with_settings(stack.services["ocr"], {}, possessed):
            wrong = soak.run()
    _table(soak.record)
    if memory := soak.record.memory:
        print(f"memory of the services: {memory[0]} MB when warm, {memory[-1]} MB at the end")
    print(f"uploads that nobody answered: {soak.tally.refused}")
    for each in wrong:
        print(f"WRONG: {each}")
    print(
        "nothing lost, nothing doubled, every invariant held" if not wrong else f"seed {how.seed}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

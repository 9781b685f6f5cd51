"""The three times that are promised, at the settings that everybody runs with.

    python -m loadtests.recovery [--kills 10] [--outages 5] [--documents 40]

Recovery: from the `kill -9` of an OCR worker to the end of each page that it had in work, by
another. Outage: how much longer documents take that were uploaded while RabbitMQ was killed, from
its return on, than others without. Dispatch: from the moment a task is ready to its claim, one
document at a time. Exits 1 when a time is over its bound.
"""

import argparse
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Final

from deploy.local.stack import Stack
from tests.stack.flow import Caller, Inspector, caller, inspector, pages
from tests.stack.wait import until
from tests.stack.whole import whole_stack

BETWEEN_KILLS: Final = 4.0  # seconds
AWAY: Final = 20.0  # seconds that RabbitMQ stays away
NOW: Final = "SELECT extract(epoch FROM clock_timestamp())::float8 AS at"
NEWEST: Final = "SELECT coalesce(max(token), 0) FROM attempt"
HELD: Final = "SELECT id, token FROM task WHERE stage = 'recognise' AND state = 'running'"
DISPATCHED: Final = """
SELECT extract(epoch FROM a.started_at - t.ready_at)::float8 AS seconds
  FROM attempt a JOIN task t ON t.id = a.task_id WHERE a.token > {token}"""
NEXT: Final = """
SELECT extract(epoch FROM ended_at)::float8 AS at, outcome FROM attempt
 WHERE task_id = {task} AND token > {token} ORDER BY token LIMIT 1"""


@dataclass(frozen=True)
class Bound:
    """What is promised: a percentile of a kind of times is at most so many seconds."""

    what: str
    percent: int
    seconds: float

    def judged(self, times: Sequence[float]) -> bool:
        """Print the figure beside the bound; return whether it is kept."""
        found = percentile(times, self.percent)
        kept = found <= self.seconds
        print(
            f"{self.what:44} p{self.percent:<3} {found:7.3f} s  of at most {self.seconds:6.3f} s"
            f"  ({len(times)} times, the longest {max(times):.3f} s)  {'' if kept else 'TOO LONG'}",
            flush=True,
        )
        return kept


RECOVERY: Final = Bound("a killed worker's page is read again", 95, 50)
OUTAGE: Final = Bound("an outage of RabbitMQ adds after its return", 95, 15)
DISPATCH: Final = (
    Bound("a ready task is claimed", 50, 0.1),
    Bound("a ready task is claimed", 95, 0.25),
)


def percentile(times: Sequence[float], percent: int) -> float:
    if len(times) == 1:
        return times[0]
    return quantiles(times, n=100, method="inclusive")[percent - 1]


class Trials:
    """What is done to one stack to measure it."""

    def __init__(self, stack: Stack, client: Caller, inspect: Inspector) -> None:
        self._stack = stack
        self._client = client
        self._inspect = inspect
        self._seed = 0
        self._token = 0  # the newest at the last kill: what is older is already lost

    def dispatches(self, count: int) -> list[float]:
        """Return how long each task of documents waited that came one at a time."""
        self._read(4)  # workers and children are warm then
        token = self._inspect.count(NEWEST)
        for _ in range(count):
            self._read(1)
        return [row["seconds"] for row in self._inspect.rows(DISPATCHED.format(token=token))]

    def outages(self, count: int) -> list[float]:
        """Return how much longer the slowest document took after each outage."""
        usual = median(self._timed(self._upload(4)) for _ in range(3))
        return [max(0.0, self._outage() - usual) for _ in range(count)]

    def recoveries(self, count: int) -> list[float]:
        """Return how long each page took that a killed worker had in work."""
        lost, documents = [], []
        for _ in range(count):
            documents += self._upload(3, characters=2400)
            lost += self._killed()
            _pass(BETWEEN_KILLS)
        self._client.ended(documents, within=300)
        self._inspect.assert_each_ended_once(documents)
        return [took for each in lost for took in self._took(*each)]

    def _killed(self) -> list[tuple[int, int, float]]:
        """Kill the worker in work; return the tasks it held, their tokens, and when it was."""
        ocr = self._stack.services["ocr"]
        held = f"{HELD} AND token > {self._token}"
        until(lambda: self._inspect.rows(held), within=60)
        ocr.kill()
        at = self._inspect.rows(NOW)[0]["at"]
        lost = [(row["id"], row["token"], at) for row in self._inspect.rows(held)]
        self._token = self._inspect.count(NEWEST)
        ocr.start()
        ocr.wait_ready()
        return lost

    def _took(self, task: int, token: int, at: float) -> list[float]:
        """Return how long it took, unless the next worker was killed over it too."""
        tried = self._inspect.rows(NEXT.format(task=task, token=token))
        return [row["at"] - at for row in tried if row["outcome"] == "done"]

    def _outage(self) -> float:
        rabbitmq = self._stack.rabbitmq
        rabbitmq.kill()
        documents = self._upload(4)
        _pass(AWAY)
        rabbitmq.start()
        rabbitmq.wait_ready()
        return self._timed(documents)

    def _timed(self, documents: Sequence[str]) -> float:
        began = self._inspect.rows(NOW)[0]["at"]
        self._client.ended(documents, within=300)
        self._inspect.assert_each_ended_once(documents)
        return float(self._inspect.rows(NOW)[0]["at"]) - float(began)

    def _read(self, count: int) -> None:
        self._client.ended(self._upload(count))

    def _upload(self, count: int, *, characters: int = 700) -> list[str]:
        bodies = pages(count, first=self._seed, characters=characters)
        self._seed += count
        return [self._client.upload(body, f"{self._seed}-{n}.png") for n, body in enumerate(bodies)]


@contextmanager
def trials() -> Iterator[Trials]:
    """Run a stack of its own for the length of a block, with the usual times."""
    with whole_stack() as stack, caller(stack) as client, inspector(stack) as inspect:
        inspect.rows("UPDATE tenant SET max_storage_bytes = 10 ^ 12 RETURNING id")
        yield Trials(stack, client, inspect)


def _pass(seconds: float) -> None:
    threading.Event().wait(seconds)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--outages", type=int, default=5)
    parser.add_argument("--documents", type=int, default=40)
    return parser.parse_args()


def main() -> int:
    """Measure and tell; 1 when a time is over its bound."""
    how = _parsed()
    with trials() as measured:
        waits = measured.dispatches(how.documents)
        kept = [bound.judged(waits) for bound in DISPATCH]
        kept.append(OUTAGE.judged(measured.outages(how.outages)))
        kept.append(RECOVERY.judged(measured.recoveries(how.kills)))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())

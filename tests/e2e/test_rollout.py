"""Rollouts under load: everything told to leave at once, and every service replaced one by one."""

import itertools
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from deploy.local.stack import Stack
from tests.stack.flow import Caller, Inspector, caller, inspector, pages
from tests.stack.wait import until
from tests.stack.whole import whole_stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

DRAIN = 10  # seconds
SLOTS = 2
GRACE = 5  # for what follows the drain: releases, gunicorn's 2 s, the scheduler's job in hand
SAFE_TO_REPEAT = {"503", "ConnectError", "ReadError", "RemoteProtocolError", "WriteError"}
UNSPENT = "SELECT count(*) FROM task WHERE attempt + crashes + losses > 0"


@pytest.fixture(scope="module")
def rolled() -> Iterator[Stack]:
    with whole_stack(DOCMILL_DRAIN_SECONDS=str(DRAIN), DOCMILL_SLOTS=str(SLOTS)) as stack:
        yield stack


@pytest.fixture
def inspect(rolled: Stack) -> Iterator[Inspector]:
    with inspector(rolled) as made:
        yield made


def test_everything_told_to_leave_at_once_loses_nothing_and_spends_nothing(
    rolled: Stack, inspect: Inspector
) -> None:
    with caller(rolled) as client:
        documents = _uploads(client, pages(12, first=80_000, characters=2400))
        until(lambda: inspect.running() == SLOTS)
        services = list(rolled.services.values())
        for service in services:
            service.process.send(signal.SIGTERM)
        for service in services:
            assert service.process.wait(DRAIN + GRACE), f"{service.name} did not leave"
        assert {each.name: each.process.exit_code for each in services} == {
            each.name: 0 for each in services
        }
        unfinished = "SELECT count(*) FROM document WHERE state IN ('received', 'processing')"
        assert inspect.count(unfinished), "nothing was interrupted"
        assert inspect.running() == 0
        rolled.start_services()
        rolled.wait_ready()
        client.ended(documents, within=180)
    redone = (
        "SELECT stage, count(*) AS n FROM attempt a JOIN task t ON t.id = a.task_id"
        " WHERE a.outcome <> 'done' GROUP BY 1"
    )
    assert all(row["n"] <= SLOTS for row in inspect.rows(redone))
    assert inspect.count(UNSPENT) == 0
    inspect.assert_each_ended_once(documents)


@dataclass
class Answers:
    """What callers were told while services came and went."""

    documents: list[str] = field(default_factory=list)
    tries: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def upload(self, client: Caller, body: bytes, name: str) -> str:
        """Send until it is accepted, as any caller with an idempotency key may."""
        headers = {"Idempotency-Key": name}

        def sent() -> str | None:
            try:
                answer = client.http.post(
                    "/v1/documents", params={"name": name}, content=body, headers=headers
                )
            except httpx.TransportError as error:
                with self.lock:
                    self.tries[type(error).__name__] += 1
                return None
            with self.lock:
                self.tries[str(answer.status_code)] += 1
            return str(answer.json()["id"]) if answer.status_code == 202 else None

        document = until(sent, within=60)
        assert document
        with self.lock:
            self.documents.append(document)
        return document


@contextmanager
def uploading(stack: Stack, bodies: list[bytes], callers: int) -> Iterator[Answers]:
    """Have callers upload all the time, each the next document when the last one has ended."""
    answers, over = Answers(), threading.Event()
    failed: list[BaseException] = []

    def work(number: int) -> None:
        with caller(stack) as client:
            for turn, body in enumerate(itertools.cycle(bodies[number::callers])):
                if over.is_set():
                    return
                document = answers.upload(client, body, f"rolling-{number}-{turn}.png")
                client.ended([document], within=120)

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - told by the thread that asserts
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    yield answers
    over.set()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_rolling_restart_of_every_service_loses_nothing_and_answers_everybody(
    rolled: Stack, inspect: Inspector
) -> None:
    before = inspect.count("SELECT count(*) FROM document")
    with uploading(rolled, pages(12, first=90_000, characters=300), callers=4) as answers:
        until(lambda: answers.documents)
        for service in rolled.services.values():
            inspect.passes(1)
            assert service.terminate(timeout=DRAIN + GRACE), f"{service.name} did not leave"
            assert service.process.exit_code == 0
            service.start()
            service.wait_ready()
    print(f"answers: {dict(answers.tries)}")  # noqa: T201 - part of the answer
    assert set(answers.tries) <= SAFE_TO_REPEAT | {"202"}
    with caller(rolled) as client:
        client.ended(answers.documents, within=180)
    assert len(set(answers.documents)) == len(answers.documents)
    after = inspect.count("SELECT count(*) FROM document")
    assert after - before == len(answers.documents), "an upload was taken twice"
    assert inspect.count(UNSPENT) == 0
    inspect.assert_each_ended_once(answers.documents)


def _uploads(client: Caller, bodies: list[bytes]) -> list[str]:
    return [client.upload(body, f"{index}.png") for index, body in enumerate(bodies)]

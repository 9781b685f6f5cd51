"""Workers killed a hundred times or at the worst moment, slow, without room, and attacked."""

import sys
from functools import partial
from random import Random

import httpx
import psutil
import pytest

from docmill.testing.documents import tiff
from tests.chaos.trial import Trial, scenario
from tests.stack import possessed_ocr
from tests.stack.faults.flight import running
from tests.stack.faults.moment import store_by_proxy, stored
from tests.stack.faults.service import ocr_slow
from tests.stack.proxy import noticing
from tests.stack.routed import Routed
from tests.stack.setting import with_settings
from tests.stack.wait import until

KILLS = 100
LATE_KILLS = 10
MEGABYTE = 2**20
HINTED = "SELECT count(*) FROM task WHERE pool = 'ocr' AND state IN ('queued', 'running')"


def busy_after(trial: Trial, token: int, enough: int) -> int:
    """The pages that run since a token, once so many are read; none if one runs alone.

    To kill the worker of a page that runs alone is what poison looks like.
    """
    if pages_read(trial) < enough:
        return 0
    rows = trial.inspect.rows(
        "SELECT alone FROM task WHERE stage = 'recognise' AND state = 'running'"
        f" AND token > {token}"
    )
    return 0 if any(row["alone"] for row in rows) else len(rows)


def newest_token(trial: Trial) -> int:
    return trial.inspect.count("SELECT coalesce(max(token), 0) FROM attempt")


def pages_read(trial: Trial) -> int:
    return trial.inspect.count(
        "SELECT count(*) FROM task WHERE stage = 'recognise' AND state = 'done'"
    )


@pytest.mark.slow
@pytest.mark.timeout(3000)
@scenario(
    "repeated_kills",
    fault=f"kill -9 of the OCR worker in the middle of a page, {KILLS} times",
    load="one-page scans, four more whenever few wait",
    within=180,
)
def test_a_worker_killed_a_hundred_times(trial: Trial) -> None:
    ocr, draw, documents = trial.stack.services["ocr"], Random("kills"), trial.upload(8)
    waiting = "SELECT count(*) FROM task WHERE stage = 'recognise' AND ended_at IS NULL"

    def busy(token: int, enough: int) -> int:
        if trial.inspect.count(waiting) < 8:  # or all that is left may be pages that run alone
            documents.extend(trial.upload(4))
        return busy_after(trial, token, enough)

    for _ in range(KILLS):
        after = newest_token(trial), pages_read(trial) + draw.randint(1, 3)
        ocr.start()
        trial.struck(until(partial(busy, *after), within=120))
        ocr.kill()
    ocr.start()
    trial.mended()
    trial.all_ready(documents)
    assert trial.figures.redone >= KILLS / 2
    trial.spent_nothing()


@pytest.mark.slow
@pytest.mark.timeout(900)
@scenario(
    "killed_between_store_and_commit",
    fault="kill -9 of the OCR worker once S3 has its page and before PostgreSQL is told,"
    f" {LATE_KILLS} times",
    load="two one-page scans at a time",
    within=120,
)
def test_a_worker_killed_between_the_put_and_the_commit(trial: Trial) -> None:
    ocr, documents = trial.stack.services["ocr"], list[str]()
    lost = "SELECT count(*) FROM task WHERE losses > 0 AND ended_at IS NULL"
    with store_by_proxy(trial.stack) as way:
        for _ in range(LATE_KILLS):
            with way.spoiling(noticing(stored, ocr.kill)):
                documents += trial.upload(2)
                until(lambda: not ocr.process.running, within=120)
                trial.struck(running(trial.stack, "ocr"))
            ocr.start()
            until(lambda: not trial.inspect.count(lost), within=120)
    trial.mended()
    trial.all_ready(documents)
    assert trial.figures.redone >= LATE_KILLS
    trial.spent_nothing()


@pytest.mark.slow
@pytest.mark.timeout(900)
@scenario(
    "slow_consumer",
    fault="OCR ten times slower for a minute, with 10,000 pages waiting",
    load="100 documents of 100 pages, cancelled in the end",
    within=120,
)
def test_a_long_backlog_before_a_slow_worker(trial: Trial) -> None:
    stack, token = trial.stack, newest_token(trial)  # others' losses came before
    body = tiff(100, dpi=40)
    trial.inspect.rows("UPDATE tenant SET max_storage_bytes = 10 ^ 12 RETURNING id")
    documents = trial.take([
        trial.client.upload(body, f"{number}.tiff", outputs="words") for number in range(100)
    ])
    planned = "SELECT count(*) FROM task WHERE stage = 'recognise'"
    until(lambda: trial.inspect.count(planned) >= 8_000, within=300, every=0.5)
    before = {name: resident(stack, name) for name in ("ocr", "dispatcher")}
    with ocr_slow(stack, Random(0)) as toll:
        trial.struck(toll.hits, toll.what)
        deepest = max(trial.inspect.count(HINTED) for _ in trial.looks(60, every=3))
    assert deepest <= 64, "RabbitMQ holds a backlog"
    for name, was in before.items():
        assert resident(stack, name) - was < 100 * MEGABYTE, name
    trial.mended()
    open_still = [each for each in documents if cancelled(trial, each)]
    trial.all_end(open_still, "cancelled")
    trial.all_ready([each for each in documents if each not in open_still])
    losses = f"SELECT count(*) FROM attempt WHERE outcome = 'lost' AND token > {token}"
    assert trial.inspect.count(losses) == 0


def cancelled(trial: Trial, document: str) -> bool:
    """Cancel a document; tell whether there was still something to cancel."""
    answer = trial.client.http.post(f"/v1/documents/{document}/cancel")
    return answer.status_code != httpx.codes.CONFLICT and bool(answer.raise_for_status())


def resident(stack: Routed, name: str) -> int:
    first = psutil.Process(stack.services[name].process.pid)
    return sum(each.memory_info().rss for each in [first, *first.children(recursive=True)])


HOSTILE = {
    "segfault": "failed",
    "backtrack": "failed",
    "hog 8000": "failed",
    "fork_bomb": "failed",
    "fill_disk": "failed",
    "large_file": "failed",
    "ignore_sigterm 600": "failed",
    "flood 20": "ready",
    "write /tmp/outside": "ready",
    "connect 5432": "ready",
    "kill parent": "ready",
}


TIGHT = {
    "DOCMILL_PAGE_DEADLINE_SECONDS": "6",
    "DOCMILL_CHILD_MEMORY_MB": "256",
    "DOCMILL_CHILD_ALONE_MEMORY_MB": "512",
    "DOCMILL_CHILD_SCRATCH_MB": "64",
    "DOCMILL_CHILD_FILE_MB": "32",
}


@pytest.mark.slow
@scenario(
    "poison",
    fault="documents whose pages crash, loop in C, hog memory, bomb, fill the disk, flood, ignore"
    " SIGTERM, write outside, connect and kill",
    load=f"{len(HOSTILE)} hostile pages among 10 good ones",
    within=200,
)
def test_hostile_pages_among_good_ones(trial: Trial) -> None:
    command = [sys.executable, possessed_ocr.__file__]
    with with_settings(trial.stack.services["ocr"], TIGHT, command):
        good = trial.upload(5)
        hostile = {name: trial.upload(1, name=name)[0] for name in HOSTILE}
        good += trial.upload(5)
        trial.until_running()
        trial.struck(trial.inspect.running())
        trial.mended()
        trial.all_ready(good + [hostile[name] for name, end in HOSTILE.items() if end == "ready"])
        assert trial.figures.spent == 0
        trial.all_end([hostile[name] for name, end in HOSTILE.items() if end == "failed"], "failed")

import subprocess
import sys

import pytest

from deploy.local.service import NAMES
from docmill.ops import metrics
from docmill.ops.exposition import SERVED

# In a process of its own, for the counters are the process's.
SERVE = """
import sys
from prometheus_client import generate_latest
from docmill.ops import metrics
from docmill.ops.exposition import exposition
made = exposition(sys.argv[1])
for name in sys.argv[2:]:
    getattr(metrics, name).inc()
sys.stdout.write(generate_latest(made).decode())
"""


def served(service: str, *incremented: str) -> str:
    command = [sys.executable, "-c", SERVE, service, *incremented]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def test_every_metric_is_served_by_some_service_and_every_service_serves_some() -> None:
    assert {metric for group in SERVED.values() for metric in group} == set(metrics.catalogue())
    assert set(SERVED) == set(NAMES)


def test_a_counter_with_closed_labels_begins_at_zero() -> None:
    text = served("ocr")
    assert 'docmill_children_ended_total{end="crashed",pool="ocr"} 0.0' in text
    assert 'docmill_task_attempts_total{outcome="lost",stage="recognise"} 0.0' in text


def test_a_worker_begins_the_counters_of_its_own_pool_only() -> None:
    text = served("ocr")
    assert 'pool="validator"' not in text
    assert 'stage="thumbnail"' not in text


def test_what_belongs_to_another_service_is_not_served() -> None:
    assert "docmill_dispatch_tick_seconds" not in served("ingest")
    assert "docmill_dispatch_tick_seconds_count 0.0" in served("dispatcher")


def test_what_was_counted_in_the_wrong_place_is_still_seen() -> None:
    assert "docmill_ocr_words_total 1.0" in served("ingest", "OCR_WORDS")


@pytest.mark.parametrize("service", ["ingest", "another"])
def test_the_process_itself_is_served_too(service: str) -> None:
    assert "process_resident_memory_bytes" in served(service)

import re
from pathlib import Path

import pytest
from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

from docmill.ops import metrics

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("metric", metrics.catalogue(), ids=lambda metric: metric._name)
class TestEveryMetric:
    def test_is_named_for_docmill_and_says_what_it_means(self, metric: MetricWrapperBase) -> None:
        assert re.fullmatch(r"docmill_[a-z0-9_]+", metric._name)
        assert metric._documentation.endswith((".", ")."))

    def test_takes_its_labels_from_the_one_list(self, metric: MetricWrapperBase) -> None:
        assert set(metric._labelnames) <= set(metrics.LABELS)

    def test_is_in_base_units(self, metric: MetricWrapperBase) -> None:
        assert not re.search(r"(_ms|_milliseconds|_minutes|_kb|_mb|_percent)(_|$)", metric._name)
        if isinstance(metric, Histogram):
            assert metric._name.endswith(("_seconds", "_bytes", "_ratio"))
        if isinstance(metric, Counter):
            assert not metric._name.endswith("_total")  # the client adds it


def test_every_label_in_the_list_is_used() -> None:
    used = {label for metric in metrics.catalogue() for label in metric._labelnames}
    assert used == set(metrics.LABELS)


def test_no_label_is_one_that_a_scrape_puts_on_every_series() -> None:
    scraped = {"job", "instance", "namespace", "pod", "container", "service", "endpoint", "node"}
    assert not scraped & set(metrics.LABELS)


def test_no_label_can_hold_what_grows_without_bound() -> None:
    assert not {"tenant", "document", "task", "address", "worker", "url"} & set(metrics.LABELS)


def test_every_metric_is_set_somewhere() -> None:
    sources = "".join(
        path.read_text()
        for package in ("shared/docmill/src", "services")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "metrics.py"
    )
    names = {name for name, value in vars(metrics).items() if isinstance(value, MetricWrapperBase)}
    assert {name for name in names if not re.search(rf"\b{name}\b", sources)} == set()

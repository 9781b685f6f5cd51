"""Writes docs/reference/metrics.md from the one file of metrics."""

from pathlib import Path
from typing import Final

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from docmill.ops.exposition import SERVED
from docmill.ops.metrics import LABELS, catalogue

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md"
HEAD: Final = """# Metrics

Generated from `docmill.ops.metrics`, the one list of names. Every service serves its own at
`/metrics` on its health port. Values are in base units (seconds, bytes); no label ever holds a
tenant, a document or an address.
"""
KINDS: Final = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}


def page() -> str:
    """Return the reference."""
    rows = "".join(_row(metric) for metric in catalogue())
    labels = "".join(f"| `{name}` | {_values(name)} |\n" for name in LABELS)
    return (
        f"{HEAD}\n| metric | kind | labels | served by | meaning |\n|---|---|---|---|---|\n{rows}"
        f"\n## Labels\n\nA label means the same on every metric.\n\n"
        f"| label | values |\n|---|---|\n{labels}"
    )


def _row(metric: MetricWrapperBase) -> str:
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001 - the client has no public way to ask
    meaning = metric._documentation  # noqa: SLF001 - the same
    cells = f"`{scraped_name(metric)}`", KINDS[type(metric)], labels, _servers(metric), meaning
    return f"| {' | '.join(cells)} |\n"


def scraped_name(metric: MetricWrapperBase) -> str:
    """Return the metric's name as Prometheus stores it; a histogram's without its suffixes."""
    name: str = metric._name + ("_total" if isinstance(metric, Counter) else "")  # noqa: SLF001 - the same
    return name


def _servers(metric: MetricWrapperBase) -> str:
    names = [name for name, served in SERVED.items() if metric in served]
    return "all" if len(names) == len(SERVED) else ", ".join(names)


def _values(label: str) -> str:
    values = LABELS[label]
    if isinstance(values, str):
        return values
    return ", ".join(f"`{value!s}`" for value in values)


def main() -> None:
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())


if __name__ == "__main__":
    main()

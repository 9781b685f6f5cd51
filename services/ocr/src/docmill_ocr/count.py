"""Counts what the recognise stage tells of its pages, in the worker's own process."""

from collections.abc import Mapping
from typing import Any, Final

from docmill.domain.task import Stage
from docmill.domain.words import Strategy
from docmill.ops import metrics

MOST_WORDS: Final = 1_000_000  # of one page


def count(stage: Stage, facts: Mapping[str, Any]) -> None:
    """Count a page; a child may tell anything, so what is not as it should be is left out."""
    if stage is not Stage.RECOGNISE:
        return
    if facts.get("strategy") in tuple(Strategy):  # no set: a child's list has no hash
        metrics.OCR_PAGES.labels(facts["strategy"]).inc()
    words, confidence = facts.get("words"), facts.get("confidence")
    if isinstance(words, int) and 0 <= words <= MOST_WORDS:
        metrics.OCR_WORDS.inc(words)
    if isinstance(confidence, int | float) and 0 <= confidence <= 100:  # noqa: PLR2004 - percent
        metrics.OCR_CONFIDENCE.observe(confidence / 100)

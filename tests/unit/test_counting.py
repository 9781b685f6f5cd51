from typing import Any

import pytest
from prometheus_client import REGISTRY

from docmill.domain.errors import StoreDown
from docmill.domain.plan import Plan, PlannedPage, Source
from docmill.domain.rejection import PageUnreadable
from docmill.domain.task import Stage
from docmill.work.failure import ChildCrashed, known_code
from docmill_ocr.count import count as count_page
from docmill_validator.count import count as count_plan


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def test_a_recognised_page_counts_by_strategy_with_words_and_confidence() -> None:
    pages = value("docmill_ocr_pages_total", strategy="turned")
    words = value("docmill_ocr_words_total")
    sure = value("docmill_ocr_confidence_ratio_sum")
    count_page(Stage.RECOGNISE, {"strategy": "turned", "words": 7, "confidence": 80.0})
    assert value("docmill_ocr_pages_total", strategy="turned") == pages + 1
    assert value("docmill_ocr_words_total") == words + 7
    assert value("docmill_ocr_confidence_ratio_sum") == pytest.approx(sure + 0.8)


def test_a_page_without_words_says_nothing_of_confidence() -> None:
    before = value("docmill_ocr_confidence_ratio_count")
    count_page(Stage.RECOGNISE, {"strategy": "blank", "words": 0, "confidence": None})
    assert value("docmill_ocr_confidence_ratio_count") == before


def test_assembling_is_no_page() -> None:
    before = value("docmill_ocr_pages_total", strategy="plain")
    count_page(Stage.ASSEMBLE, {"strategy": "plain"})
    assert value("docmill_ocr_pages_total", strategy="plain") == before


@pytest.mark.parametrize(
    "facts",
    [
        {"strategy": ["plain"], "words": 10**400, "confidence": float("nan")},
        {"strategy": "evil", "words": -1, "confidence": "high"},
        {"strategy": None, "words": {}, "confidence": 10**400},
        {},
    ],
)
def test_whatever_a_child_tells_neither_raises_nor_counts(facts: dict[str, Any]) -> None:
    names = ("docmill_ocr_words_total", "docmill_ocr_confidence_ratio_count")
    before = [value(name) for name in names]
    count_page(Stage.RECOGNISE, facts)
    assert [value(name) for name in names] == before
    assert value("docmill_ocr_pages_total", strategy="evil") == 0


def test_a_plan_counts_its_pages_by_source() -> None:
    def page(number: int, source: Source) -> PlannedPage:
        return PlannedPage(
            number=number, source=source, reason="scan", width=1, height=1, unit="px"
        )

    before = value("docmill_pages_planned_total", source="recognise")
    pages = (page(1, Source.TEXT), page(2, Source.RECOGNISE), page(3, Source.RECOGNISE))
    plan = Plan(media_type="application/pdf", total_pages=3, pages=pages)
    count_plan(Stage.VALIDATE, {"plan": plan.as_json()})
    assert value("docmill_pages_planned_total", source="recognise") == before + 2


@pytest.mark.parametrize("facts", [{}, {"plan": None}, {"plan": {"pages": [{"number": 1}]}}])
def test_a_plan_that_is_none_is_left_to_the_commit(facts: dict[str, Any]) -> None:
    count_plan(Stage.VALIDATE, facts)


@pytest.mark.parametrize(
    "code", [StoreDown.code, ChildCrashed.code, PageUnreadable.code, "internal"]
)
def test_a_code_of_the_catalogue_is_counted_by_its_name(code: str) -> None:
    assert known_code(code) == code


def test_a_code_that_a_child_made_up_is_counted_as_other() -> None:
    assert known_code("tenant-4711-was-here") == "other"

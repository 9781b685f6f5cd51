"""What the quality of reading is measured with: scores, and pages that stay the same."""

import pytest

from docmill.testing.degradation import DEGRADATIONS
from docmill.testing.scoring import error_rate, order_error, scored, word_f1
from docmill.testing.specimen import CLEAN, Part, specimen
from loadtests.quality.__main__ import verdict
from loadtests.quality.arms import BARE, OURS, PLAIN
from loadtests.quality.table import Mean


def test_an_error_is_a_letter_too_many_too_few_or_changed() -> None:
    assert error_rate("kitten", "sitting") == pytest.approx(3 / 7)
    assert error_rate("a\n\n b", "a b") == 0
    assert error_rate("", "four") == 1
    assert error_rate("four", "") == 4


def test_spaces_count_in_one_rate_and_not_in_the_other() -> None:
    score = scored("so me", "some")
    assert (score.cer, score.cer_without_spaces) == (0.25, 0.0)


def test_words_count_wherever_they_stand_and_as_often_as_they_do() -> None:
    assert word_f1(["b", "a"], ["a", "b"]) == 1
    assert word_f1(["a", "a", "a"], ["a", "b"]) == pytest.approx(0.4)


def test_columns_read_in_the_wrong_order_are_an_error_of_order_alone() -> None:
    assert order_error(["c", "d", "a", "b"], ["a", "b", "c", "d"]) == pytest.approx(4 / 6)
    assert order_error(["a", "b", "c", "d"], ["a", "b", "c", "d"]) == 0


@pytest.mark.parametrize("kind", DEGRADATIONS)
def test_a_specimen_is_the_same_page_every_time(kind: str) -> None:
    first, again = (specimen(Part.TUNING, kind, DEGRADATIONS[kind], 1) for _ in range(2))
    assert first.pixels.tobytes() == again.pixels.tobytes()
    assert first.text == again.text


def mean(cer: float, seconds: float = 1.0) -> Mean:
    return Mean(cer=cer, cer_without_spaces=cer, word_f1=1 - cer, order_error=0.0, seconds=seconds)


def by_arm(bare: float, plain: float, ours: float, seconds: float = 1.0) -> dict[str, Mean]:
    return {BARE: mean(bare), PLAIN: mean(plain), OURS: mean(ours, seconds)}


GOOD = {CLEAN: by_arm(0.01, 0.01, 0.01), "all degraded": by_arm(0.3, 0.3, 0.01, 1.2)}


def test_every_target_is_met_by_figures_within_their_bounds() -> None:
    scans = {"linn.png": by_arm(0.01, 0.01, 0.01), "skew.pdf": by_arm(0.4, 0.2, 0.02)}
    assert not list(verdict(GOOD, scans))


@pytest.mark.parametrize(
    ("kinds", "scans", "told"),
    [
        ({CLEAN: by_arm(0.02, 0.01, 0.013)}, {}, "clean: 0.0130 is worse than one pass"),
        ({"blur": by_arm(0.01, 0.2, 0.013)}, {}, "blur: 0.0130 is worse than tesseract"),
        ({"all degraded": by_arm(0.3, 0.3, 0.04)}, {}, "mean CER 0.0400 is over 0.03"),
        ({"all degraded": by_arm(0.2, 0.3, 0.01)}, {}, "the pages are not what they should be"),
        ({"all degraded": by_arm(0.3, 0.3, 0.01, 1.4)}, {}, "processor time 1.40"),
        ({}, {"linn.png": by_arm(0.01, 0.01, 0.02)}, "linn.png: 0.0200 is worse"),
        (
            {},
            {"linn.png": by_arm(0.01, 0.1, 0.01), "cardinal.pdf 3": by_arm(0.5, 0.5, 0.04)},
            "variants of linn.txt: 0.0100 to 0.0400",
        ),
    ],
)
def test_a_target_that_is_missed_is_told(
    kinds: dict[str, dict[str, Mean]], scans: dict[str, dict[str, Mean]], told: str
) -> None:
    assert any(line.startswith(told) for line in verdict(GOOD | kinds, scans))

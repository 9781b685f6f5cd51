"""What the quality of reading is measured with: scores, and pages that stay the same."""

import pytest

from docmill.testing.degradation import DEGRADATIONS
from docmill.testing.scoring import error_rate, order_error, scored, word_f1
from docmill.testing.specimen import Part, specimen


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

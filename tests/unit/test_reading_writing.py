from collections.abc import Sequence

import pytest

from docmill.domain.words import Word
from docmill.domain.writing import has_leftward, line_text, right_to_left
from docmill_ocr import script
from docmill_ocr.layered import visual


def line(*words: tuple[str, float, float]) -> list[Word]:
    """Return the words of a line 40 high, each from one place to another."""
    return [Word(text, (left, 0, right, 40), 90, 0, 0, 0) for text, left, right in words]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (line(("one", 0, 60), ("two", 62, 120)), "one two"),
        (line(("图", 64, 122), ("书馆", 121, 221), ("。", 225, 237)), "图书馆。"),
        (line(("ノート", 0, 120), ("に", 124, 160)), "ノートに"),
        (line(("漢字", 0, 80), ("😀", 84, 120)), "漢字 😀"),
        (line(("每", 0, 25), ("天", 50, 75)), "每天"),
        (line(("姓名", 0, 80), ("地址", 140, 220)), "姓名 地址"),  # columns of a form
        (line(("한국", 0, 80), ("사람", 84, 160)), "한국 사람"),
        (line(("第", 0, 40), ("2024", 42, 120), ("年", 122, 160)), "第 2024 年"),
        (line(("שלום", 60, 120), ("עולם", 0, 58)), "שלום עולם"),
        ([], ""),
    ],
    ids=[
        "latin",
        "chinese",
        "japanese",
        "picture",
        "narrow",
        "apart",
        "korean",
        "numbers",
        "hebrew",
        "nothing",
    ],
)
def test_words_stand_apart_as_their_script_has_it(words: Sequence[Word], text: str) -> None:
    assert line_text(words) == text


def test_a_column_of_characters_has_no_spaces_either() -> None:
    column = [Word(text, (0, at, 40, at + 38), 90, 0, 0, 0) for text, at in (("図", 0), ("書", 40))]
    assert line_text(column) == "図書"


def test_what_a_file_has_apart_stays_apart() -> None:
    own = [Word(text, (at, 0, at + 40, 40), 100, 0, 0, 0) for text, at in (("图", 0), ("书", 60))]
    assert line_text(own) == "图 书"


@pytest.mark.parametrize(
    ("text", "left"),
    [("שלום", True), ("القراءة", True), ("2024 שנה", True), ("one", False), ("12", False)],
)
def test_the_first_letter_tells_the_direction(text: str, left: bool) -> None:
    assert right_to_left(text) is left


@pytest.mark.parametrize(
    ("text", "some"),
    [
        ("“one”", False),
        ("€5–6", False),
        ("ﬁne", False),  # after the Hebrew and among the Arabic ligatures
        ("•", False),
        ("图书", False),
        ("हिन्दी", False),
        ("", False),
        ("ב-2024", True),
        ("one-שלום", True),
        ("ﻻ", True),
        ("٢٠٢٤", True),  # digits, in the order of Arabic words
    ],
)
def test_a_letter_of_another_direction_is_told_from_signs_beyond_latin(
    text: str, some: bool
) -> None:
    assert has_leftward(text) is some


@pytest.mark.parametrize(
    ("read", "seen"),
    [("one", "one"), ("שלום", "םולש"), ("ב-2024", "2024-ב"), ("ל12:30", "12:30ל")],
)
def test_numbers_in_a_word_that_runs_to_the_left_do_not(read: str, seen: str) -> None:
    assert visual(read) == seen


# ── data packs ───────────────────────────────────────────────────────────────────────────────────
INSTALLED = ("ara", "chi_sim", "chi_tra", "deu", "eng", "fra", "ita", "jpn", "jpn_vert", "rus")


@pytest.mark.parametrize(
    ("told", "named", "packs"),
    [
        ("Arabic", (), ("ara",)),
        ("Han", (), ("chi_sim", "chi_tra")),
        ("Japanese", (), ("jpn",)),
        ("Latin", (), ("eng", "deu", "fra")),  # the default first, and not all there are
        ("Latin", ("fra", "ara"), ("fra",)),
        ("Arabic", ("fra", "ara"), ("ara",)),
        ("Cyrillic", ("fra", "ara"), ("rus",)),
        ("Thai", ("fra",), ("fra",)),  # nothing reads it
        ("Thai", (), ("eng",)),
        ("", ("fra", "ara"), ("fra", "ara")),
        ("", (), ("eng",)),
    ],
)
def test_a_page_is_read_with_what_reads_its_script(
    told: str, named: tuple[str, ...], packs: tuple[str, ...]
) -> None:
    assert script.packs(told, named, INSTALLED) == packs


def test_a_pack_for_a_whole_script_reads_it_alone() -> None:
    assert script.packs("Han", (), (*INSTALLED, "HanS")) == ("HanS",)
    assert script.packs("Arabic", (), (*INSTALLED, "Arabic")) == ("Arabic",)


@pytest.mark.parametrize(
    ("told", "named", "packs"),
    [
        ("Latin", (), ("script/Latin",)),
        ("Han", (), ("script/HanS",)),
        ("Arabic", (), ("Arabic",)),  # once, though it is there twice
        ("Arabic", ("fra", "script/Arabic"), ("script/Arabic",)),
        ("Latin", ("script/Arabic", "fra"), ("fra",)),
    ],
)
def test_it_may_lie_in_the_folder_of_such_packs(
    told: str, named: tuple[str, ...], packs: tuple[str, ...]
) -> None:
    there = ("Arabic", "script/Arabic", "script/HanS", "script/HanS_vert", "script/Latin")
    assert script.packs(told, named, (*INSTALLED, *there)) == packs


@pytest.mark.parametrize(
    ("languages", "dense"),
    [
        (("eng", "rus"), False),
        (("eng", "jpn_vert"), True),
        (("HanS",), True),
        (("Latin",), False),
        (("script/Arabic",), True),
        (("script/HanT_vert",), True),
        (("script/Vietnamese",), False),
    ],
)
def test_some_scripts_need_more_pixels(languages: tuple[str, ...], dense: bool) -> None:
    assert script.dense(languages) is dense

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from shutil import copyfile
from types import SimpleNamespace

import numpy as np
import pytest
import tesserocr
from PIL import Image

from docmill.adapters.image import Pixels
from docmill.domain.rejection import UnknownLanguage
from docmill.domain.words import Word
from docmill.testing import documents, writing
from docmill.testing.pictures import Sheet, printed
from docmill_ocr import tessdata, tesserocr_engine, tsv
from docmill_ocr.engine import Engine, Recogniser
from docmill_ocr.pytesseract_engine import PytesseractEngine
from docmill_ocr.rapidocr_engine import RapidocrEngine
from docmill_ocr.tesserocr_engine import TesserocrEngine

ENGLISH = ("eng",)
TEXT = " ".join(documents.page_text(1, 2)).split()
TYPOGRAPHY = (
    "“Quotes” and ‘single’ ones — dashes – of both kinds • a bullet, €20 and £5, it’s © 2024… "
)


@pytest.fixture(scope="module")
def page() -> Pixels:
    return np.asarray(documents.page_image(1, count=2))


def found_without_table(api: tesserocr.PyTessBaseAPI) -> list[Word]:
    def refuse(_page: int) -> str:
        raise AssertionError("the table was asked for")

    return tesserocr_engine.found(SimpleNamespace(GetIterator=api.GetIterator, GetTSVText=refuse))


def texts(words: Sequence[Word]) -> list[str]:
    return [word.text for word in words]


class RecogniserContract:
    outside = 0.01  # the share of the ink that may lie outside of the words' boxes

    def test_it_reads_the_words_in_order(self, engine: Recogniser, page: Pixels) -> None:
        read = texts(engine.recognise(page, ENGLISH, 200))
        assert SequenceMatcher(None, read, TEXT, autojunk=False).ratio() > 0.98

    def test_one_block_is_read_the_same_where_it_is_one(self, engine: Recogniser) -> None:
        lines = np.asarray(printed([documents.dense_text(1, 500)], Sheet(dpi=200, points=10.5)))
        block = engine.recognise(lines, ENGLISH, 200, one_block=True)
        assert texts(block) == texts(engine.recognise(lines, ENGLISH, 200))
        assert {word.block for word in block} == {0}

    def test_boxes_lie_around_the_ink(self, engine: Recogniser, page: Pixels) -> None:
        words = engine.recognise(page, ENGLISH, 200)
        outside = page.copy()
        for left, top, right, bottom in (map(int, word.box) for word in words):
            assert page[top:bottom, left:right].min() < 100
            outside[top:bottom, left:right] = 255
        assert (outside < 100).sum() < self.outside * (page < 100).sum()

    def test_confidences_are_percentages(self, engine: Recogniser, page: Pixels) -> None:
        found = [word.confidence for word in engine.recognise(page, ENGLISH, 200)]
        assert min(found) >= 0
        assert 85 < sum(found) / len(found) <= 100

    def test_lines_and_paragraphs_count_from_0_without_gaps(
        self, engine: Recogniser, page: Pixels
    ) -> None:
        words = engine.recognise(page, ENGLISH, 200)
        for numbers in ([w.block for w in words], [w.paragraph for w in words]):
            assert sorted(set(numbers)) == list(range(max(numbers) + 1))
        lines = [word.line for word in words]
        assert lines == sorted(lines)
        assert lines[-1] > 5

    def test_the_same_picture_gives_the_same_words_whatever_came_before(
        self, engine: Recogniser, page: Pixels
    ) -> None:
        first = engine.recognise(page, ENGLISH, 200)
        engine.recognise(np.asarray(documents.page_image(2, count=1)), ENGLISH, 0)
        assert engine.recognise(page, ENGLISH, 200) == first

    @pytest.mark.parametrize("shape", [(400, 300), (5, 400), (1, 1)])
    def test_paper_without_ink_has_no_words(
        self, engine: Recogniser, shape: tuple[int, int]
    ) -> None:
        assert engine.recognise(np.full(shape, 255, np.uint8), ENGLISH, 0) == []

    def test_languages_are_those_installed(self, engine: Recogniser) -> None:
        assert "eng" in engine.languages
        assert "osd" not in engine.languages
        assert list(engine.languages) == sorted(engine.languages)

    def test_an_unknown_language_is_named(self, engine: Recogniser, page: Pixels) -> None:
        with pytest.raises(UnknownLanguage, match="tlh"):
            engine.recognise(page, ("eng", "tlh"), 200)

    def test_its_name_says_which_build_it_is(self, engine: Recogniser) -> None:
        assert any(part[0].isdigit() for part in engine.name.split())

    def test_its_model_has_a_version(self, engine: Recogniser) -> None:
        before = engine.model("eng")
        engine.warm(ENGLISH)
        assert engine.model("eng") == before
        assert any(sign.isdigit() for sign in before)
        with pytest.raises(UnknownLanguage, match="tlh"):
            engine.model("tlh")


class EngineContract(RecogniserContract):
    @pytest.mark.parametrize("turn", [0, 90, 180, 270])
    def test_it_says_how_to_turn_a_page_upright(
        self, engine: Engine, page: Pixels, turn: int
    ) -> None:
        lying = np.ascontiguousarray(np.rot90(page, turn // 90))  # counter-clockwise
        assert engine.upright(lying) == turn

    def test_a_page_without_text_is_left_as_it_lies(self, engine: Engine) -> None:
        assert engine.upright(np.full((400, 300), 255, np.uint8)) == 0

    @pytest.mark.parametrize("turn", [0, 90, 180, 270])
    def test_it_tells_the_script_however_the_page_lies(self, engine: Engine, turn: int) -> None:
        page = np.asarray(writing.page(writing.HEBREW))
        assert engine.script(np.ascontiguousarray(np.rot90(page, turn // 90))) == "Hebrew"

    @pytest.mark.parametrize("shape", [(400, 300), (5, 400), (1, 1)])
    def test_paper_without_ink_has_no_script(self, engine: Engine, shape: tuple[int, int]) -> None:
        assert engine.script(np.full(shape, 255, np.uint8)) == ""


@pytest.mark.parametrize("make", [TesserocrEngine, PytesseractEngine])
def test_a_pack_for_a_whole_script_may_lie_in_a_folder_of_its_own(
    make: Callable[[Path], Engine], tmp_path: Path
) -> None:
    pack = tmp_path / "script" / "Hebrew.traineddata"
    pack.parent.mkdir()
    copyfile(tessdata.find() / "heb.traineddata", pack)
    engine = make(tmp_path)
    assert engine.languages == ("script/Hebrew",)
    page = np.asarray(writing.page(writing.HEBREW))
    plain = make(tessdata.find()).recognise(page, ("heb",), 200)
    assert engine.recognise(page, engine.languages, 200) == plain
    assert engine.model("script/Hebrew") == tessdata.digest(tessdata.find(), "heb")


class TestTesserocr(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return TesserocrEngine(tessdata.find())

    def test_sets_of_languages_do_not_pile_up(self, page: Pixels) -> None:
        engine = TesserocrEngine(tessdata.find())
        first = engine.recognise(page, ENGLISH, 200)
        for languages in (("fra",), ("eng", "fra"), ("fra", "eng")):
            engine.warm(languages)
        assert engine.loaded == 3
        assert engine.recognise(page, ENGLISH, 200) == first

    @pytest.mark.parametrize(
        ("make", "language"),
        [
            (lambda: documents.page_image(1, count=2), "eng"),
            (lambda: printed([TYPOGRAPHY], Sheet(dpi=200, points=12)), "eng"),
            (lambda: writing.page(writing.CHINESE), "chi_sim"),
            (lambda: writing.page(writing.JAPANESE), "jpn"),
        ],
        ids=["plain", "typography", "chinese", "japanese"],
    )
    def test_its_words_are_those_of_its_table_without_asking_for_it(
        self, make: Callable[[], Image.Image], language: str
    ) -> None:
        page = np.asarray(make().convert("L"))
        with tesserocr.PyTessBaseAPI(path=str(tessdata.find()), lang=language) as api:
            height, width = page.shape
            api.SetImageBytes(page.tobytes(), width, height, 1, width)
            api.Recognize()
            table = tsv.words(api.GetTSVText(0))
            assert found_without_table(api) == table
        assert len(table) > 8
        assert TesserocrEngine(tessdata.find()).recognise(page, (language,), 0) == table

    def test_words_that_run_to_the_left_are_spelled_by_the_table(self) -> None:
        word = "\u05e9\u05dc\u05d5\u05dd"
        iterator = SimpleNamespace(
            GetUTF8Text=lambda _level: word[::-1],
            BoundingBox=lambda _level: (10, 20, 40, 30),
            Confidence=lambda _level: 91.0,
            IsAtBeginningOf=lambda _level: True,
            Empty=lambda _level: False,
            Next=lambda _level: False,
        )
        row = f"5\t1\t1\t1\t1\t1\t10\t20\t30\t10\t91\t{word}"
        api = SimpleNamespace(GetIterator=lambda: iterator, GetTSVText=lambda _page: row)
        assert tesserocr_engine.found(api) == [Word(word, (10.0, 20.0, 40.0, 30.0), 91.0, 0, 0, 0)]


class TestPytesseract(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Engine:
        return PytesseractEngine(tessdata.find())


class TestRapidocr(RecogniserContract):
    outside = 0.2  # it tells the boxes of lines, which their words share by their characters

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Recogniser:
        return RapidocrEngine()

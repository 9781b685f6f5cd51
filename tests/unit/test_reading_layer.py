from dataclasses import replace

import pytest

from docmill.adapters.pdf import Contents, Picture
from docmill.adapters.pdf_text import Layer
from docmill.domain.plan import OCR_LAYER, Source
from docmill.domain.words import Word
from docmill.testing.passage import prose
from docmill_validator import layer

A4 = (595.0, 842.0)
ENGLISH = prose(seed=1, characters=1500)
FULL_SCAN = Picture(1654, 2338, (0, 0, 595, 842))
LOGO = Picture(400, 400, (60, 60, 160, 160))
FIGURE = Picture(800, 600, (60, 60, 535, 480))


def text_layer(text: str, unmapped: int = 0) -> Layer:
    boxes = [(60.0, 60.0, 100.0, 72.0)] * len(text.split())
    words = tuple(
        Word(word, box, 100.0, 0, 0, 0) for word, box in zip(text.split(), boxes, strict=True)
    )
    return Layer(words, sum(len(word.text) for word in words), unmapped)


def page(*pictures: Picture, texts: int = 1, hidden: int = 0, paths: int = 0) -> Contents:
    return Contents(pictures=pictures, texts=texts, hidden=hidden, paths=paths, annotations=0)


@pytest.mark.parametrize(
    ("text", "contents", "source", "reason"),
    [
        (ENGLISH, page(), Source.TEXT, layer.TEXT_LAYER),
        (ENGLISH, page(LOGO), Source.TEXT, layer.TEXT_LAYER),
        (ENGLISH, page(FIGURE), Source.MIXED, layer.TEXT_AND_IMAGE),
        (ENGLISH, page(FIGURE, hidden=1), Source.TEXT, layer.TEXT_LAYER),
        (ENGLISH, page(FULL_SCAN, hidden=1), Source.TEXT, OCR_LAYER),
        (ENGLISH, page(FULL_SCAN), Source.MIXED, layer.TEXT_AND_IMAGE),
        (ENGLISH[:60], page(FULL_SCAN, hidden=1), Source.RECOGNISE, layer.IMAGE_COVERS_PAGE),
        (ENGLISH[:60], page(FIGURE, hidden=1), Source.RECOGNISE, layer.THIN_TEXT_LAYER),
        (ENGLISH[:60], page(hidden=1), Source.TEXT, layer.TEXT_LAYER),
        ("", page(texts=0), Source.TEXT, layer.EMPTY_PAGE),
        ("", page(FULL_SCAN, texts=0), Source.RECOGNISE, layer.NO_TEXT_LAYER),
        ("", page(texts=0, paths=300), Source.RECOGNISE, layer.NO_TEXT_LAYER),
        ("Copy 3 of 3", page(FULL_SCAN), Source.MIXED, layer.TEXT_AND_IMAGE),
        ("Figure 7", page(FIGURE), Source.MIXED, layer.TEXT_AND_IMAGE),
        ("Title", page(paths=200), Source.MIXED, layer.THIN_TEXT_LAYER),
        ("Title page", page(), Source.TEXT, layer.TEXT_LAYER),
    ],
)
def test_a_text_layer_is_taken_where_it_says_what_the_page_shows(
    text: str, contents: Contents, source: Source, reason: str
) -> None:
    assert layer.judge(text_layer(text), contents, A4) == layer.Verdict(source, reason)


@pytest.mark.parametrize(
    ("contents", "source", "reason"),
    [
        (replace(page(texts=0), annotations=1), Source.TEXT, layer.TEXT_LAYER),
        (page(texts=0, paths=800), Source.MIXED, layer.THIN_TEXT_LAYER),
        (page(FULL_SCAN, texts=0), Source.MIXED, layer.TEXT_AND_IMAGE),
        (page(FULL_SCAN, hidden=1), Source.RECOGNISE, layer.IMAGE_COVERS_PAGE),
    ],
)
def test_a_remark_on_the_page_does_not_stand_for_its_text(
    contents: Contents, source: Source, reason: str
) -> None:
    remark = replace(text_layer(ENGLISH), characters=0)
    assert layer.judge(remark, contents, A4) == layer.Verdict(source, reason)


def test_strips_of_a_scan_cover_the_page_together() -> None:
    strips = [Picture(1654, 234, (0, top * 84.2, 595, top * 84.2 + 84.2)) for top in range(10)]
    assert layer.image_share(page(*strips), A4) == pytest.approx(1.0)


def shifted(text: str, by: int) -> str:
    return "".join(chr(max(33, ord(c) + by)) if c.isalpha() else c for c in text)


@pytest.mark.parametrize(
    "text",
    [
        '"7+%-',
        shifted(ENGLISH, -29),  # glyph numbers of a subset font
        "".join(chr(0xE000 + ord(c) % 90) if c.isalpha() else c for c in ENGLISH),
        "\N{REPLACEMENT CHARACTER}" * 40,
        "L’été, la forêt était à côté du château où l’élève préférait rêver".encode().decode(
            "latin-1"
        ),
        "Южный грач увёл мышь за хобот на съезд ящериц".encode().decode("cp1252", "ignore"),
    ],
    ids=["symbols", "glyph numbers", "private use", "replacement", "accents", "cyrillic"],
)
def test_garbage_is_not_believed(text: str) -> None:
    unmapped = sum(c == "\N{REPLACEMENT CHARACTER}" or 0xE000 <= ord(c) < 0xF900 for c in text)
    assert layer.garbage(text_layer(text, unmapped))


@pytest.mark.parametrize(
    "text",
    [
        ENGLISH,
        "Contents ............ 3\nThe harbour .............. 12",
        "1 234,50 17.03.2026 98 765 4321 DE89 3704 0044 0532 0130 00",
        "L’été, la forêt était à côté du château où l’élève préférait rêver",
        "Příliš žluťoučký kůň úpěl ďábelské ódy. " * 3,
        "Южно-эфиопский грач увёл мышь за хобот на съезд ящериц",
        "人之初性本善性相近習相遠",
        "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता",
    ],
    ids=["english", "leaders", "numbers", "french", "czech", "russian", "chinese", "hindi"],
)
def test_real_text_is_believed(text: str) -> None:
    assert not layer.garbage(text_layer(text))

"""Documents from other projects end as their list says; error rates are printed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from docmill.domain.document import ArtifactKind, Options
from docmill.domain.rejection import CorruptFile, EncryptedPdf, Rejection
from docmill.testing.scoring import error_rate
from docmill_ocr.recognise import Recognise
from tests.stack.reading import Mill, Read

FRENCH = Options(languages=("fra",))


@pytest.fixture
def read(
    tmp_path: Path, recogniser: Recognise, samples: Path
) -> Callable[[str, Options | None], Read]:
    mill = Mill(tmp_path, recogniser)

    def whole(name: str, options: Options | None = None) -> Read:
        done = mill.read(samples / name, options)
        made = mill.assemble(done)
        assert set(made) >= {ArtifactKind.TEXT, ArtifactKind.PDF}
        assert mill.thumbnails(samples / name)
        return done

    return whole


Reading = Callable[..., Read]


@pytest.mark.parametrize(
    ("name", "gold", "limit"),
    [
        ("linn.png", "linn.txt", 0.02),
        ("skew.pdf", "linn.txt", 0.02),
        ("cardinal.pdf", "linn.txt", 0.02),
        ("phototest.tif", "phototest.gold.txt", 0.002),
        ("phototest-rotated-180.png", "phototest.gold.txt", 0.002),
    ],
)
def test_every_page_is_read_as_its_gold_text(
    read: Reading, samples: Path, name: str, gold: str, limit: float
) -> None:
    done = read(name)
    for number in done.files:
        rate = error_rate(done.page(number).text, (samples / gold).read_text())
        print(f"{name} page {number}: error rate {rate:.4f}")  # noqa: T201 - part of the answer
        assert rate <= limit


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("3small.pdf", "Covfefe is a perfectly cromulent word."),
        ("acroform.pdf", "Covfefe is a perfectly cromulent word."),
        ("baiona_alpha.png", "Komunikabideak"),
        ("born-digital-multicolumn.pdf", "Lorem ipsum dolor sit amet"),
        ("c02-22.pdf", "tip-toeing along a path amongst"),
        ("multipage.pdf", "with a plain face, on the throne of England"),
        ("truetype_font_nomapping.pdf", "Phone"),
    ],
)
def test_what_is_printed_is_found(read: Reading, name: str, found: str) -> None:
    assert found in " ".join(read(name).text.split())


@pytest.mark.parametrize("name", ["blank.pdf", "no_contents.pdf", "no-text.tiff"])
def test_nothing_is_read_where_nothing_is_printed(read: Reading, name: str) -> None:
    assert read(name).text.strip() == ""


def test_a_french_page_keeps_its_accents_only_when_read_as_french(read: Reading) -> None:
    assert "à côté de l'alcôve" in " ".join(read("francais.pdf", FRENCH).text.split())
    assert "à côté" not in read("francais.pdf").text


def test_unequal_resolutions_keep_the_proportions(read: Reading) -> None:
    page = read("aspect.pdf").page()
    assert (page.width, page.height) == (360, 288)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("born-digital-multicolumn.pdf", "text_layer"),
        ("truetype_font_nomapping.pdf", "garbage_text_layer"),
        ("blank.pdf", "empty_page"),
        ("linn.png", "image"),
        ("skew.pdf", "no_text_layer"),
    ],
)
def test_the_plan_says_why_a_page_is_read_as_it_is(
    tmp_path: Path, recogniser: Recognise, samples: Path, name: str, reason: str
) -> None:
    plan = Mill(tmp_path, recogniser).validate(samples / name).facts["plan"]
    assert {page["reason"] for page in plan["pages"]} == {reason}


@pytest.mark.parametrize(
    ("name", "refusal"), [("encrypted.pdf", EncryptedPdf), ("invalid.pdf", CorruptFile)]
)
def test_what_cannot_be_read_is_refused(
    tmp_path: Path, recogniser: Recognise, samples: Path, name: str, refusal: type[Rejection]
) -> None:
    with pytest.raises(refusal):
        Mill(tmp_path, recogniser).validate(samples / name)

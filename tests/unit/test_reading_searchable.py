"""A searchable PDF comes of files whose pages are odd, too."""

from dataclasses import replace
from pathlib import Path

import pytest
from pikepdf import Array, Dictionary, Name, Object, Pdf, Stream, String

from docmill.adapters import pdf, pdf_text
from docmill.domain.plan import Source
from docmill.domain.words import PageText, Word
from docmill_ocr import searchable

WORD = Word(text="found", box=(10, 10, 60, 20), confidence=90.0, block=0, paragraph=0, line=0)
READ = PageText(
    number=1, width=200, height=100, unit="pt", source=Source.RECOGNISE, words=(WORD,), engine=""
)
ODD = [1, True, String("x"), Name.Foo, Array([1, None]), Dictionary()]


def write(tmp_path: Path, document: Pdf) -> Path:
    source, target = tmp_path / "source.pdf", tmp_path / "target.pdf"
    document.save(source)
    searchable.write(source, [1], lambda _: READ, target, outdated={1})
    return target


def text(path: Path) -> list[str]:
    with pdf.opened(path) as document, pdf.page(document, 1) as sheet:
        return [word.text for word in pdf_text.read(document, sheet).words]


def one_page() -> Pdf:
    document = Pdf.new()
    document.add_blank_page(page_size=(200, 100))
    page = document.pages[0].obj
    form = Stream(document, b"", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 200, 100])
    page.Resources = Dictionary(Font=Dictionary(), XObject=Dictionary(Fm1=form))
    page.Contents = Stream(document, b"/Fm1 Do")
    return document


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("kind", ["Font", "XObject"])
def test_resources_of_no_sensible_type_lose_no_word(tmp_path: Path, kind: str, odd: Object) -> None:
    document = one_page()
    document.pages[0].obj.Resources[f"/{kind}"] = odd
    assert text(write(tmp_path, document)) == ["found"]


def test_words_of_an_earlier_run_stay_what_they_are(tmp_path: Path) -> None:
    source, target = tmp_path / "source.pdf", tmp_path / "target.pdf"
    one_page().save(source)
    for shown, box in (("found", (10, 10, 60, 20)), ("other", (10, 50, 60, 60))):
        reads = {1: replace(READ, words=(replace(WORD, text=shown, box=box),))}
        searchable.write(source, [1], reads.__getitem__, target)
        target.rename(source)
    assert sorted(text(source)) == ["found", "other"]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("key", ["Contents", "Resources", "CropBox", "Rotate"])
def test_pages_of_no_sensible_type_make_no_file_that_cannot_be_opened(
    tmp_path: Path, key: str, odd: Object
) -> None:
    document = one_page()
    document.pages[0].obj[f"/{key}"] = odd
    with pdf.opened(write(tmp_path, document)) as made:
        assert len(made) == 1

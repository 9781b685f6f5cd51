from collections.abc import Callable, Iterator, Mapping
from io import BytesIO

import pypdfium2 as pdfium
import pytest
from pikepdf import Array, Dictionary, Name, Object, Page, Pdf, Stream

from docmill_ocr import unseen

DRAWN = (
    b"0.5 g 20 20 60 30 re f % a box\nq 5 0 0 5 99 20 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \x7f EI Q\n"
)
HIDDEN = b"BT /F1 12 Tf 3 Tr 20 80 Td (under) Tj T* [(it) -20 (all)] TJ (next) ' 1 2 (last) \" ET\n"
TEXT = b"BT /F1 12 Tf 20 120 Td (over) Tj ET\n"

Make = Callable[[Pdf], Page]


@pytest.fixture
def document() -> Iterator[Pdf]:
    with Pdf.new() as made:
        yield made


def fonts() -> Dictionary:
    return Dictionary(F1=Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica))


def named(forms: Mapping[str, Object]) -> Dictionary:
    return Dictionary({f"/{name}": form for name, form in forms.items()})


def page(document: Pdf, content: bytes, **forms: Object) -> Page:
    made = document.add_blank_page(page_size=(200, 200))
    made.Contents = Stream(document, content)
    made.Resources = Dictionary(Font=fonts(), XObject=named(forms))
    return made


def form(document: Pdf, content: bytes, **forms: Object) -> Stream:
    made = Stream(document, content, Type=Name.XObject, Subtype=Name.Form)
    made.BBox = Array([0, 0, 200, 200])
    made.Resources = Dictionary(Font=fonts(), XObject=named(forms))
    return made


def saved(document: Pdf) -> bytes:
    file = BytesIO()
    document.save(file, deterministic_id=True)
    return file.getvalue()


def seen(document: Pdf, number: int = 1) -> tuple[bytes, str]:
    """Return how a page looks, and its text."""
    with pdfium.PdfDocument(saved(document)) as drawn:
        sheet = drawn[number - 1]
        return bytes(sheet.render(scale=2).to_numpy()), sheet.get_textpage().get_text_bounded()


def test_what_is_no_text_stays_byte_for_byte(document: Pdf) -> None:
    made = page(document, DRAWN + b"q " + HIDDEN + b"Q " + DRAWN)
    unseen.take_out(document, made)
    left = b"BT /F1 12 Tf 3 Tr 20 80 Td T* ET\n"
    assert made.Contents.read_bytes() == DRAWN + b"q " + left + b"Q " + DRAWN


def in_the_content(document: Pdf) -> Page:
    return page(document, DRAWN + HIDDEN)


def in_a_form(document: Pdf) -> Page:
    return page(document, b"q /Fm1 Do Q " + DRAWN, Fm1=form(document, DRAWN + HIDDEN))


def in_a_form_of_a_form(document: Pdf) -> Page:
    inner = form(document, TEXT + DRAWN)
    outer = form(document, b"3 Tr /Fm2 Do", Fm2=inner)
    return page(document, b"/Fm1 Do " + DRAWN, Fm1=outer)


def beside_an_empty_form(document: Pdf) -> Page:
    return page(document, b"/Fm1 Do " + DRAWN + HIDDEN, Fm1=form(document, b""))


@pytest.mark.parametrize(
    "make", [in_the_content, in_a_form, in_a_form_of_a_form, beside_an_empty_form]
)
def test_text_that_nobody_sees_goes_and_no_pixel_changes(document: Pdf, make: Make) -> None:
    made = make(document)
    before, text = seen(document)
    assert text
    unseen.take_out(document, made)
    assert seen(document) == (before, "")


def some_in_sight(document: Pdf) -> Page:
    return page(document, HIDDEN + b"0 Tr " + TEXT)


def the_mode_restored(document: Pdf) -> Page:
    return page(document, b"q 3 Tr Q " + TEXT)


def a_visible_form(document: Pdf) -> Page:
    return page(document, HIDDEN + b"0 Tr /Fm1 Do", Fm1=form(document, TEXT))


def a_form_in_two_modes(document: Pdf) -> Page:
    return page(document, b"3 Tr /Fm1 Do 0 Tr /Fm1 Do", Fm1=form(document, TEXT))


def a_form_that_draws_itself(document: Pdf) -> Page:
    made = form(document, HIDDEN + b"/Fm1 Do")
    made.Resources.XObject.Fm1 = made
    return page(document, b"/Fm1 Do", Fm1=made)


def a_type_3_font(document: Pdf) -> Page:
    made = page(document, HIDDEN)
    made.Resources.Font.F1 = Dictionary(Type=Name.Font, Subtype=Name.Type3)
    return made


def clipping(document: Pdf) -> Page:
    return page(document, HIDDEN + b"7 Tr " + TEXT + DRAWN)


@pytest.mark.parametrize(
    "make",
    [
        some_in_sight,
        the_mode_restored,
        a_visible_form,
        a_form_in_two_modes,
        a_form_that_draws_itself,
        a_type_3_font,
        clipping,
    ],
)
def test_a_page_with_text_that_may_be_seen_stays_as_it_is(document: Pdf, make: Make) -> None:
    made = make(document)
    before = saved(document)
    unseen.take_out(document, made)
    assert saved(document) == before


def test_a_form_keeps_its_text_on_other_pages(document: Pdf) -> None:
    shared = form(document, HIDDEN)
    made, _ = (page(document, b"/Fm1 Do", Fm1=shared) for _ in range(2))
    text = seen(document, 2)[1]
    unseen.take_out(document, made)
    assert [seen(document, number)[1] for number in (1, 2)] == ["", text]

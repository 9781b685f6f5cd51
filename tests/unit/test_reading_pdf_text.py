"""A page's own text is what a reader sees on it, in the order in which it is read."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from pikepdf import Array, Dictionary, Name, Object, Pdf, Stream, String

from docmill.adapters import pdf, pdf_text
from docmill.adapters.pdf_layers import Layers
from docmill.adapters.pdf_text import Layer
from docmill.domain.words import Word

SIZE: Final = (400, 200)  # points
UP, DOWN, OVER = "0 1 -1 0", "0 -1 1 0", "-1 0 0 -1"  # matrices of turned text


def page(content: str, **keys: object) -> Pdf:
    document = Pdf.new()
    document.add_blank_page(page_size=SIZE)
    made = document.pages[0].obj
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    made.Resources = Dictionary(Font=Dictionary(F1=font))
    made.Contents = Stream(document, content.encode())
    for name, value in keys.items():
        made[f"/{name}"] = value
    return document


def text(x: float, y: float, shown: str, turn: str = "1 0 0 1") -> str:
    return f"BT /F1 12 Tf {turn} {x} {y} Tm ({shown}) Tj ET\n"


def read(document: Pdf, folder: Path) -> Layer:
    path = folder / "document.pdf"
    document.save(path)
    with pdf.opened(path) as opened, pdf.page(opened, 1) as sheet:
        return pdf_text.read(opened, sheet, Layers(path))


def words(document: Pdf, folder: Path) -> Sequence[Word]:
    return read(document, folder).words


def lines(document: Pdf, folder: Path) -> list[str]:
    found: dict[int, list[str]] = {}
    for word in words(document, folder):
        found.setdefault(word.line, []).append(word.text)
    return [" ".join(each) for each in found.values()]


def test_what_the_edge_of_the_page_cuts_off_is_not_on_it(tmp_path: Path) -> None:
    spread = text(20, 100, "left page") + text(175, 60, "across") + text(250, 100, "right page")
    left = page(spread, CropBox=Array([0, 0, 200, 200]))
    assert " ".join(lines(left, tmp_path)) in {"left page acro", "left page acros"}
    right = page(spread, CropBox=Array([200, 0, 400, 200]))
    assert lines(right, tmp_path) == ["ss", "right page"]


def test_what_is_cut_off_speaks_neither_for_the_text_nor_against_it(tmp_path: Path) -> None:
    content = text(20, 100, "\001\002\003") + text(250, 100, "sound")
    layer = read(page(content, CropBox=Array([200, 0, 400, 200])), tmp_path)
    assert (layer.characters, layer.unmapped) == (5, 0)
    layer = read(page(content), tmp_path)
    assert layer.characters == 8
    assert layer.unmapped >= 3


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize(
    ("turn", "second"), [(UP, (120, 20)), (DOWN, (80, 170)), (OVER, (300, 115))]
)
def test_lines_that_run_another_way_stay_lines(
    tmp_path: Path, turn: str, second: tuple[int, int], rotate: int
) -> None:
    first = {UP: (100, 20), DOWN: (100, 170), OVER: (300, 100)}[turn]
    content = text(*first, "one line of it", turn) + text(*second, "and another", turn)
    document = page(text(20, 190, "upright text") + content, Rotate=rotate)
    assert lines(document, tmp_path) == ["upright text", "one line of it", "and another"]
    blocks = [word.block for word in words(document, tmp_path)]
    assert blocks[1] != blocks[2]
    if turn != OVER:  # its second line is above the first: the next column, for who reads it
        assert len(set(blocks)) == 2


@pytest.mark.parametrize(
    "shown",
    [
        "/F1 -12 Tf -1 0 0 -1 60 100 Tm (one two) Tj -60 0 Td (three) Tj",
        "-100 Tz /F1 -12 Tf 1 0 0 -1 20 100 Tm (one two) Tj 60 0 Td (three) Tj",
        "/F1 12 Tf 30 Tz 1 0 .36 1 20 100 Tm (one two) Tj 60 0 Td (three) Tj",
    ],
    ids=["negative size", "negative size and scale", "narrow and oblique"],
)
def test_upright_text_is_upright_however_it_is_written(tmp_path: Path, shown: str) -> None:
    found = words(page(f"BT {shown} ET"), tmp_path)
    assert {word.line for word in found} == {0}


def test_turned_lines_keep_the_order_of_the_file(tmp_path: Path) -> None:
    footer = text(380, 20, "a footer", OVER)
    body = "".join(text(380, 60 + 15 * row, f"line {row}", OVER) for row in range(4))
    shown = lines(page(footer + body), tmp_path)
    assert shown == ["a footer", *(f"line {row}" for row in range(4))]
    footer = text(300, 60, "a footer", UP)  # begins elsewhere
    body = "".join(text(100 + 15 * row, 20, f"line {row}", UP) for row in range(4))
    shown = lines(page(footer + body), tmp_path)
    assert shown == ["a footer", *(f"line {row}" for row in range(4))]


@pytest.mark.parametrize("rotate", [0, 180])
def test_the_words_of_a_line_upside_down_may_be_written_one_by_one(
    tmp_path: Path, rotate: int
) -> None:
    turn, step = (OVER, -60) if rotate == 0 else ("1 0 0 1", 60)
    rows = [(word, row) for row in range(2) for word in ("one", "two", "three", "four")]
    content = "".join(
        text(200 + step * (at % 4 - 1.5), 100 + (15 if turn == OVER else -15) * row, word, turn)
        for at, (word, row) in enumerate(rows)
    )
    assert lines(page(content, Rotate=rotate), tmp_path) == ["one two three four"] * 2


@pytest.mark.parametrize("degrees", [30, 45, 60, 135, 225, 300, 315])
def test_a_slanting_line_keeps_its_words_in_order(tmp_path: Path, degrees: int) -> None:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = f"{cos:.4f} {sin:.4f} {-sin:.4f} {cos:.4f}"
    found = words(page(text(200, 100, "not for the public", turn)), tmp_path)
    assert [word.text for word in found] == ["not", "for", "the", "public"]


def note(document: Pdf, **keys: Any) -> None:
    made = Dictionary(Type=Name.Annot, Rect=Array([100, 100, 300, 120]), **keys)
    document.pages[0].obj.Annots = Array([document.make_indirect(made)])


def field(document: Pdf, **keys: Any) -> None:
    note(document, Subtype=Name.Widget, FT=Name.Tx, T=String("f"), V=String("a value"), **keys)
    fields = Array([document.pages[0].obj.Annots[0]])
    document.Root.AcroForm = Dictionary(Fields=fields, DA=String("/Helv 0 Tf 0 g"))


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ({}, ["a value"]),
        ({"F": 4}, ["a value"]),  # printed as well
        ({"F": 2}, []),  # hidden
        ({"F": 32}, []),  # not on the screen
        ({"Ff": 1 << 13}, []),  # a password, shown as dots
    ],
)
def test_a_field_gives_what_it_shows(
    tmp_path: Path, keys: dict[str, int], shown: list[str]
) -> None:
    document = page("")
    field(document, **keys)
    assert lines(document, tmp_path) == shown


def test_what_was_typed_over_the_page_is_read(tmp_path: Path) -> None:
    document = page(text(20, 180, "the page"))
    note(document, Subtype=Name.FreeText, Contents=String("typed over it\rin two lines"))
    assert lines(document, tmp_path) == ["the page", "typed over it", "in two lines"]
    note(document, Subtype=Name.Text, Contents=String("a remark in the margin"))
    assert lines(document, tmp_path) == ["the page"]


def layered(names: dict[str, str], **default: Any) -> Pdf:
    """A page with a word in each layer; `names` are those of layers by what they are called."""
    shown = (text(20, 150 - 40 * row, each) for row, each in enumerate(names))
    document = page("".join(f"/OC /{each} BDC {next(shown)}EMC\n" for each in names))
    layers = {
        each: document.make_indirect(Dictionary(Type=Name.OCG, Name=String(name)))
        for each, name in names.items()
    }
    document.pages[0].obj.Resources.Properties = Dictionary({
        f"/{each}": layer for each, layer in layers.items()
    })
    default = {f"/{key}": Array([layers[each] for each in value]) for key, value in default.items()}
    groups = Array(list(layers.values()))
    document.Root.OCProperties = Dictionary(OCGs=groups, D=Dictionary(default))
    return document


@pytest.mark.parametrize(
    ("default", "shown"),
    [
        ({}, ["one", "two", "three"]),
        ({"OFF": ["two"]}, ["one", "three"]),
        ({"OFF": ["one"]}, ["one", "two", "three"]),  # another of its name is on
        ({"OFF": ["one", "three"]}, ["two"]),
    ],
)
def test_a_layer_that_is_off_is_not_read(
    tmp_path: Path, default: dict[str, list[str]], shown: list[str]
) -> None:
    document = layered({"one": "Common", "two": "Own", "three": "Common"}, **default)
    assert lines(document, tmp_path) == shown


def test_what_a_form_shows_is_in_the_layer_of_the_form(tmp_path: Path) -> None:
    document = layered({"one": "First", "two": "Second"}, OFF=["two"])
    made = document.pages[0].obj
    form = Stream(document, text(20, 20, "of the form").encode())
    form.Type, form.Subtype, form.BBox = Name.XObject, Name.Form, Array([0, 0, *SIZE])
    form.Resources = made.Resources
    made.Resources.XObject = Dictionary(X=document.make_indirect(form))
    made.Contents = Stream(document, b"/OC /two BDC /X Do EMC /OC /one BDC /X Do EMC")
    assert lines(document, tmp_path) == ["of the form"]
    made.Contents = Stream(document, b"/OC /two BDC q /X Do Q EMC")
    assert lines(document, tmp_path) == []


def test_what_belongs_to_layers_by_membership_is_read(tmp_path: Path) -> None:
    document = layered({"one": "", "two": "Second"}, OFF=["one"])
    properties = document.pages[0].obj.Resources.Properties
    properties.one = Dictionary(Type=Name.OCMD, OCGs=Array([properties.two]))
    assert lines(document, tmp_path) == ["one", "two"]


@pytest.mark.parametrize("name", ["中文", "Ünïcode", "dash – bullet •"])
def test_a_layer_may_have_any_name(tmp_path: Path, name: str) -> None:
    assert lines(layered({"one": "First", "two": name}, OFF=["two"]), tmp_path) == ["one"]


def test_what_is_seen_stays_where_the_same_is_unseen(tmp_path: Path) -> None:
    document = layered({"one": "First", "two": "Second"}, OFF=["one"])
    twice = text(20, 100, "Total 1.250,00")
    content = f"/OC /one BDC {twice}EMC /OC /two BDC {twice}EMC"
    document.pages[0].obj.Contents = Stream(document, content.encode())
    assert lines(document, tmp_path) == ["Total 1.250,00"]


@pytest.mark.parametrize(("state", "shown"), [(Name.ON, ["one", "two"]), (Name.OFF, ["one"])])
@pytest.mark.parametrize("default", [{}, {"OFF": ["two"]}])
def test_what_a_layer_says_of_the_screen_comes_first(
    tmp_path: Path, state: Name, shown: list[str], default: dict[str, list[str]]
) -> None:
    document = layered({"one": "First", "two": "Second"}, **default)
    view = Dictionary(View=Dictionary(ViewState=state))
    document.pages[0].obj.Resources.Properties.two.Usage = view
    assert lines(document, tmp_path) == shown


def test_odd_layers_do_not_show_the_others(tmp_path: Path) -> None:
    document = layered({"one": "First", "two": "Second"}, OFF=["two"])
    properties = document.Root.OCProperties
    nameless = document.make_indirect(Dictionary(Type=Name.OCG))
    properties.OCGs = Array([*properties.OCGs, None, 1, nameless])
    properties.D.OFF = Array([*properties.D.OFF, None, nameless])
    assert lines(document, tmp_path) == ["one"]


def test_layers_may_all_be_off_but_some(tmp_path: Path) -> None:
    document = layered({"one": "First", "two": "Second"}, ON=["two"])
    document.Root.OCProperties.D.BaseState = Name.OFF
    assert lines(document, tmp_path) == ["two"]


@pytest.mark.parametrize("odd", [1, Array([1]), Dictionary(), Dictionary(OCGs=Array([1, None]))])
def test_layers_of_no_sensible_type_hide_nothing(tmp_path: Path, odd: Object) -> None:
    document = layered({"one": "First"}, OFF=["one"])
    document.Root.OCProperties = odd
    assert lines(document, tmp_path) == ["one"]


@pytest.mark.parametrize("depth", [1, 6, 40])
def test_a_picture_is_seen_however_deep_it_lies(tmp_path: Path, depth: int) -> None:
    document = page("100 0 0 100 0 0 cm /X Do")
    kind = Dictionary(Type=Name.XObject, Subtype=Name.Image, Width=10, Height=10)
    kind.ColorSpace, kind.BitsPerComponent = Name.DeviceGray, 8
    inner: Object = Stream(document, bytes(100), kind)
    for _ in range(depth):
        outer = Stream(document, b"/X Do", Type=Name.XObject, Subtype=Name.Form)
        outer.BBox = Array([0, 0, 1, 1])
        outer.Resources = Dictionary(XObject=Dictionary(X=inner))
        inner = document.make_indirect(outer)
    document.pages[0].obj.Resources = Dictionary(XObject=Dictionary(X=inner))
    path = tmp_path / "document.pdf"
    document.save(path)
    with pdf.opened(path) as opened, pdf.page(opened, 1) as sheet:
        assert len(pdf.contents(sheet).pictures) == 1

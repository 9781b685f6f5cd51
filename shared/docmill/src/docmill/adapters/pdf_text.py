"""A PDF page's own text as words with boxes, and how far it can be believed."""

import ctypes
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Final

import pypdfium2 as pdfium
from pypdfium2 import raw

from docmill.adapters import pdf
from docmill.domain.words import Word
from docmill.domain.writing import right_to_left

Box = tuple[float, float, float, float]

MAX_CHARACTERS: Final = 200_000  # a page of small print holds 15,000
_HYPHEN_AT_LINE_END: Final = 2  # pdfium's stand-in
_WRITTEN_FIELDS: Final = frozenset({
    raw.FPDF_FORMFIELD_TEXTFIELD,
    raw.FPDF_FORMFIELD_COMBOBOX,
    raw.FPDF_FORMFIELD_LISTBOX,
})
_BAD_CATEGORIES: Final = frozenset({"Cc", "Co", "Cn", "Cs"})
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of characters without space between them, before lines are told apart."""

    text: str
    box: Box
    ends_line: bool


@dataclass(frozen=True, slots=True)
class Layer:
    """The text layer of a page: its words in reading order and what speaks against it."""

    words: tuple[Word, ...]
    characters: int  # that are not space
    unmapped: int  # of them: without a sure meaning


@dataclass(slots=True)
class _Run:
    text: str = ""
    box: Box | None = None

    def add(self, letter: str, box: Box) -> None:
        self.text += letter
        self.box = box if self.box is None else _union(self.box, box)


def _union(one: Box, other: Box) -> Box:
    return (
        min(one[0], other[0]),
        min(one[1], other[1]),
        max(one[2], other[2]),
        max(one[3], other[3]),
    )


def read(document: pdfium.PdfDocument, sheet: pdfium.PdfPage) -> Layer:
    """Read the page's text and the values of its form fields."""
    text = sheet.get_textpage()
    try:
        count = min(text.count_chars(), MAX_CHARACTERS)
        affine = pdf.shown(sheet)
        pieces = list(_pieces(text, count, affine))
        unmapped = sum(map(is_unmapped, "".join(piece.text for piece in pieces)))
        unmapped += sum(raw.FPDFText_HasUnicodeMapError(text.raw, i) == 1 for i in range(count))
    finally:
        text.close()
    fields = list(_fields(document, sheet, affine))
    return Layer(
        words=tuple(arranged(pieces, sheet.get_size(), fields)),
        characters=sum(len(piece.text) for piece in (*pieces, *fields)),
        unmapped=unmapped,
    )


def is_unmapped(letter: str) -> bool:
    """Whether a character stands for nothing: private, control, unassigned, replacement."""
    return letter == _REPLACEMENT or unicodedata.category(letter) in _BAD_CATEGORIES


def _pieces(text: Any, count: int, affine: pdf.Affine) -> Iterator[Piece]:
    run = _Run()
    for index in range(count):
        letter = _letter(text, index)
        if not letter.isspace():
            run.add(letter, _box(text, index, affine))
        # A word divided at the end of a line comes without a break: two pieces.
        if run.box and (letter.isspace() or _divides(text, index)):
            yield Piece(_whole(run.text), run.box, letter in "-\r\n")
            run = _Run()
    if run.box:
        yield Piece(_whole(run.text), run.box, ends_line=True)


def _divides(text: Any, index: int) -> bool:
    return bool(raw.FPDFText_GetUnicode(text.raw, index) == _HYPHEN_AT_LINE_END)


def _letter(text: Any, index: int) -> str:
    code = raw.FPDFText_GetUnicode(text.raw, index)
    return "-" if code == _HYPHEN_AT_LINE_END else chr(code)


def _whole(text: str) -> str:
    """Join surrogates that came as two characters; a lone one becomes a replacement."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _box(text: Any, index: int, affine: pdf.Affine) -> Box:
    left, bottom, right, top = text.get_charbox(index)
    if right - left <= 0 or top - bottom <= 0:  # glyphs without ink
        left, bottom, right, top = text.get_charbox(index, loose=True)
    return pdf.mapped(affine, (left, bottom, right, top))


# ── form fields ──────────────────────────────────────────────────────────────────────────────────
def _fields(
    document: pdfium.PdfDocument, sheet: pdfium.PdfPage, affine: pdf.Affine
) -> Iterator[Piece]:
    if document.formenv is None:
        return
    form = document.formenv.raw
    for index in range(raw.FPDFPage_GetAnnotCount(sheet.raw)):
        note = raw.FPDFPage_GetAnnot(sheet.raw, index)
        if raw.FPDFAnnot_GetFormFieldType(form, note) in _WRITTEN_FIELDS:
            yield from _spread(_value(form, note), pdf.mapped(affine, _rectangle(note)))
        raw.FPDFPage_CloseAnnot(note)


def _value(form: Any, note: Any) -> str:
    size = raw.FPDFAnnot_GetFormFieldValue(form, note, None, 0)
    buffer = ctypes.create_string_buffer(size)
    pointer = ctypes.cast(buffer, ctypes.POINTER(raw.FPDF_WCHAR))
    raw.FPDFAnnot_GetFormFieldValue(form, note, pointer, size)
    return buffer.raw.decode("utf-16-le", "replace").rstrip("\0")


def _rectangle(note: Any) -> Box:
    found = raw.FS_RECTF()
    raw.FPDFAnnot_GetRect(note, found)
    return found.left, found.bottom, found.right, found.top


def _spread(value: str, box: Box) -> Iterator[Piece]:
    """Share the field's box among the lines and words of its value."""
    lines = value.splitlines()
    height = (box[3] - box[1]) / max(len(lines), 1)
    for row, line in enumerate(lines):
        step, at, words = (box[2] - box[0]) / max(len(line), 1), 0, line.split()
        for number, word in enumerate(words, 1):
            at = line.index(word, at)
            left, top = box[0] + at * step, box[1] + row * height
            at += len(word)
            right = box[0] + at * step
            yield Piece(word, (left, top, right, top + height), number == len(words))


# ── lines, paragraphs, blocks ────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class _Line:
    pieces: tuple[Piece, ...]
    box: Box

    @property
    def height(self) -> float:
        return self.box[3] - self.box[1]


def arranged(
    pieces: Sequence[Piece], size: tuple[float, float], fields: Sequence[Piece] = ()
) -> Iterator[Word]:
    """Number the words by line, paragraph and block.

    The order is that of the file, which for pages made by programs keeps columns apart; fields
    come last, for their place among the words is not known.
    """
    lines = [*_lines(pieces), *_lines(fields)]
    block = paragraph = 0
    spacing = _spacing(lines)
    for number, line in enumerate(lines):
        before = lines[number - 1] if number else line
        apart = number > 0 and _new_block(before, line, spacing)
        block += apart
        paragraph += number > 0 and (apart or _gap(before, line) > spacing)
        for piece in line.pieces:
            if text := cleaned(piece.text):
                yield Word(text, _clipped(piece.box, size), 100.0, block, paragraph, number)


def cleaned(text: str) -> str:
    """Drop what stands for nothing, such as NUL, which no database takes."""
    return "".join(letter for letter in text if not is_unmapped(letter))


def _lines(pieces: Sequence[Piece]) -> Iterator[_Line]:
    line: list[Piece] = []
    for piece in pieces:
        if line and not _same_line(line[-1], piece):
            yield _line(line)
            line = []
        line.append(piece)
    if line:
        yield _line(line)


def _line(pieces: list[Piece]) -> _Line:
    box = pieces[0].box
    for piece in pieces[1:]:
        box = _union(box, piece.box)
    return _Line(tuple(pieces), box)


def _same_line(one: Piece, other: Piece) -> bool:
    # pdfium ends a line at each superscript; a piece that follows closely goes on with the line.
    apart = max(other.box[0] - one.box[2], one.box[0] - other.box[2])
    near = apart < one.box[3] - one.box[1]
    return (near or not one.ends_line) and _beside(one, other)


def _beside(one: Piece, other: Piece) -> bool:
    """Whether the second continues the first's line: as high, and on the side to which it runs."""
    overlap = min(one.box[3], other.box[3]) - max(one.box[1], other.box[1])
    lower = min(one.box[3] - one.box[1], other.box[3] - other.box[1])
    # Numbers and names in a line that runs to the left have words that do beside them.
    either = right_to_left(one.text) or right_to_left(other.text)
    return overlap >= 0.3 * lower and (either or other.box[0] > one.box[0])


def _gap(above: _Line, below: _Line) -> float:
    return below.box[1] - above.box[3]


def _spacing(lines: Sequence[_Line]) -> float:
    """Return the gap above which a line opens a paragraph."""
    gaps = [_gap(a, b) for a, b in pairwise(lines) if _gap(a, b) >= 0]
    near = [gap for gap in gaps if gap < 2 * median(line.height for line in lines)] or [0.0]
    height = median(line.height for line in lines) if lines else 0.0
    return median(near) * 1.6 + 0.2 * height


def _new_block(above: _Line, below: _Line, spacing: float) -> bool:
    """A jump up (the next column), no common width, or a wide gap."""
    jumped = below.box[3] < above.box[1]
    beside = min(above.box[2], below.box[2]) < max(above.box[0], below.box[0])
    return jumped or beside or _gap(above, below) > 2 * spacing + above.height


def _clipped(box: Box, size: tuple[float, float]) -> Box:
    left, right = (min(max(x, 0.0), size[0]) for x in box[::2])
    top, bottom = (min(max(y, 0.0), size[1]) for y in box[1::2])
    return round(left, 2), round(top, 2), round(right, 2), round(bottom, 2)

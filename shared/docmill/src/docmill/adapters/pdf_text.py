"""A PDF page's own text as words with boxes, and how far it can be believed."""

import ctypes
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Final

import pypdfium2 as pdfium
from pypdfium2 import raw

from docmill.adapters import pdf
from docmill.adapters.pdf_layers import Layers
from docmill.domain.words import Word
from docmill.domain.writing import OWN, Box, cleaned, is_unmapped, right_to_left

MAX_CHARACTERS: Final = 200_000  # a page of small print holds 15,000
_HYPHEN_AT_LINE_END: Final = 2  # pdfium's stand-in
_WRITTEN_FIELDS: Final = frozenset({
    raw.FPDF_FORMFIELD_TEXTFIELD,
    raw.FPDF_FORMFIELD_COMBOBOX,
    raw.FPDF_FORMFIELD_LISTBOX,
})
_DOWN: Final = 1  # quarters by which a line is turned clockwise
_OVER: Final = 2
_UNSEEN: Final = raw.FPDF_ANNOT_FLAG_HIDDEN | raw.FPDF_ANNOT_FLAG_NOVIEW


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of characters without space between them, before lines are told apart."""

    text: str
    box: Box
    ends_line: bool
    turn: int = 0  # of its line from one that runs to the right: quarters, clockwise as shown
    unmapped: int = 0  # of its characters: without a sure meaning

    @property
    def along(self) -> Box:
        """Its box for who reads it: to the right along the line, down across it."""
        left, top, right, bottom = self.box
        match self.turn:
            case 1:
                return top, -right, bottom, -left
            case 2:
                return -right, -bottom, -left, -top
            case 3:
                return -bottom, left, -top, right
            case _:
                return self.box


@dataclass(frozen=True, slots=True)
class Layer:
    """The text layer of a page: its words in reading order and what speaks against it."""

    words: tuple[Word, ...]
    characters: int  # of the page's own text, that are not space
    unmapped: int  # of them: without a sure meaning


@dataclass(slots=True)
class _Run:
    turn: int
    box: Box
    text: str = ""
    unsure: int = 0  # that pdfium has no meaning for

    def add(self, letter: str, box: Box, *, sure: bool) -> None:
        self.text += letter
        self.box = _union(self.box, box)
        self.unsure += not sure

    def piece(self, *, ends_line: bool) -> Piece:
        text = _whole(self.text)
        unmapped = self.unsure + sum(map(is_unmapped, text))
        return Piece(text, self.box, ends_line, self.turn, unmapped)


def _union(one: Box, other: Box) -> Box:
    return (
        min(one[0], other[0]),
        min(one[1], other[1]),
        max(one[2], other[2]),
        max(one[3], other[3]),
    )


def read(
    document: pdfium.PdfDocument, sheet: pdfium.PdfPage, layers: Layers | None = None
) -> Layer:
    """Read the text on the page, the values of its form fields and what is typed over it.

    What the page's edge cuts off is left out, and so is what is in layers that are off.
    """
    if layers:
        layers.take_out(sheet)
    text = sheet.get_textpage()
    try:
        count = min(text.count_chars(), MAX_CHARACTERS)
        affine = pdf.shown(sheet)
        pieces = list(_pieces(text, count, affine, sheet.get_size()))
    finally:
        text.close()
    fields = list(_fields(document, sheet, affine))
    return Layer(
        words=tuple(arranged(pieces, sheet.get_size(), fields)),
        characters=sum(len(piece.text) for piece in pieces),
        unmapped=sum(piece.unmapped for piece in pieces),
    )


def _pieces(
    text: Any, count: int, affine: pdf.Affine, size: tuple[float, float]
) -> Iterator[Piece]:
    run: _Run | None = None
    for index in range(count):
        letter = _letter(text, index)
        box = None if letter.isspace() else _box(text, index, affine)
        if box and _shows(box, size):
            run = run or _Run(_turn(text, index, affine), box)
            run.add(letter, box, sure=raw.FPDFText_HasUnicodeMapError(text.raw, index) != 1)
            if not _divides(text, index):
                continue  # a word divided at the end of a line comes without a break: two pieces
        if run:
            yield run.piece(ends_line=letter in "-\r\n")
            run = None
    if run:
        yield run.piece(ends_line=True)


def _shows(box: Box, size: tuple[float, float]) -> bool:
    """Whether the middle of a box is on a page of this size."""
    return 0 <= box[0] + box[2] <= 2 * size[0] and 0 <= box[1] + box[3] <= 2 * size[1]


def _turn(text: Any, index: int, affine: pdf.Affine) -> int:
    """Return the quarters by which a character is turned clockwise from upright, as shown."""
    matrix = raw.FS_MATRIX()
    raw.FPDFText_GetMatrix(text.raw, index, matrix)
    way = math.copysign(1, raw.FPDFText_GetFontSize(text.raw, index))
    x, y = way * matrix.a, way * matrix.b  # the base line on the page as its file has it
    across, down = affine[0] * x + affine[2] * y, affine[1] * x + affine[3] * y
    return round(math.atan2(down, across) / (math.pi / 2)) % 4


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


# ── form fields, and text typed over the page ────────────────────────────────────────────────────
def _fields(
    document: pdfium.PdfDocument, sheet: pdfium.PdfPage, affine: pdf.Affine
) -> Iterator[Piece]:
    form = document.formenv.raw if document.formenv else None
    for index in range(raw.FPDFPage_GetAnnotCount(sheet.raw)):
        note = raw.FPDFPage_GetAnnot(sheet.raw, index)
        box = pdf.mapped(affine, _rectangle(note))
        if box[0] < box[2] and box[1] < box[3] and _shows(box, sheet.get_size()):
            yield from _spread(_written(form, note), box)
        raw.FPDFPage_CloseAnnot(note)


def _written(form: Any, note: Any) -> str:
    """Return what a reader sees written in an annotation; a password shows as dots."""
    if raw.FPDFAnnot_GetFlags(note) & _UNSEEN:
        return ""
    if raw.FPDFAnnot_GetSubtype(note) == raw.FPDF_ANNOT_FREETEXT:
        return _string(raw.FPDFAnnot_GetStringValue, note, b"Contents")
    if form is None or raw.FPDFAnnot_GetFormFieldType(form, note) not in _WRITTEN_FIELDS:
        return ""
    secret = raw.FPDFAnnot_GetFormFieldFlags(form, note) & raw.FPDF_FORMFLAG_TEXT_PASSWORD
    return "" if secret else _string(raw.FPDFAnnot_GetFormFieldValue, form, note)


def _string(get: Any, *asked: Any) -> str:
    """Return the text that pdfium writes into a buffer of the size that it names first."""
    size = get(*asked, None, 0)
    buffer = ctypes.create_string_buffer(size)
    get(*asked, ctypes.cast(buffer, ctypes.POINTER(raw.FPDF_WCHAR)), size)
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
    box: Box  # for who reads it
    turn: int

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
    lines = [*_in_turn(_lines(pieces)), *_lines(fields)]
    block = paragraph = 0
    spacing = _spacing(lines)
    for number, line in enumerate(lines):
        before = lines[number - 1] if number else line
        apart = number > 0 and _new_block(before, line, spacing)
        block += apart
        paragraph += number > 0 and (apart or _gap(before, line) > spacing)
        for piece in line.pieces:
            if text := cleaned(piece.text):
                yield Word(text, _clipped(piece.box, size), OWN, block, paragraph, number)


def _lines(pieces: Sequence[Piece]) -> Iterator[_Line]:
    line: list[Piece] = []
    for piece in pieces:
        if line and not _same_line(line[-1], piece):
            yield _line(line)
            line = []
        line.append(piece)
    if line:
        yield _line(line)


def _in_turn(lines: Iterable[_Line]) -> Iterator[_Line]:
    """Put lines that run down the page, one beside the other, from right to left.

    pdfium (build 8149) sorts objects that begin at one height from left to right, as it does the
    words of lines that are upside down.
    """
    beside: list[_Line] = []
    for line in lines:
        if beside and not _sorted(beside[-1], line):
            yield from reversed(beside)
            beside = []
        beside.append(line)
    yield from reversed(beside)


def _sorted(one: _Line, other: _Line) -> bool:
    """Whether pdfium may have put two lines the wrong way round."""
    together = abs(one.box[0] - other.box[0]) < one.height
    above = other.box[3] < (one.box[1] + one.box[3]) / 2
    return one.turn == other.turn == _DOWN and together and above


def _line(pieces: list[Piece]) -> _Line:
    if pieces[0].turn == _OVER:
        leftward = sum(right_to_left(piece.text) for piece in pieces) * 2 > len(pieces)
        pieces = sorted(pieces, key=lambda piece: piece.along[0], reverse=leftward)
    box = pieces[0].along
    for piece in pieces[1:]:
        box = _union(box, piece.along)
    return _Line(tuple(pieces), box, pieces[0].turn)


def _same_line(one: Piece, other: Piece) -> bool:
    if one.turn != other.turn:
        return False
    # pdfium ends a line at each superscript; a piece that follows closely goes on with the line.
    box, following = one.along, other.along
    apart = max(following[0] - box[2], box[0] - following[2])
    near = apart < box[3] - box[1]
    return (near or not one.ends_line or one.turn == _OVER) and _beside(one, other)


def _beside(one: Piece, other: Piece) -> bool:
    """Whether the second continues the first's line: as high, and on the side to which it runs."""
    box, following = one.along, other.along
    overlap = min(box[3], following[3]) - max(box[1], following[1])
    lower = min(box[3] - box[1], following[3] - following[1])
    # Numbers and names in a line that runs to the left have words that do beside them. Upside down
    # the last comes first.
    any_way = one.turn == _OVER or right_to_left(one.text) or right_to_left(other.text)
    return overlap >= 0.3 * lower and (any_way or following[0] > box[0])


def _gap(above: _Line, below: _Line) -> float:
    return below.box[1] - above.box[3]


def _spacing(lines: Sequence[_Line]) -> float:
    """Return the gap above which a line opens a paragraph."""
    gaps = [_gap(a, b) for a, b in pairwise(lines) if a.turn == b.turn and _gap(a, b) >= 0]
    near = [gap for gap in gaps if gap < 2 * median(line.height for line in lines)] or [0.0]
    height = median(line.height for line in lines) if lines else 0.0
    return median(near) * 1.6 + 0.2 * height


def _new_block(above: _Line, below: _Line, spacing: float) -> bool:
    """Another direction, a jump up (the next column), no common width, or a wide gap."""
    turned = above.turn != below.turn
    jumped = below.box[3] < above.box[1]
    beside = min(above.box[2], below.box[2]) < max(above.box[0], below.box[0])
    return turned or jumped or beside or _gap(above, below) > 2 * spacing + above.height


def _clipped(box: Box, size: tuple[float, float]) -> Box:
    left, right = (min(max(x, 0.0), size[0]) for x in box[::2])
    top, bottom = (min(max(y, 0.0), size[1]) for y in box[1::2])
    return round(left, 2), round(top, 2), round(right, 2), round(bottom, 2)

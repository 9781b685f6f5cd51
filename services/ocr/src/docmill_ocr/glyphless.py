"""A font without ink: it carries characters for search and copying, and draws nothing."""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from pikepdf import Array, Dictionary, Name, Object, Pdf, Stream, String

EM: Final = 1000
WIDTH: Final = 500  # of every character, in thousandths of the font size
# A word's box goes from the baseline this high; letters with marks above and below fill a whole
# EM, by which readers judge what lines are near enough to be one text.
ASCENT: Final = 700
_DESCENT: Final = -1  # poppler (22.12) takes 0 for unknown and makes it -350
_CMAP_BLOCK: Final = 100  # entries a bfchar section may hold
_MOST: Final = 65_535
_NAME: Final = Name("/DocmillGlyphless")


@dataclass(frozen=True)
class Alphabet:
    """The characters of one document and the codes they have in its font, from 1."""

    characters: Sequence[str]

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Alphabet":
        """Return the alphabet of the texts, the same for the same texts."""
        found: set[str] = {" "}
        for text in texts:
            found.update(text)
        return cls(sorted(found)[:_MOST])

    @property
    def empty(self) -> bool:
        """Whether nothing but the space between words is in it."""
        return len(self.characters) == 1

    @cached_property
    def codes(self) -> Mapping[str, str]:
        """The hexadecimal code of each character."""
        return {letter: f"{code:04X}" for code, letter in enumerate(self.characters, 1)}

    def encoded(self, text: str) -> str:
        """Return the text as a PDF hexadecimal string."""
        return f"<{''.join(self.codes.get(letter, '') for letter in text)}>"

    def to_unicode(self) -> bytes:
        """Return the CMap that gives each code its meaning back."""
        return "".join(self._cmap()).encode("ascii")

    def _cmap(self) -> Iterator[str]:
        yield "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
        yield "/CMapName /DocmillUnicode def\n/CMapType 2 def\n"
        yield "1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n"
        entries = [
            f"<{code}> <{letter.encode('utf-16-be').hex().upper()}>\n"
            for letter, code in self.codes.items()
        ]
        for start in range(0, len(entries), _CMAP_BLOCK):
            block = entries[start : start + _CMAP_BLOCK]
            yield f"{len(block)} beginbfchar\n{''.join(block)}endbfchar\n"
        yield "endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"


def embedded(pdf: Pdf, alphabet: Alphabet) -> Object:
    """Add the font to a PDF and return its object."""
    descendant = Dictionary(
        Type=Name.Font,
        Subtype=Name.CIDFontType2,
        BaseFont=_NAME,
        CIDSystemInfo=Dictionary(
            Registry=String("Adobe"), Ordering=String("Identity"), Supplement=0
        ),
        CIDToGIDMap=Stream(pdf, _GLYPH_NUMBER * (len(alphabet.characters) + 1)),
        DW=WIDTH,
        FontDescriptor=pdf.make_indirect(_descriptor(pdf)),
    )
    font = Dictionary(
        Type=Name.Font,
        Subtype=Name.Type0,
        BaseFont=_NAME,
        Encoding=Name("/Identity-H"),
        DescendantFonts=Array([pdf.make_indirect(descendant)]),
        ToUnicode=Stream(pdf, alphabet.to_unicode()),
    )
    return pdf.make_indirect(font)


def _descriptor(pdf: Pdf) -> Dictionary:
    program = truetype()
    return Dictionary(
        Type=Name.FontDescriptor,
        FontName=_NAME,
        Flags=5,  # fixed pitch, symbolic
        FontBBox=Array([0, _DESCENT, WIDTH, ASCENT]),
        ItalicAngle=0,
        Ascent=ASCENT,
        Descent=_DESCENT,
        CapHeight=ASCENT,
        StemV=80,
        FontFile2=Stream(pdf, program, Length1=len(program)),
    )


# ── the font program ─────────────────────────────────────────────────────────────────────────────
# One contour of two points from corner to corner: it encloses nothing, but it has a size. pdfium
# (build 8149) leaves out text whose glyphs have none when it is turned or one letter long.
_MADE: Final = 3_155_760_000  # seconds from 1904, as good as any; readers complain about 0
_GLYPH_NUMBER: Final = b"\0\1"  # 0 is the glyph for what a font lacks, which PDF/A lets no text use
_GLYPH: Final = struct.pack(">hhhhhHH2B4h", 1, 0, 0, WIDTH, ASCENT, 1, 0, 1, 1, 0, WIDTH, 0, ASCENT)


def truetype() -> bytes:
    """Return the smallest TrueType file that readers take: a glyph without ink."""
    tables = _tables()
    count = len(tables)
    log = count.bit_length() - 1
    header = struct.pack(">IHHHH", 0x10000, count, 16 << log, log, 16 * (count - (1 << log)))
    directory, body = b"", b""
    for tag, table in sorted(tables.items()):
        offset = 12 + 16 * count + len(body)
        directory += struct.pack(">4sIII", tag, _checksum(table), offset, len(table))
        body += table + bytes(-len(table) % 4)
    return header + directory + body


def _checksum(table: bytes) -> int:
    padded = table + bytes(-len(table) % 4)
    words: tuple[int, ...] = struct.unpack(f">{len(padded) // 4}I", padded)
    return sum(words) % 2**32


def _tables() -> dict[bytes, bytes]:
    return {
        # version, revision, adjustment, magic, flags, em, created, modified, box, style, smallest
        # size, direction, loca format, glyph format
        b"head": struct.pack(
            ">IIIIHHqqhhhhHHhhh",
            *(0x10000, 0x10000, 0, 0x5F0F3CF5, 0, EM, _MADE, _MADE),
            *(0, 0, WIDTH, ASCENT, 0, 8, 2, 0, 0),
        ),
        b"hhea": struct.pack(
            ">IhhhHhhhhhhhhhhhH",
            *(0x10000, ASCENT, 0, 0, WIDTH, 0, 0, WIDTH, 1, 0, 0, 0, 0, 0, 0, 0, 1),
        ),
        b"maxp": struct.pack(">IH13H", 0x10000, 2, 2, 1, 0, 0, 1, *[0] * 8),
        b"hmtx": struct.pack(">Hhh", WIDTH, 0, 0),  # both as wide
        b"loca": struct.pack(">HHH", 0, 0, len(_GLYPH) // 2),
        b"glyf": _GLYPH,
        b"cmap": struct.pack(">HHHHIHHH256B", 0, 1, 1, 0, 12, 0, 262, 0, *[0] * 256),
        b"post": struct.pack(">IIhhIIIII", 0x30000, 0, 0, 0, 1, 0, 0, 0, 0),
    }

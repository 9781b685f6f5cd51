"""Streams put aside in a file, a PDF of nothing else, from which another PDF may be made.

pikepdf 10.17 holds in memory whatever comes from another document, and leaves in its file what a
document had when it was opened.
"""

from io import BufferedRandom
from typing import Final

_HEADER: Final = (
    b"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n",
    b"2 0 obj\n<</Type/Pages/Kids[]/Count 0>>\nendobj\n",
)


class Spool:
    """Writes streams to an empty file."""

    def __init__(self, file: BufferedRandom) -> None:
        self._file = file
        self._places = [_HEADER[0].index(b"1 0 obj"), len(_HEADER[0])]
        file.write(b"".join(_HEADER))

    def put(self, data: bytes) -> int:
        """Put a stream aside; return the number that its object has."""
        self._places.append(self._file.tell())
        number = len(self._places)
        self._file.write(b"%d 0 obj\n<</Length %d>>\nstream\n" % (number, len(data)))
        self._file.write(data)
        self._file.write(b"\nendstream\nendobj\n")
        return number

    def finish(self) -> None:
        """Make the file a PDF."""
        start, size = self._file.tell(), len(self._places) + 1
        rows = b"".join(b"%010d 00000 n \n" % place for place in self._places)
        self._file.write(b"xref\n0 %d\n0000000000 65535 f \n" % size + rows)
        self._file.write(b"trailer\n<</Size %d/Root 1 0 R>>\n" % size)
        self._file.write(b"startxref\n%d\n%%%%EOF\n" % start)

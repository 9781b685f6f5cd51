"""Saves a PDF as PDF/A-2b, the form that archives keep."""

from pathlib import Path
from typing import Final

from pikepdf import Name, Pdf

_FLAVOUR: Final = "2b"


def save(document: Pdf, target: Path) -> None:
    """Save a PDF of our own making, as PDF/A-2b where what was written proves to be it.

    Otherwise, as with a picture in CMYK, it is saved without claiming anything.
    """
    from pikepdf import pdfa  # noqa: PLC0415  # only here: it brings fonttools and jsonschema

    pdfa.prepare(document, _FLAVOUR)
    with document.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as about:
        del about["xmp:MetadataDate"]  # for the same pages give the same bytes
    try:
        pdfa.save(document, target, _FLAVOUR, repair=False, deterministic_id=True)
    except pdfa.PdfaError:
        del document.Root[Name.Metadata], document.Root[Name.OutputIntents]
        document.save(target, deterministic_id=True)

"""Makes a PDF fit for PDF/A-2b, the form that archives keep."""

from collections.abc import Mapping
from typing import Any, Final

from pikepdf import Name, Pdf

_FLAVOUR: Final = "2b"


def prepared(document: Pdf) -> Mapping[str, Any]:
    """Have a PDF of our own making say that it is PDF/A-2b, where it proves to be.

    Return the settings to save it with. A document with a picture in CMYK, for example, claims
    nothing. It is checked before the invisible text comes, for which the check would take as long
    as all else does; that this text breaks no rule does not depend on the document.
    """
    from pikepdf import pdfa  # noqa: PLC0415  # only here: it brings fonttools and jsonschema

    pdfa.prepare(document, _FLAVOUR)
    with document.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as about:
        del about["xmp:MetadataDate"]  # for the same pages give the same bytes
    report = pdfa.check(document, _FLAVOUR, deterministic_id=True)
    if not report.passed:
        del document.Root[Name.Metadata], document.Root[Name.OutputIntents]
        return {}
    return report.save_kwargs

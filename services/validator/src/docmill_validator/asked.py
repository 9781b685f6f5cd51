"""Which pages a run reads."""

from collections.abc import Mapping, Sequence
from typing import Final

from docmill.domain.document import Options
from docmill.domain.rejection import PageOutOfRange, TooManyPages

DEFAULT_MAX_PAGES: Final = 100


def asked_pages(total: int, options: Options, limits: Mapping[str, int]) -> Sequence[int]:
    """Return the numbers of the pages to read; raise TooManyPages or PageOutOfRange."""
    most = limits.get("max_pages", DEFAULT_MAX_PAGES)
    if total > most:
        raise TooManyPages(f"{total} pages, allowed are {most}")
    if not options.pages:
        return range(1, total + 1)
    if not (asked := [number for number in options.pages if 1 <= number <= total]):
        raise PageOutOfRange(f"the document has {total} pages")
    return asked

"""What the validator learns of a file: its true type and, per page, how to read it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

# What other stages look for among the reasons of a page.
OCR_LAYER: Final = "ocr_layer"  # its text is of an earlier OCR, under or over the scan
GARBAGE_TEXT_LAYER: Final = "garbage_text_layer"  # its text is not what it shows


class Source(StrEnum):
    """Where a page's text comes from."""

    TEXT = "text"  # the file's own text layer
    RECOGNISE = "recognise"  # OCR
    MIXED = "mixed"  # its own text as it is, and OCR of what its pictures show


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPage:
    """How one page is read. Sizes are in the page's `unit`, as shown upright.

    `reason` is what the page was found to be, also where the caller's word decided otherwise.
    """

    number: int
    source: Source
    reason: str
    width: float
    height: float
    unit: str  # px for images, pt for PDF


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The page plan of one run: every page that will be read, in order."""

    media_type: str
    total_pages: int
    pages: tuple[PlannedPage, ...]

    def page(self, number: int) -> PlannedPage:
        """Return the planned page of this number; it must be one of the run's."""
        return next(page for page in self.pages if page.number == number)

    def as_json(self) -> dict[str, Any]:
        """Return a JSON value that `from_json` reads back."""
        return {
            "media_type": self.media_type,
            "total_pages": self.total_pages,
            "pages": [asdict(page) for page in self.pages],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Plan":
        """Read what `as_json` wrote."""
        return cls(
            media_type=value["media_type"],
            total_pages=value["total_pages"],
            pages=tuple(
                PlannedPage(**{**page, "source": Source(page["source"])}) for page in value["pages"]
            ),
        )

"""File names as they may be shown: no paths, no control characters, never too long."""

import re
import unicodedata
from typing import Final

MAX_NAME: Final = 255
UNNAMED: Final = "document"
_SEPARATORS: Final = re.compile(r"[\\/]+")


def clean_name(given: str | None) -> str:
    """Return the base name of what the caller sent, safe to show and to put in a header."""
    parts = [part for part in _SEPARATORS.split(given or "") if part.strip(" .")]
    base = unicodedata.normalize("NFC", parts[-1]) if parts else ""
    # categories C*: control, format (bidi tricks), surrogates, private use
    shown = "".join(each for each in base if not unicodedata.category(each).startswith("C"))
    return _shortened(shown.strip()) or UNNAMED


def _shortened(name: str) -> str:
    if len(name) <= MAX_NAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 16:  # noqa: PLR2004 - longer is no file type
        return name[:MAX_NAME]
    return f"{stem[: MAX_NAME - len(suffix) - 1]}.{suffix}"

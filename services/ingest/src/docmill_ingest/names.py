"""File names as they may be shown: no paths, no control characters, never too long."""

import re
import unicodedata
from typing import Final

MAX_NAME: Final = 255
UNNAMED: Final = "document"
_SEPARATORS: Final = re.compile(r"[\\/]+")


def clean_name(given: str | None) -> str:
    """Return the base name of what the caller sent, safe to show and to put in a header."""
    # categories C*: control, format (bidi tricks), surrogates, private use; taken out first, for
    # without them a part may turn out to be a path trick
    shown = "".join(each for each in given or "" if not unicodedata.category(each).startswith("C"))
    parts = _SEPARATORS.split(unicodedata.normalize("NFC", shown))
    named = [part for part in map(_shortened, parts) if part.strip(" .")]
    return named[-1] if named else UNNAMED


def _shortened(part: str) -> str:
    name = part.strip()
    if len(name) <= MAX_NAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 16:  # noqa: PLR2004 - longer is no file type
        return name[:MAX_NAME].rstrip()
    return f"{stem[: MAX_NAME - len(suffix) - 1]}.{suffix}"

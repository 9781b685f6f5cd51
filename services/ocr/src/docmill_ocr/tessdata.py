"""Where the language models lie and which there are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from docmill.domain.document import ANY_LANGUAGE
from docmill.domain.rejection import UnknownLanguage

ORIENTATION: Final = "osd"  # a model for orientation and script, not a language
_DEBIAN: Final = Path("/usr/share/tesseract-ocr")
_OTHERS: Final = (Path("/usr/share/tessdata"), Path("/usr/local/share/tessdata"))


class NoTessdata(RuntimeError):
    """No directory of language models was found; DOCMILL_TESSDATA names one."""


def find(configured: str = "") -> Path:
    """Return the configured directory, or the one the distribution installs, newest first."""
    candidates = [Path(configured)] if configured else [*_installed(), *_OTHERS]
    for candidate in candidates:
        if any(candidate.glob("*.traineddata")):
            return candidate
    raise NoTessdata(", ".join(map(str, candidates)))


def _installed() -> list[Path]:
    return sorted(_DEBIAN.glob("*/tessdata"), key=_version, reverse=True)


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.parent.name.split(".") if part.isdecimal())


def installed(folder: Path) -> tuple[str, ...]:
    """Return the languages there are models for, sorted."""
    found = {path.stem for path in folder.glob("*.traineddata")} - {ORIENTATION}
    return tuple(sorted(found))


def offered(folder: Path) -> tuple[str, ...]:
    """Return what callers may ask for: the languages, and any where scripts can be told."""
    told = {ANY_LANGUAGE} if tells_orientation(folder) else set()
    return tuple(sorted({*installed(folder), *told}))


def tells_orientation(folder: Path) -> bool:
    """Whether there is the model that tells how a page is turned, and its script."""
    return (folder / f"{ORIENTATION}.traineddata").exists()


def joined(languages: Sequence[str], known: Sequence[str]) -> str:
    """Return the languages as the engine names them together; raise UnknownLanguage."""
    if unknown := [language for language in languages if language not in known]:
        raise UnknownLanguage(", ".join(unknown))
    return "+".join(languages)

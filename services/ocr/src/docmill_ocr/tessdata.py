"""Where the language models lie and which there are."""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from docmill.domain.document import ANY_LANGUAGE
from docmill.domain.rejection import UnknownLanguage
from docmill_ocr import script

ORIENTATION: Final = "osd"  # a model for orientation and script, not a language
_DEBIAN: Final = Path("/usr/share/tesseract-ocr")
_OTHERS: Final = (Path("/usr/share/tessdata"), Path("/usr/local/share/tessdata"))
_SUFFIX: Final = ".traineddata"
_DIGITS: Final = 8  # of a digest; two models of one name hardly share them


class NoTessdata(RuntimeError):
    """No directory of language models was found; DOCMILL_TESSDATA names one."""


def find(configured: str = "") -> Path:
    """Return the configured directory, or the one the distribution installs, newest first."""
    candidates = [Path(configured)] if configured else [*_installed(), *_OTHERS]
    for candidate in candidates:
        if any(candidate.glob(f"*{_SUFFIX}")):
            return candidate
    raise NoTessdata(", ".join(map(str, candidates)))


def _installed() -> list[Path]:
    return sorted(_DEBIAN.glob("*/tessdata"), key=_version, reverse=True)


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in folder.parent.name.split(".") if part.isdecimal())


def installed(folder: Path) -> tuple[str, ...]:
    """Return the languages there are models for, sorted, with those for whole scripts."""
    paths = (path for part in ("", script.FOLDER) for path in folder.glob(f"{part}*{_SUFFIX}"))
    found = {path.relative_to(folder).as_posix().removesuffix(_SUFFIX) for path in paths}
    return tuple(sorted(found - {ORIENTATION}))


def offered(folder: Path) -> tuple[str, ...]:
    """Return what callers may ask for: the languages, and any where scripts can be told."""
    told = {ANY_LANGUAGE} if tells_orientation(folder) else set()
    return tuple(sorted({*installed(folder), *told}))


def tells_orientation(folder: Path) -> bool:
    """Whether there is the model that tells how a page is turned, and its script."""
    return (folder / f"{ORIENTATION}{_SUFFIX}").exists()


def digest(folder: Path, language: str) -> str:
    """Return the head of the SHA-256 of a language's model, which may be another one tomorrow.

    Raise UnknownLanguage.
    """
    path = folder / f"{language}{_SUFFIX}"
    try:
        found = path.stat()
    except FileNotFoundError as exc:
        raise UnknownLanguage(language) from exc
    return _digest(path, found.st_mtime_ns, found.st_size)


@cache
def _digest(path: Path, _changed: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]


def joined(languages: Sequence[str], known: Sequence[str]) -> str:
    """Return the languages as the engine names them together; raise UnknownLanguage."""
    if unknown := [language for language in languages if language not in known]:
        raise UnknownLanguage(", ".join(unknown))
    return "+".join(languages)

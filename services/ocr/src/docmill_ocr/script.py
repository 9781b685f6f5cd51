"""Scripts: which data packs read them, and which need more pixels than Latin does."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from docmill.domain.document import DEFAULT_LANGUAGE

LATIN: Final = "Latin"
_AT_ONCE: Final = 3  # packs; each makes a page slower to read
_VERTICAL: Final = "_vert"
FOLDER: Final = "script/"  # where tesseract's own collection, unlike Debian, has those of scripts

# By tesseract's names of scripts, its names of their languages, the commonest first. A language
# that is not here is written in Latin letters.
_LANGUAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "Arabic": ("ara", "fas", "urd", "pus", "snd", "uig"),
    "Armenian": ("hye",),
    "Bengali": ("ben", "asm"),
    "Canadian_Aboriginal": ("iku",),
    "Cherokee": ("chr",),
    "Cyrillic": (
        *("rus", "ukr", "bul", "srp", "bel", "mkd", "kaz", "kir", "mon", "tat", "tgk"),
        *("aze_cyrl", "uzb_cyrl"),
    ),
    "Devanagari": ("hin", "mar", "nep", "san"),
    "Ethiopic": ("amh", "tir"),
    "Fraktur": ("deu_latf", "deu_frak", "frk"),
    "Georgian": ("kat", "kat_old"),
    "Greek": ("ell", "grc"),
    "Gujarati": ("guj",),
    "Gurmukhi": ("pan",),
    "Han": ("chi_sim", "chi_tra"),
    "Hebrew": ("heb", "yid"),
    "Japanese": ("jpn",),
    "Kannada": ("kan",),
    "Khmer": ("khm",),
    "Korean": ("kor",),
    "Lao": ("lao",),
    "Malayalam": ("mal",),
    "Myanmar": ("mya",),
    "Oriya": ("ori",),
    "Sinhala": ("sin",),
    "Syriac": ("syr",),
    "Tamil": ("tam",),
    "Telugu": ("tel",),
    "Thaana": ("div",),
    "Thai": ("tha",),
    "Tibetan": ("bod", "dzo"),
}
# Packs for a whole script, where they are not named as the script is.
_WHOLE: Final[Mapping[str, tuple[str, ...]]] = {"Han": ("HanS", "HanT"), "Korean": ("Hangul",)}
# More strokes to a letter, or marks that tell letters apart.
_DENSE: Final = frozenset(_LANGUAGES) - {
    *("Armenian", "Cherokee", "Cyrillic", "Fraktur", "Georgian", "Greek"),
}
_BY_LANGUAGE: Final[Mapping[str, str]] = {
    language: script
    for script, languages in _LANGUAGES.items()
    for language in (script, *_WHOLE.get(script, ()), *languages)
}


def of(language: str) -> str:
    """Return the script that a language's data pack reads."""
    return _BY_LANGUAGE.get(language.removeprefix(FOLDER).removesuffix(_VERTICAL), LATIN)


def dense(languages: Sequence[str]) -> bool:
    """Whether a letter of one of the languages needs more pixels than Latin ones do."""
    return any(of(language) in _DENSE for language in languages)


def packs(script: str, named: Sequence[str], installed: Sequence[str]) -> tuple[str, ...]:
    """Return what to read a page in a script with: those named for it, or else those installed.

    Where nothing there reads it, or the script is not known, those named, or the default.
    """
    fitting = [language for language in named if of(language) == script]
    found = fitting or [*_whole(script, installed)] or [*_single(script, installed)][:_AT_ONCE]
    return tuple(found or named or (DEFAULT_LANGUAGE,))


def _whole(script: str, installed: Sequence[str]) -> Iterator[str]:
    for pack in _WHOLE.get(script, (script,)):
        yield from [name for name in (pack, f"{FOLDER}{pack}") if name in installed][:1]


def _single(script: str, installed: Sequence[str]) -> Iterator[str]:
    """Yield the packs of single languages, the likeliest first."""
    if script in _LANGUAGES:
        yield from (language for language in _LANGUAGES[script] if language in installed)
    elif script == LATIN:
        yield from sorted(filter(_latin, installed), key=lambda pack: pack != DEFAULT_LANGUAGE)


def _latin(pack: str) -> bool:
    return of(pack) == LATIN and not pack.endswith(_VERTICAL)

"""What a caller may ask for with an upload: read from strings, checked, made domain values."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import Field, ValidationError

from docmill.domain.document import (
    DEFAULT_LANGUAGE,
    EVERY_PAGE,
    OcrChange,
    Options,
    Output,
    Pages,
    Priority,
)
from docmill.domain.refusal import BadMetadata, InvalidOption
from docmill_ingest.asked import Asked
from docmill_ingest.problem import explained

MAX_METADATA_BYTES: Final = 16 * 2**10
MAX_METADATA_DEPTH: Final = 64
MAX_PAGES_ASKED: Final = 10_000
MAX_RETENTION_SECONDS: Final = 100 * 365 * 24 * 3600  # a plan allows less
_LANGUAGE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_/]{1,31}")
_ALL: Final = "all"
_PAGES: Final = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")


class OcrOptions(Asked):
    """Which pages are recognised in any case, and which never."""

    force_ocr: str | None = Field(
        None,
        max_length=4096,
        description="Pages to recognise though they carry text, as 1-3,5, or `all`: but for those "
        "that `forbid_ocr` names.",
    )
    forbid_ocr: str | None = Field(
        None,
        max_length=4096,
        description="Pages never to recognise, as 1-3,5, or `all`: but for those that `force_ocr` "
        "names. They give their own text or none.",
    )

    def change(self) -> OcrChange:
        """Raise InvalidOption."""
        force = _pages_or_all(self.force_ocr, "force_ocr")
        forbid = _pages_or_all(self.forbid_ocr, "forbid_ocr")
        if set(force or ()) & set(forbid or ()):
            raise InvalidOption("forbid_ocr: a page is in force_ocr too", option="forbid_ocr")
        return OcrChange(force, forbid)


class UploadOptions(OcrOptions):
    """Options of an upload, in the query or as fields of the form."""

    name: str | None = Field(
        None, max_length=4096, description="File name to show; else the one in the request."
    )
    languages: str | None = Field(
        None,
        max_length=256,
        description="Languages of the text by commas, the main one first: eng,fra. `auto`: each "
        "page is read in the languages of its script, in those named beside it first.",
    )
    pages: str | None = Field(
        None, max_length=4096, description="Pages to read, as 1-3,5; all without it."
    )
    outputs: str | None = Field(
        None,
        max_length=256,
        description="Outputs by commas: words, hocr, pdf, thumbnails; all without it. "
        "`text` is always made.",
    )
    priority: Priority = Field(
        Priority.DEFAULT, description="How urgent it is among the tenant's own documents."
    )
    retention_seconds: int | None = Field(
        None,
        ge=60,
        le=MAX_RETENTION_SECONDS,
        description="How long to keep the content after the document settled.",
    )
    metadata: str | None = Field(
        None, description="A JSON object of your own, returned as it is; lists filter by it."
    )

    batch: UUID | None = Field(None, description="The open batch that the document joins.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The options as domain values."""

    name: str | None
    options: Options
    priority: Priority
    retention: timedelta | None
    metadata: Mapping[str, Any]
    batch: UUID | None = None


def read(fields: Mapping[str, str]) -> Wishes:
    """Read options from strings; raise InvalidOption or BadMetadata."""
    try:
        given = UploadOptions.model_validate(dict(fields))
    except ValidationError as error:
        raise explained(error) from None
    seconds = given.retention_seconds
    options = Options(
        languages=_languages(given.languages),
        pages=_pages(given.pages, "pages"),
        outputs=_outputs(given.outputs),
    )
    return Wishes(
        name=given.name,
        options=given.change().of(options),
        priority=given.priority,
        retention=None if seconds is None else timedelta(seconds=seconds),
        metadata=metadata(given.metadata),
        batch=given.batch,
    )


def _split(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[,+]", text) if part.strip()]


def _languages(text: str | None) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(_split(text or "")))
    for language in found:
        if not _LANGUAGE.fullmatch(language):
            raise InvalidOption(f"languages: {language!r} is no language code", option="languages")
    return found or (DEFAULT_LANGUAGE,)


def _pages(text: str | None, option: str) -> Pages:
    numbers: list[int] = []
    for part in _split(text or ""):
        numbers += _page_range(part, option)
        if len(numbers) > MAX_PAGES_ASKED:
            raise InvalidOption(f"{option}: at most {MAX_PAGES_ASKED}", option=option)
    return tuple(sorted(set(numbers)))


def _pages_or_all(text: str | None, option: str) -> Pages | None:
    if text is None:
        return None
    return (EVERY_PAGE,) if text.strip().lower() == _ALL else _pages(text, option)


def written(pages: Iterable[int]) -> str:
    """Write rising page numbers as an option gives them: 1-3,5."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and runs[-1][-1] + 1 == page:
            runs[-1][1:] = [page]
        else:
            runs.append([page])
    return ",".join("-".join(map(str, run)) for run in runs)


def _page_range(part: str, option: str) -> Iterable[int]:
    matched = _PAGES.fullmatch(part)
    first = int(matched[1]) if matched else 0
    last = int(matched[2] or matched[1]) if matched else 0
    if not 1 <= first <= last or last - first >= MAX_PAGES_ASKED:
        raise InvalidOption(f"{option}: {part[:40]!r} is no page or range of pages", option=option)
    return range(first, last + 1)


def _outputs(text: str | None) -> frozenset[Output]:
    if text is None:
        return frozenset(Output)
    asked = [part for part in _split(text) if part != "text"]
    unknown = [part for part in asked if part not in set(Output)]
    if unknown:
        raise InvalidOption(f"outputs: {unknown[0][:40]!r} is unknown", option="outputs")
    return frozenset(Output(part) for part in asked)


def metadata(text: str | None) -> Mapping[str, Any]:
    """Read metadata of a bounded size; raise BadMetadata."""
    if text is None:
        return {}
    if len(text.encode(errors="replace")) > MAX_METADATA_BYTES:
        raise BadMetadata(f"at most {MAX_METADATA_BYTES} bytes")
    return json_object(text)


def json_object(text: str) -> Mapping[str, Any]:
    """Read a JSON object that PostgreSQL can store; raise BadMetadata."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
        encoded = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadMetadata(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadMetadata("not a JSON object")
    if b"\\u0000" in encoded:
        raise BadMetadata("text with U+0000 cannot be stored")
    if _deeper(value, MAX_METADATA_DEPTH):
        raise BadMetadata(f"nested deeper than {MAX_METADATA_DEPTH}")
    return value


def _deeper(value: object, most: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value
    if not isinstance(inner, Iterable) or isinstance(inner, str):
        return False
    return most == 0 or any(_deeper(each, most - 1) for each in inner)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")

"""The recognise stage: one page to words with boxes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from docmill.adapters.image import DEFAULT_MAX_PIXELS
from docmill.adapters.pdf_layers import Layers
from docmill.domain.document import ANY_LANGUAGE, DEFAULT_LANGUAGE, ArtifactKind
from docmill.domain.plan import Plan, Source
from docmill.domain.rejection import CorruptFile, PageUnreadable
from docmill.domain.rendering import JSON_TYPE, page_json
from docmill.domain.words import PageText
from docmill.work.stage import Job, Made, StageResult
from docmill_ocr import mixed, page_image
from docmill_ocr.auto import AutoReader
from docmill_ocr.engines import chosen, second
from docmill_ocr.page_image import PageImage, View
from docmill_ocr.reading import Reader, Reading, on_page

READING: Final = "docmill recognise 5"  # raised when the same page would give other words


class Recognise:
    """Keeps its engine loaded from page to page."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """Take DOCMILL_OCR_ENGINE, DOCMILL_OCR_SECOND_ENGINE and DOCMILL_TESSDATA."""
        self._engine = chosen(settings)
        self._second = second(settings)

    @property
    def languages(self) -> tuple[str, ...]:
        return self._engine.languages

    @property
    def engine(self) -> str:
        second = [self._second.name] if self._second else []
        return f"{READING}, {' + '.join([self._engine.name, *second])}"

    def warm(self) -> None:
        if DEFAULT_LANGUAGE in self.languages:
            self._engine.warm([DEFAULT_LANGUAGE])

    def run(self, job: Job) -> StageResult:
        """Raise PageUnreadable for a page that cannot be decoded, UnknownLanguage."""
        assert job.plan is not None  # noqa: S101  # the runtime gives it to every stage but validate
        plan = Plan.from_json(job.plan)
        source = plan.page(job.page).source
        image = _loaded(job, plan.media_type)
        layers = Layers(job.original)
        own = mixed.own_words(job.original, job.page, layers) if source is Source.MIXED else ()
        view = mixed.without(image.view, own) if own else image.view
        reading = self._read(view, job.options.languages)
        page = _page_text(job.page, image, reading)
        if source is Source.MIXED:
            page = replace(page, source=source, words=mixed.merged(own, page.words))
        path = job.scratch / f"page-{job.page}.json"
        path.write_bytes(page_json(page))
        made = Made(kind=ArtifactKind.PAGE, page=job.page, path=path, media_type=JSON_TYPE)
        engine = f"{self.engine} {'+'.join(job.options.languages)}"
        return StageResult(made=[made], engine=engine, facts=_facts(reading))

    def _read(self, view: View, languages: Sequence[str]) -> Reading:
        if ANY_LANGUAGE not in languages:
            return Reader(self._engine, languages, self._second).read(view)
        named = [language for language in languages if language != ANY_LANGUAGE]
        return AutoReader(self._engine, named, self._second).read(view)


def _loaded(job: Job, media_type: str) -> PageImage:
    budget = job.limits.get("max_pixels", DEFAULT_MAX_PIXELS)
    try:
        return page_image.load(job.original, media_type, job.page, budget)
    except CorruptFile as exc:  # found on this page; its siblings may be sound
        raise PageUnreadable(f"page {job.page}: {exc}") from exc


def _page_text(number: int, image: PageImage, reading: Reading) -> PageText:
    digits = 2 if image.unit == "pt" else 0
    return PageText(
        number=number,
        width=image.width,
        height=image.height,
        unit=image.unit,
        source=Source.RECOGNISE,
        words=on_page(reading, (image.width, image.height), digits),
        engine=reading.engine,
        rotation=reading.rotation,
        looks=() if reading.plain else reading.history,
        script=reading.script,
    )


def _facts(reading: Reading) -> dict[str, object]:
    """Tell of what was recognised; words that the file itself has are no merit of the engine."""
    return {
        "confidence": round(reading.confidence, 1) if reading.words else None,
        "words": len(reading.words),
        "rotation": reading.rotation,
        "skew": round(reading.page.skew, 1),
        "strategy": reading.strategy,
        "engine": reading.engine,
        **({"script": reading.script} if reading.script else {}),
    }

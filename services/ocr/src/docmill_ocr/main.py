"""The OCR worker's process."""

import os

from docmill.domain.task import Pool
from docmill.ops.startup import start
from docmill.work.childhost import Trade, serve_children
from docmill_ocr import tessdata
from docmill_ocr.count import count
from docmill_ocr.settings import OcrSettings


def trade(settings: OcrSettings) -> Trade:
    """Say what sets these children apart: their models, and whether they start a program."""
    models = tessdata.find(str(settings.tessdata or ""))
    return Trade(
        pool=Pool.OCR,
        stages="docmill_ocr.stages",
        settings={
            "DOCMILL_OCR_ENGINE": settings.ocr_engine,
            "DOCMILL_OCR_SECOND_ENGINE": settings.ocr_second_engine or "",
            "DOCMILL_TESSDATA": str(models),
        },
        readable=[models],
        languages=tessdata.offered(models),
        observe=count,
        may_exec=settings.ocr_engine == "pytesseract",
    )


def main() -> None:
    """Run until SIGTERM; exit 2 on bad settings, 1 on anything unforeseen."""
    settings = start(Pool.OCR, OcrSettings, os.environ)
    serve_children(trade(settings), settings)


if __name__ == "__main__":
    main()

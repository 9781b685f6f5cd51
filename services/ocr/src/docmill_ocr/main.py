"""The OCR worker's process."""

import os
import sys

from docmill.domain.task import Pool
from docmill.ops.logging import configure
from docmill.ops.settings import BadSettings
from docmill.work.host import Trade, serve_children
from docmill_ocr import tessdata
from docmill_ocr.settings import OcrSettings


def trade(settings: OcrSettings) -> Trade:
    """Say what sets these children apart: their models, and whether they start a program."""
    models = tessdata.find(str(settings.tessdata or ""))
    return Trade(
        pool=Pool.OCR,
        stages="docmill_ocr.stages",
        settings={"DOCMILL_OCR_ENGINE": settings.ocr_engine, "DOCMILL_TESSDATA": str(models)},
        readable=[models],
        languages=tessdata.installed(models),
        may_exec=settings.ocr_engine == "pytesseract",
    )


def main() -> None:
    """Run until SIGTERM; exit 2 on bad settings, 1 on anything unforeseen."""
    try:
        settings = OcrSettings.from_env(os.environ)
    except BadSettings as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    configure(Pool.OCR, settings.log_level)
    serve_children(trade(settings), settings)


if __name__ == "__main__":
    main()

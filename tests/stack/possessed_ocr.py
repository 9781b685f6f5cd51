"""A program: the OCR worker as it is, with its stages possessed by the cabinet of hostile ones."""

import os
from dataclasses import replace

from docmill.domain.task import Pool
from docmill.ops.startup import start
from docmill.work.childhost import serve_children
from docmill_ocr.main import trade
from docmill_ocr.settings import OcrSettings

if __name__ == "__main__":
    settings = start(Pool.OCR, OcrSettings, os.environ)
    honest = trade(settings)
    possessed = replace(
        honest,
        stages="docmill.testing.possessed",
        settings={**honest.settings, "DOCMILL_GOOD_STAGES": honest.stages},
    )
    serve_children(possessed, settings)

"""The bare engine: `python -m loadtests.bench.bare FILE…` reads pictures with one loaded API."""

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import tesserocr

from docmill_ocr import tessdata


def main(files: Sequence[str]) -> None:
    models = tessdata.find("")
    with tesserocr.PyTessBaseAPI(path=str(models), lang="eng", psm=tesserocr.PSM.AUTO) as api:
        api.SetVariable("debug_file", "/dev/null")
        for file in files:
            read(api, Path(file).read_bytes())


def read(api: tesserocr.PyTessBaseAPI, body: bytes) -> tuple[str, str]:
    """Decode and recognise; return text and words with boxes."""
    pixels = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert pixels is not None  # noqa: S101 - the bench made the file
    height, width = pixels.shape
    api.SetImageBytes(pixels.tobytes(), width, height, 1, width)
    api.Recognize()
    found = api.GetUTF8Text(), api.GetTSVText(0)
    api.Clear()
    return found


if __name__ == "__main__":
    main(sys.argv[1:])

"""OCRmyPDF: where it is, and a file of many pages for it."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import img2pdf

_OWN: Final = Path(".local/ocrmypdf/bin")  # where `make ocrmypdf` puts it


def program() -> str | None:
    """Return the path of its program; None where it is not installed."""
    return shutil.which("ocrmypdf", path=os.pathsep.join([str(_OWN.resolve()), os.environ["PATH"]]))


def joined(pictures: Sequence[Path], target: Path) -> Path:
    """Write one PDF of all the pictures, their data as they are."""
    with target.open("wb") as file:
        img2pdf.convert([str(picture) for picture in pictures], outputstream=file)
    return target

"""The pages that speed is measured on, made from nothing and always the same."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from PIL import Image

from docmill.testing.documents import dense_page, dense_text
from docmill.testing.pictures import A4_INCHES, Sheet, encoded, printed, scanned
from docmill.work.settings import cores

DENSE: Final = 2400  # characters of a full page
PARTS: Final = range(0, 1200, 400)  # where the paragraphs of a column begin in its text
FEW: Final = 500  # of one with some seven lines


def dense(seed: int) -> bytes:
    """A full A4 page at 200 dpi."""
    return dense_page(seed, 200, DENSE)


def columns(seed: int) -> bytes:
    """As much text at 200 dpi in two columns of paragraphs, in curly quotes."""
    half = Sheet(points=9.5, margin_inches=0.4, inches=(A4_INCHES[0] / 2, A4_INCHES[1]))
    page = Image.new("L", Sheet().size, 255)
    for place in range(2):
        text = dense_text(2 * seed + place, DENSE)
        quoted = [f"\u201c{text[part : part + 380]}\u201d" for part in PARTS]
        page.paste(printed(quoted, half), (place * half.size[0], 0))
    return encoded(page, "PNG", dpi=(200, 200))


def few_lines(seed: int) -> bytes:
    """A page of five to ten lines at 200 dpi."""
    return dense_page(seed, 200, FEW)


def scan(seed: int) -> bytes:
    """A full page as a scanner gives it at 300 dpi: soft, with some grain."""
    page = printed([dense_text(seed, DENSE)], Sheet(dpi=300, points=10.5))
    return encoded(scanned(page, seed), "JPEG", quality=85, dpi=(300, 300))


KINDS: Final[Mapping[str, Callable[[int], bytes]]] = {
    "dense A4 pages, 200 dpi": dense,
    "A4 pages of two columns, 200 dpi": columns,
    "pages of 5 to 10 lines, 200 dpi": few_lines,
    "scans, 300 dpi": scan,
}


def write(folder: Path, kind: Callable[[int], bytes], count: int) -> list[Path]:
    """Write so many different pages of a kind."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{kind.__name__}-{seed:04}" for seed in range(count)]
    with ThreadPoolExecutor(cores()) as pool:
        for path, body in zip(paths, pool.map(kind, range(count)), strict=True):
            path.write_bytes(body)
    return paths

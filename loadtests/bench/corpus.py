"""The pages that speed is measured on, made from nothing and always the same."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from docmill.testing.documents import dense_page, dense_text
from docmill.testing.pictures import Sheet, encoded, printed, scanned
from docmill.work.settings import cores

DENSE: Final = 2400  # characters of a full page
FEW: Final = 500  # of one with some seven lines


def dense(seed: int) -> bytes:
    """A full A4 page at 200 dpi."""
    return dense_page(seed, 200, DENSE)


def few_lines(seed: int) -> bytes:
    """A page of five to ten lines at 200 dpi."""
    return dense_page(seed, 200, FEW)


def scan(seed: int) -> bytes:
    """A full page as a scanner gives it at 300 dpi: soft, with some grain."""
    page = printed([dense_text(seed, DENSE)], Sheet(dpi=300, points=10.5))
    return encoded(scanned(page, seed), "JPEG", quality=85, dpi=(300, 300))


KINDS: Final[Mapping[str, Callable[[int], bytes]]] = {
    "dense A4 pages, 200 dpi": dense,
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

"""Large pictures in little memory: they are put off, never left out or called broken."""

import subprocess
import sys
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from textwrap import dedent
from typing import Final

import pikepdf
import pytest
from PIL import Image

from docmill.adapters import pdf
from docmill.domain.rejection import PageUnreadable

SIDE: Final = 6000  # pixels; a picture of it takes 108 MB in colour, and as much in passes before
PUT_OFF: Final = "MemoryError: drawing a page with its pictures takes"
LIMITED: Final = """
    import resource, sys
    from pathlib import Path
    from docmill.adapters import image, pdf, room

    def limit(megabytes):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        size = pages * resource.getpagesize() + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
"""
DRAWN: Final = """
    with pdf.opened(Path(sys.argv[1])) as document, pdf.page(document, 1) as sheet:
        limit(int(sys.argv[2]))
        print(pdf.rendered(sheet, pdf.contents(sheet), 0.1).mean())
"""
DRAWN_LARGE: Final = DRAWN.replace("0.1", "1")
OPENED: Final = """
    limit(int(sys.argv[2]))
    with image.opened(Path(sys.argv[1]), "image/jpeg", 10**9) as picture:
        print(image.gray(picture, 10**6).mean())
"""


def encoded(side: int, gray: int = 90, kind: str = "JPEG", **options: object) -> bytes:
    file = BytesIO()
    Image.new("RGB", (side, side), (gray,) * 3).save(file, kind, **options)
    return file.getvalue()


def deflated(side: int, gray: int = 90) -> bytes:
    return zlib.compress(bytes((gray,)) * (3 * side * side), 1)


def page_with(
    path: Path,
    pictures: Sequence[bytes],
    side: int,
    *,
    name: str = "DCT",
    places: Sequence[str] = ("1000 0 0 1000 0 0",),
    size: tuple[int, int] = (1000, 1000),
    rotate: int = 0,
) -> Path:
    """Make a PDF with a page of square pictures, each shown at each of the places."""
    with pikepdf.new() as file:
        page = file.add_blank_page(page_size=size)
        streams = {
            f"/Im{number}": pikepdf.Stream(
                file,
                picture,
                Type=pikepdf.Name.XObject,
                Subtype=pikepdf.Name.Image,
                Width=side,
                Height=side,
                ColorSpace=pikepdf.Name.DeviceRGB,
                BitsPerComponent=8,
                Filter=pikepdf.Name(f"/{name}Decode"),
            )
            for number, picture in enumerate(pictures)
        }
        shown = "".join(f"q {place} cm {im} Do Q " for im in streams for place in places)
        page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(streams))
        page.Contents = pikepdf.Stream(file, shown.encode())
        page.Rotate = rotate
        file.save(path)
    return path


def limited(program: str, path: Path, megabytes: int) -> str:
    """Return what it prints, or the last line of its traceback, with so much memory left."""
    code = dedent(LIMITED) + dedent(program)
    command = [sys.executable, "-c", code, str(path), str(megabytes)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return (done.stdout or done.stderr).splitlines()[-1]


def test_a_picture_without_room_is_not_left_out(tmp_path: Path) -> None:
    path = page_with(tmp_path / "scan.pdf", [deflated(SIDE)], SIDE, name="Flate")
    assert float(limited(DRAWN, path, 300)) == pytest.approx(90, abs=1)
    assert limited(DRAWN, path, 20).startswith(PUT_OFF)


def test_neither_is_one_of_many(tmp_path: Path) -> None:
    photographs = [encoded(3000, gray) for gray in range(60, 180, 20)]
    path = page_with(tmp_path / "album.pdf", photographs, 3000)
    assert float(limited(DRAWN, path, 300)) == pytest.approx(160, abs=1)
    assert limited(DRAWN, path, 100).startswith(PUT_OFF)


def test_neither_is_one_in_passes(tmp_path: Path) -> None:
    picture = encoded(3000, progressive=True, subsampling=0)
    path = page_with(tmp_path / "passes.pdf", [picture], 3000)
    assert float(limited(DRAWN, path, 150)) == pytest.approx(90, abs=1)
    assert limited(DRAWN, path, 50).startswith(PUT_OFF)


def test_neither_is_a_jpeg_2000(tmp_path: Path) -> None:
    picture = encoded(2000, kind="JPEG2000")
    path = page_with(tmp_path / "waves.pdf", [picture], 2000, name="JPX")
    assert float(limited(DRAWN, path, 300)) == pytest.approx(90, abs=1)
    assert limited(DRAWN, path, 40).startswith(PUT_OFF)


def test_neither_is_one_on_a_turned_page(tmp_path: Path) -> None:
    path = page_with(
        tmp_path / "turned.pdf",
        [encoded(4400)],
        4400,
        places=["4000 0 0 200 0 0"],
        size=(4000, 200),
        rotate=90,
    )
    assert float(limited(DRAWN_LARGE, path, 300)) == pytest.approx(90, abs=1)
    assert limited(DRAWN_LARGE, path, 100).startswith(PUT_OFF)


def test_a_picture_shown_often_needs_room_once(tmp_path: Path) -> None:
    path = page_with(
        tmp_path / "tiles.pdf", [encoded(SIDE)], SIDE, places=9 * ["1000 0 0 1000 0 0"]
    )
    assert float(limited(DRAWN, path, 300)) == pytest.approx(90, abs=1)


def test_a_picture_beside_the_page_needs_none(tmp_path: Path) -> None:
    picture = [deflated(SIDE)]
    path = page_with(
        tmp_path / "board.pdf", picture, SIDE, name="Flate", places=["900 0 0 900 5000 0"]
    )
    assert float(limited(DRAWN, path, 20)) == 255


def test_a_progressive_jpeg_without_room_is_not_called_broken(tmp_path: Path) -> None:
    path = tmp_path / "passes.jpg"
    path.write_bytes(encoded(SIDE, progressive=True))
    assert float(limited(OPENED, path, 300)) == pytest.approx(90, abs=1)
    assert limited(OPENED, path, 60).startswith("MemoryError: a progressive JPEG takes 102 MB")


def test_a_jpeg_in_one_pass_needs_little_room(tmp_path: Path) -> None:
    path = tmp_path / "pass.jpg"
    path.write_bytes(encoded(SIDE))
    assert float(limited(OPENED, path, 60)) == pytest.approx(90, abs=1)


def test_what_pdfium_would_inflate_in_part_is_unreadable(tmp_path: Path) -> None:
    path = page_with(tmp_path / "plan.pdf", [zlib.compress(bytes(99))], 20_000, name="Flate")
    with (
        pdf.opened(path) as document,
        pdf.page(document, 1) as sheet,
        pytest.raises(PageUnreadable, match="inflates to more than 1024 MB"),
    ):
        pdf.rendered(sheet, pdf.contents(sheet), 0.1)

"""Large pictures in little memory: they are put off, never left out or called broken."""

import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path
from textwrap import dedent
from typing import Final

import pikepdf
import pytest
from PIL import Image

from docmill.adapters import pdf
from docmill.domain.rejection import PageUnreadable

SIDE: Final = 9000  # pixels; a colour picture of it takes 243 MB, in passes as much before that
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
OPENED: Final = """
    limit(int(sys.argv[2]))
    with image.opened(Path(sys.argv[1]), "image/jpeg", 10**9) as picture:
        print(image.gray(picture, 10**6).mean())
"""


def jpeg(*, progressive: bool) -> bytes:
    file = BytesIO()
    Image.new("RGB", (SIDE, SIDE), (90, 90, 90)).save(file, "JPEG", progressive=progressive)
    return file.getvalue()


def page_with(path: Path, picture: bytes, name: str, size: tuple[int, int]) -> Path:
    with pikepdf.new() as file:
        file.add_blank_page(page_size=(1000, 1000))
        stream = pikepdf.Stream(
            file,
            picture,
            Type=pikepdf.Name.XObject,
            Subtype=pikepdf.Name.Image,
            Width=size[0],
            Height=size[1],
            ColorSpace=pikepdf.Name.DeviceRGB,
            BitsPerComponent=8,
            Filter=pikepdf.Name(name),
        )
        file.pages[0].Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Im=stream))
        file.pages[0].Contents = pikepdf.Stream(file, b"q 1000 0 0 1000 0 0 cm /Im Do Q")
        file.save(path)
    return path


def limited(program: str, path: Path, megabytes: int) -> str:
    """Return what it prints, or the last line of its traceback, with so much memory left."""
    code = dedent(LIMITED) + dedent(program)
    command = [sys.executable, "-c", code, str(path), str(megabytes)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return (done.stdout or done.stderr).splitlines()[-1]


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("room") / "scan.pdf"
    return page_with(path, jpeg(progressive=False), "/DCTDecode", (SIDE, SIDE))


def test_a_picture_without_room_is_not_left_out(scanned: Path) -> None:
    assert float(limited(DRAWN, scanned, 600)) == pytest.approx(90, abs=1)
    assert limited(DRAWN, scanned, 100).startswith("MemoryError: an image of 9000 x 9000 pixels")


def test_a_progressive_jpeg_without_room_is_not_called_broken(tmp_path: Path) -> None:
    path = tmp_path / "passes.jpg"
    path.write_bytes(jpeg(progressive=True))
    assert float(limited(OPENED, path, 600)) == pytest.approx(90, abs=1)
    assert limited(OPENED, path, 100).startswith("MemoryError: a progressive JPEG takes 231 MB")


def test_a_jpeg_in_one_pass_needs_little_room(tmp_path: Path) -> None:
    path = tmp_path / "pass.jpg"
    path.write_bytes(jpeg(progressive=False))
    assert float(limited(OPENED, path, 100)) == pytest.approx(90, abs=1)


def test_what_pdfium_would_unpack_in_part_is_unreadable(tmp_path: Path) -> None:
    path = page_with(
        tmp_path / "plan.pdf", zlib.compress(bytes(99)), "/FlateDecode", (20_000, 28_000)
    )
    with (
        pdf.opened(path) as document,
        pdf.page(document, 1) as sheet,
        pytest.raises(PageUnreadable, match="20000 x 28000 pixels, unpacked more than 1024 MB"),
    ):
        pdf.rendered(sheet, pdf.contents(sheet), 0.1)

from pathlib import Path

import pytest
from PIL import Image

from docmill.domain.document import ArtifactKind
from docmill.domain.rejection import (
    PageUnreadable,
)
from docmill.domain.task import Stage
from docmill.testing import documents
from docmill.testing.pictures import encoded
from docmill_thumbnailer.stages import Thumbnail
from tests.stack.reading import Mill, picture_plan


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        assert image.format == "WEBP"
        assert not image.getexif()
        return image.size


def test_the_first_page_has_three_sizes_and_every_page_the_smallest(mill: Mill) -> None:
    made = mill.thumbnails(mill.file(documents.scanned_pdf(2)))
    assert [(each.kind, each.page, max(size(each.path))) for each in made] == [
        (ArtifactKind.THUMBNAIL_LARGE, 1, 1024),
        (ArtifactKind.THUMBNAIL_MEDIUM, 1, 400),
        (ArtifactKind.THUMBNAIL_SMALL, 1, 128),
        (ArtifactKind.THUMBNAIL_SMALL, 2, 128),
    ]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_thumbnails_stand_upright(mill: Mill, orientation: int) -> None:
    made = mill.thumbnails(mill.file(documents.page_jpeg(orientation=orientation)))
    assert size(made[0].path) == (724, 1024)


def test_a_small_picture_is_not_blown_up(mill: Mill) -> None:
    made = mill.thumbnails(mill.file(encoded(Image.new("L", (60, 30), 99), "PNG")))
    assert {size(each.path) for each in made} == {(60, 30)}


def test_a_document_without_one_drawable_page_has_no_thumbnail(mill: Mill) -> None:
    broken = mill.file(documents.truncated(documents.page_png()))
    with pytest.raises(PageUnreadable):
        mill.run(Thumbnail({}), broken, Stage.THUMBNAIL, plan=picture_plan("image/png").as_json())

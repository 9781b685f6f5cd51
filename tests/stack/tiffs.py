"""TIFFs looked into."""

from io import BytesIO

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile


def strips(content: bytes) -> list[bytes]:
    """Return the strips of the first frame as they are stored."""
    with Image.open(BytesIO(content)) as frame:
        assert isinstance(frame, TiffImageFile)
        places = zip(frame.tag_v2[273], frame.tag_v2[279], strict=True)
        return [content[at : at + size] for at, size in places]

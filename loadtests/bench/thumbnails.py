"""Thumbnails against a full decode by Pillow, which is what most programs do."""

from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from docmill.domain.task import Stage
from docmill.testing.documents import dense_page
from docmill.testing.pictures import encoded
from docmill_thumbnailer.stages import SIDES
from loadtests.bench import corpus, processor
from loadtests.bench.child import Inside, Order
from loadtests.bench.measure import Arm, Comparison, Goal, one_by_one
from loadtests.bench.size import Size
from tests.stack.reading import picture_plan


def results(size: Size) -> Iterator[dict[str, Any]]:
    """Measure a photo, a scan and a dense PNG."""
    for name, media_type, body in _pictures():
        with TemporaryDirectory() as folder:
            path = Path(folder) / "picture"
            path.write_bytes(body)
            plan = picture_plan(media_type).as_json()
            order = Order(stage=Stage.THUMBNAIL, original=path, plan=plan)
            goal = Goal(
                arm="docmill, all three from one decode", figure="cpu_ratio.median", least=3
            )
            comparison = Comparison(
                name=f"thumbnails: {name}",
                unit="page",
                arms=[
                    Arm("Pillow, three full decodes", _arm(partial(_full, path))),
                    Arm(goal.arm, _arm(partial(Inside(Path(folder)).run, order))),
                ],
                goals=[goal] if media_type == "image/jpeg" else [],
                note="WebP of 1024, 400 and 128 pixels.",
            )
            yield comparison.measure(size.rounds(quick=3, full=11))


def _pictures() -> Iterator[tuple[str, str, bytes]]:
    with Image.open(BytesIO(dense_page(1, 200))) as page:
        photo = page.convert("RGB").resize((4243, 6000))
    yield "JPEG of 25 megapixels", "image/jpeg", encoded(photo, "JPEG", quality=85)
    yield "scan, 300 dpi", "image/jpeg", corpus.scan(1)
    yield "dense PNG, 200 dpi", "image/png", corpus.dense(1)


def _arm(run: Callable[[], object]) -> Callable[..., Any]:
    return lambda: one_by_one([run] * 3, processor.here)


def _full(path: Path) -> None:
    for side in SIDES.values():
        with Image.open(path) as picture:
            whole = picture.convert("RGB")
            whole.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=None)
            whole.save(BytesIO(), "WEBP", quality=75)

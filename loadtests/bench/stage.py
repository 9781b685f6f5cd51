"""Each stage called directly and in its sandboxed child: what the isolation costs."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from docmill.domain.document import ArtifactKind
from docmill.domain.task import Stage
from docmill.testing.documents import scanned_pdf
from docmill.work.stage import StageResult
from loadtests.bench import corpus, processor
from loadtests.bench.child import Inside, Order, apart
from loadtests.bench.engine import order as recognise
from loadtests.bench.measure import Arm, Comparison, Sample, one_by_one
from loadtests.bench.size import Size
from tests.stack.reading import picture_plan


def results(size: Size) -> Iterator[dict[str, Any]]:
    """Measure the four stages."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        for order in _orders(folder, size.of(quick=1, full=3)):
            with apart(order[0].stage) as child:
                repeated = list(order) * (1 if order[0].stage is Stage.RECOGNISE else 5)
                comparison = Comparison(
                    name=f"stage: {order[0].stage}",
                    unit="task",
                    arms=[
                        Arm("called directly", _arm(Inside(folder).run, repeated)),
                        Arm("in the child", _arm(child.run, repeated, child.cpu)),
                    ],
                    note="Dense pages at 200 dpi; validate reads a scanned PDF of three pages.",
                )
                yield comparison.measure(size.rounds(quick=2, full=7))


def _arm(
    run: Callable[[Order], StageResult],
    orders: Sequence[Order],
    cpu: Callable[[], float] = processor.here,
) -> Callable[[], Sample]:
    return lambda: one_by_one([partial(run, order) for order in orders], cpu)


def _orders(folder: Path, count: int) -> Iterator[Sequence[Order]]:
    inside = Inside(folder)
    pdf = folder / "scanned.pdf"
    pdf.write_bytes(scanned_pdf(3))
    yield [Order(stage=Stage.VALIDATE, original=pdf)]
    pages = corpus.write(folder / "pages", corpus.dense, count)
    yield [recognise(path) for path in pages]
    yield [assemble(inside, path) for path in pages]
    plan = picture_plan("image/png").as_json()
    yield [Order(stage=Stage.THUMBNAIL, original=path, plan=plan) for path in pages]


def assemble(inside: Inside, path: Path) -> Order:
    """Recognise the page, and have the outputs made of it."""
    order = recognise(path)
    page = next(made.path for made in inside.run(order).made if made.kind is ArtifactKind.PAGE)
    return Order(stage=Stage.ASSEMBLE, original=path, plan=order.plan, pages={1: page})

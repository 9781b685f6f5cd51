"""All outputs from one recognition against the text alone."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from docmill.domain.document import ArtifactKind, Options, Output
from docmill.domain.task import Stage
from loadtests.bench import corpus, processor
from loadtests.bench.child import Inside, Order
from loadtests.bench.engine import order as recognise
from loadtests.bench.measure import Arm, Comparison, Goal, one_by_one
from loadtests.bench.size import Size

OVER: Final = 1.08  # all outputs may cost so much of the text alone
EVERY: Final = frozenset(Output) - {Output.THUMBNAILS}


def results(size: Size) -> Iterator[dict[str, Any]]:
    """Measure recognising and assembling every kind of page."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        inside = Inside(folder)
        for name, kind in corpus.KINDS.items():
            paths = corpus.write(folder / kind.__name__, kind, size.of(quick=2, full=5))
            yield _comparison(name, inside, paths).measure(size.rounds(quick=2, full=7))


def _comparison(name: str, inside: Inside, paths: Sequence[Path]) -> Comparison:
    wanted = {
        "text": Options(outputs=frozenset()),
        "text, words, hOCR and PDF": Options(outputs=EVERY),
    }
    arms = [Arm(each, partial(_read, inside, paths, options)) for each, options in wanted.items()]
    return Comparison(
        name=f"assemble: {name}",
        unit="page",
        arms=arms,
        goals=[Goal(arm=arms[1].name, figure="cpu_ratio.median", least=round(1 / OVER, 3))],
        note="Recognise and assemble, called directly: all outputs of one recognition, or text.",
    )


def _read(inside: Inside, paths: Sequence[Path], options: Options) -> Any:
    return one_by_one([partial(_one, inside, path, options) for path in paths], processor.here)


def _one(inside: Inside, path: Path, options: Options) -> None:
    order = recognise(path)
    page = next(made.path for made in inside.run(order).made if made.kind is ArtifactKind.PAGE)
    pages, plan = {1: page}, order.plan
    inside.run(Order(stage=Stage.ASSEMBLE, original=path, plan=plan, pages=pages, options=options))

"""Runs inside the OCR image: a child of its worker reads a page. read_page.py PAGE prints JSON."""

import json
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from docmill.domain.plan import Plan, PlannedPage, Source
from docmill.domain.rendering import read_page
from docmill.ports import go_on
from docmill.testing.children import Keeper, keeper
from docmill_ocr import tessdata

PLAN: Final = Plan(
    media_type="image/png",
    total_pages=1,
    pages=(
        PlannedPage(
            number=1, source=Source.RECOGNISE, reason="image", width=1, height=1, unit="px"
        ),
    ),
)


def read(made: Keeper, page: Path) -> dict[str, object]:
    """Give the page's text, and the protections that the child lacks."""
    models = tessdata.find("")
    child = made.child(
        stages="docmill_ocr.stages",
        settings={"DOCMILL_TESSDATA": str(models)},
        readable=[models],
        memory=2**30,
    )
    missing = child.ready().missing
    job = replace(
        made.job(child, page.name), plan=PLAN.as_json(), limits={"max_pixels": 600_000_000}
    )
    job.original.write_bytes(page.read_bytes())
    outcome = child.run(job, within=timedelta(minutes=2), check=go_on)
    return {"text": read_page(outcome.made[0].path.read_bytes()).text, "missing": missing}


def main() -> None:
    with keeper() as made:
        said = read(made, Path(sys.argv[1]))
    sys.stdout.write(f"{json.dumps(said)}\n")


if __name__ == "__main__":
    main()

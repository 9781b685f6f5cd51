"""`make bench`: everything against its bare baseline; `ARGS="--quick stack ledger"` for less."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from docmill.ops.logging import configure
from loadtests.bench import (
    assemble,
    engine,
    ingest,
    ledger,
    publish,
    reads,
    report,
    stack,
    stage,
    thumbnails,
)
from loadtests.bench.size import Size

SECTIONS: Final[Mapping[str, Callable[[Size], Iterator[dict[str, Any]]]]] = {
    "engine": engine.results,
    "stage": stage.results,
    "assemble": assemble.results,
    "thumbnails": thumbnails.results,
    "ingest": ingest.results,
    "ledger": ledger.results,
    "reads": reads.results,
    "stack": stack.results,
}


def main() -> int:
    """Measure, print tables, write the JSON; with --strict a missed floor is an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="minutes instead of an hour")
    parser.add_argument("--rounds", type=int, default=100, help="of each comparison, at most")
    parser.add_argument("--json", type=Path, default=Path(".local/bench.json"))
    parser.add_argument("--publish", action="store_true", help=f"write {publish.PAGE.name} anew")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a floor is missed")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    configure("bench", "WARNING")
    size = Size(quick=arguments.quick, most=arguments.rounds)
    found = report.Results(arguments.json, quick=arguments.quick)
    for name in arguments.sections or SECTIONS:
        for result in SECTIONS[name](size):
            found.add(name, result)
            print(report.table(result), flush=True)
    if arguments.publish:
        publish.write(found.measured)
    print("\n".join(["", *(f"MISSED {floor}" for floor in found.missed)]))
    return 1 if arguments.strict and found.missed else 0


if __name__ == "__main__":
    sys.exit(main())

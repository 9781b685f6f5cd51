"""The whole stack against the bare tesseract program, on the same pages in the same run.

    python -m loadtests.throughput [--documents 200] [--tenants 3] [--rounds 1]

Dense A4 pages of 200 dpi from several tenants go through a stack of their own, all outputs on,
timed from the first upload to the last `ready`; then the same files go through `tesseract` by
xargs on all cores (OMP_THREAD_LIMIT=1, same model, same outputs).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from deploy.local.stack import Stack
from docmill.testing.documents import dense_page
from tests.stack.flow import Caller, caller, inspector
from tests.stack.wait import until
from tests.stack.whole import whole_stack

CORES = len(os.sched_getaffinity(0))
DPI = 200  # from the file, for both


@dataclass(frozen=True)
class Round:
    """Pages a second of both arms."""

    ours: float
    bare: float

    @property
    def ratio(self) -> float:
        return self.ours / self.bare


def make_pages(folder: Path, count: int) -> list[Path]:
    """Write so many different dense pages."""
    paths = [folder / f"{seed:04}.png" for seed in range(count)]
    with ThreadPoolExecutor(CORES) as pool:
        bodies = pool.map(lambda seed: dense_page(seed, DPI, 2400), range(count))
        for path, body in zip(paths, bodies, strict=True):
            path.write_bytes(body)
    return paths


def ours(stack: Stack, keys: Sequence[str], paths: Sequence[Path]) -> float:
    """Send the pages in turn from each tenant; return pages a second until the last is ready."""
    callers = [(key, paths[index :: len(keys)]) for index, key in enumerate(keys)]
    began = time.monotonic()
    with ThreadPoolExecutor(len(keys)) as pool:
        uploaded = pool.map(lambda each: _upload(stack, *each), callers)
        documents = [document for each in uploaded for document in each]
    with inspector(stack) as inspect:
        live = "SELECT count(*) FROM document WHERE state IN ('received', 'processing')"
        until(lambda: not inspect.count(live), within=3600, every=0.1)
        took = time.monotonic() - began
        inspect.assert_each_ended_once(documents)
    return len(paths) / took


def _upload(stack: Stack, key: str, paths: Sequence[Path]) -> list[str]:
    with caller(stack, key) as client:
        return [_one(client, path) for path in paths]


def _one(client: Caller, path: Path) -> str:
    # a name of its own each round, or the idempotency key would give the last round's answer
    return client.upload(path.read_bytes(), f"{time.monotonic_ns()}-{path.name}")


def bare(paths: Sequence[Path]) -> float:
    """Run the tesseract program on all cores; return pages a second."""
    recognise = ["tesseract", "@", "@", "-l", "eng", "txt", "hocr", "pdf"]
    began = time.monotonic()
    subprocess.run(
        ["xargs", "-P", str(CORES), "-I@", *recognise],
        check=True,
        input="\n".join(str(path) for path in paths),
        text=True,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"OMP_THREAD_LIMIT": "1"},
    )
    return len(paths) / (time.monotonic() - began)


def main() -> int:
    """Measure, print, and exit 1 below the floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--tenants", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--floor", type=float, default=1.1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, whole_stack() as stack:
        paths = make_pages(Path(folder), arguments.documents)
        keys = [stack.make_tenant(f"load-{number}") for number in range(arguments.tenants)]
        _lift_quota(stack)
        warm = paths[: 2 * CORES]
        ours(stack, keys[:1], warm)
        rounds = [
            Round(ours=ours(stack, keys, paths), bare=bare(paths)) for _ in range(arguments.rounds)
        ]
    ratio = median(each.ratio for each in rounds)
    for each in rounds:
        print(f"docmill {each.ours:.3f} pages/s, tesseract {each.bare:.3f}: {each.ratio:.2f} x")
    print(json.dumps({"ratio": round(ratio, 3), "rounds": [vars(each) for each in rounds]}))
    return 0 if ratio >= arguments.floor else 1


def _lift_quota(stack: Stack) -> None:
    with inspector(stack) as inspect:
        inspect.rows("UPDATE tenant SET max_storage_bytes = 10000000000 RETURNING id")


if __name__ == "__main__":
    sys.exit(main())

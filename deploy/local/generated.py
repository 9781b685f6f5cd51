"""Generated files: `write` makes them again, `check` also fails when one had been stale."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.scripts.chart import CHART, README, SCHEMA, copies

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Generator:
    """A module that, run, writes these files."""

    module: str
    files: tuple[str, ...]

    def stale(self) -> list[str]:
        """Run it, and name the files that it changed."""
        before = self._contents()
        subprocess.run([sys.executable, "-m", self.module], cwd=ROOT, check=True)
        after = self._contents()
        return [file for file in self.files if before[file] != after[file]]

    def _contents(self) -> dict[str, bytes | None]:
        paths = {file: ROOT / file for file in self.files}
        return {file: path.read_bytes() if path.exists() else None for file, path in paths.items()}


def _chart() -> tuple[str, ...]:
    """What there is now: a copy whose source is gone counts as changed."""
    files = [path for path in (CHART / "files").rglob("*") if path.is_file()]
    return tuple(str(path.relative_to(ROOT)) for path in [README, SCHEMA, *files, *copies()])


GENERATORS: Final[tuple[Generator, ...]] = (
    Generator("deploy.scripts.states", ("docs/states.md",)),
    Generator("deploy.scripts.settings", ("docs/reference/settings.md", ".env.example")),
    Generator("deploy.scripts.metrics", ("docs/reference/metrics.md",)),
    Generator(
        "deploy.grafana.src",
        tuple(
            f"deploy/grafana/dashboards/{name}.json"
            for name in ("ocr", "overview", "pipeline", "resources", "stores")
        ),
    ),
    Generator(
        "deploy.scripts.api", ("docs/reference/errors.md", "docs/reference/api/openapi.json")
    ),
    Generator("deploy.scripts.chart", _chart()),
)


def main() -> int:
    stale = [file for generator in GENERATORS for file in generator.stale()]
    for file in stale:
        print(f"{file} was stale and is written again")
    return 1 if stale and sys.argv[1:] == ["check"] else 0


if __name__ == "__main__":
    sys.exit(main())

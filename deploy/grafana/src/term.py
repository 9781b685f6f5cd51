"""Words that dashboards and their tests share."""

from enum import StrEnum
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parents[1] / "dashboards"
OURS: Final = 'namespace=~"$namespace"'  # every selector of docmill's own metrics has it


class Unit(StrEnum):
    """Grafana's names of the units we use."""

    BYTES = "bytes"
    BYTES_PER_SECOND = "Bps"
    CORES = "cores"
    COUNT = "short"
    PER_SECOND = "cps"
    SECONDS = "s"
    SHARE = "percentunit"
    TIME = "dateTimeFromNow"

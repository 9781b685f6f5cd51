"""Coverage of processes that start with an environment of their own."""

import base64
import json
import os
import shutil
from pathlib import Path
from typing import Final

_VARIABLE: Final = "COVERAGE_PROCESS_CONFIG"  # set by coverage where a run is measured


def measured() -> dict[str, str]:
    """Return the variables that have a Python process measured too; none in an ordinary run."""
    return {name: value for name, value in os.environ.items() if name == _VARIABLE}


def measured_into(folder: Path) -> dict[str, str]:
    """As `measured`, for a process that may write only beneath the folder."""
    if _VARIABLE not in os.environ:
        return {}
    config = json.loads(base64.b64decode(os.environ[_VARIABLE]))
    config["data_file"] = str(folder / "coverage")
    return {_VARIABLE: base64.b64encode(json.dumps(config).encode()).decode()}


def collect(folder: Path) -> None:
    """Put what was measured into a folder where the run will find it."""
    if _VARIABLE not in os.environ:
        return
    target = Path(json.loads(base64.b64decode(os.environ[_VARIABLE]))["data_file"])
    for file in folder.glob("coverage.*"):
        shutil.copyfile(file, target.with_name(f"{target.name}{file.suffixes[0]}.{file.name}"))

"""The faults that chaos tests try one by one and a soak draws from.

Each breaks something on entry and mends it on exit; what is left, `Routed.mend` mends.
"""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.stack.disk import may_mount
from tests.stack.faults import broker, clock, disk, moment, postgres, service, store, sweep, way
from tests.stack.faults.fault import Fault

_MODULES: Final = (service, broker, postgres, store, way, clock, disk, sweep, moment)
FAULTS: Final[Mapping[str, Fault]] = {
    fault.__name__: fault
    for fault in itertools.chain.from_iterable(module.FAULTS for module in _MODULES)
}


def beyond(name: str) -> str | None:
    """Tell why this machine cannot have the fault, None when it can."""
    able, otherwise = _NEEDS.get(name.partition("_of_")[0], _NOTHING)
    return None if able() else otherwise


def _may_fake_clocks() -> bool:
    return any(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


_NOTHING: Final = (lambda: True, "")
_NEEDS: Final[Mapping[str, tuple[Callable[[], bool], str]]] = {
    "worker_disk_full": (may_mount, "a small disk must be mounted, which is not allowed here"),
    "clock": (_may_fake_clocks, "libfaketime is not installed"),
}

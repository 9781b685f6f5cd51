"""The faults that chaos tests try one by one and a soak draws from.

Each breaks something on entry and mends it on exit; what is left, `Routed.mend` mends.
"""

import itertools
from collections.abc import Mapping
from typing import Final

from tests.stack.faults import broker, clock, disk, postgres, service, store, sweep, way
from tests.stack.faults.fault import Fault

FAULTS: Final[Mapping[str, Fault]] = {
    fault.__name__: fault
    for fault in itertools.chain.from_iterable(
        module.FAULTS for module in (service, broker, postgres, store, way, clock, disk, sweep)
    )
}

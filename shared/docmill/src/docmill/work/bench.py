"""Where a claimed task is worked on: a slot's place, with a child or without."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from docmill.ports import Delivery, Ledger, Product
from docmill.work.grip import Grip


class Bench(Protocol):
    """One slot's place; used by one thread at a time."""

    def prepare(self, check: Callable[[], None], *, alone: bool) -> None:
        """Be ready for a task; raise ChildUnfit when that cannot be.

        `check` is called often meanwhile and raises to wait no longer.
        """

    def work(self, grip: Grip) -> Product:
        """Do the claimed task and store its artifacts; raise what `docmill.work.failure` reads.

        Stop soon after `grip.check()` raises.
        """

    def close(self) -> None:
        """End what is kept warm. Twice is safe."""


class InlineBench:
    """Delivers in this process: for what needs the network and reads nothing untrusted."""

    def __init__(self, ledger: Ledger, deliver: Callable[[Delivery], Mapping[str, Any]]) -> None:
        self._ledger = ledger
        self._deliver = deliver

    def prepare(self, check: Callable[[], None], *, alone: bool) -> None:
        """Nothing is kept warm."""

    def work(self, grip: Grip) -> Product:
        """Deliver once; the callable keeps its own time-outs."""
        delivery = self._ledger.delivery(grip.claim)
        grip.check()
        return Product(artifacts=(), engine="", facts=self._deliver(delivery))

    def close(self) -> None:
        """Nothing is open."""

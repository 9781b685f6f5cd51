"""What `/readyz` of this service asks."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from docmill.domain.errors import DependencyDown
from docmill.ops.health import Facts, Probe, Unwell
from docmill_ingest.compose import Ingest

PATIENCE: Final = timedelta(seconds=30)


class Patient:
    """Ill only after a while: a short outage is answered with 503s, not by leaving the rotation."""

    def __init__(
        self,
        ask: Callable[[], Facts | None],
        patience: timedelta = PATIENCE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._patience = patience.total_seconds()
        self._monotonic = monotonic
        self._well_at = monotonic()

    def __call__(self) -> Facts | None:
        try:
            facts = self._ask()
        except DependencyDown as error:
            silent = round(self._monotonic() - self._well_at, 1)
            if silent > self._patience:
                raise Unwell(str(error), silent_seconds=silent) from error
            return {"silent_seconds": silent}
        self._well_at = self._monotonic()
        return facts


def ready_probes(service: Ingest) -> Sequence[Probe]:
    """PostgreSQL is needed; without S3 rows are still read, and uploads answered 503."""
    return [
        Probe(name="postgresql", ask=Patient(service.health)),
        Probe(name="s3", ask=service.ping_store, critical=False),
    ]

"""What `/readyz` of this service asks."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from docmill.ops.health import Probe
from docmill_ingest.compose import Ingest

PATIENCE: Final = timedelta(seconds=30)


def ready_probes(service: Ingest) -> Sequence[Probe]:
    """PostgreSQL is needed, though a short outage is answered with 503s, in the rotation.

    Without S3 rows are still read, and uploads answered 503.
    """
    return [
        Probe(name="postgresql", ask=service.health, patience=PATIENCE),
        Probe(name="s3", ask=service.ping_store, critical=False),
    ]

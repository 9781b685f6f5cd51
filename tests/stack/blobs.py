"""Documents whose objects a store in memory holds."""

from io import BytesIO
from uuid import UUID

from docmill.domain.task import Pool
from docmill.testing.memory_blobs import MemoryBlobs
from tests.stack.ledger import Desk


def keep(blobs: MemoryBlobs, *keys: str) -> None:
    for key in keys:
        blobs.put(key, BytesIO(b"content"), media_type="text/plain")


def keys(blobs: MemoryBlobs) -> list[str]:
    return [stored.key for stored in blobs.list()]


def ready(ledger: Desk, blobs: MemoryBlobs, *, but: Pool | None = None) -> UUID:
    """A finished document whose objects are stored; one pool may leave its work undone."""
    document = ledger.accept().document
    ledger.work_off(but=but)
    parameters = {"id": document}
    rows = ledger.do(
        "SELECT key FROM document WHERE id = %(id)s"
        " UNION SELECT key FROM artifact WHERE document_id = %(id)s",
        parameters,
    )
    keep(blobs, *(row["key"] for row in rows))
    return document

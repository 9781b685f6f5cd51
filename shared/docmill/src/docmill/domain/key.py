"""Object keys: nothing is shared between documents, so an erase can be proven."""

from uuid import UUID

from docmill.domain.task import Stage


def document_prefix(tenant: str, document: UUID) -> str:
    """Everything stored for the document lies under this prefix, and nothing else does."""
    return f"{tenant}/{document}/"


def original_key(tenant: str, document: UUID) -> str:
    return f"{document_prefix(tenant, document)}original"


def artifact_key(
    tenant: str, document: UUID, *, run: int, stage: Stage, page: int, sha256: bytes
) -> str:
    """The key of an output, named by its content: two writers of one key write the same bytes."""
    return f"{document_prefix(tenant, document)}{run}/{stage}/{page}/{sha256.hex()}"

"""Waiting documents by the thousand, written at once: what a dispatcher finds after a flood."""

from itertools import pairwise
from typing import Final

from tests.stack.ledger import Desk

_SLICE: Final = 5_000  # documents a statement: within the statement time-out
_TENANTS: Final = """
WITH owner AS (
    INSERT INTO tenant (id, name, max_storage_bytes, max_pages)
    SELECT 't' || n, 't' || n, 1000000000000, 1000 FROM generate_series(1, %(tenants)s) AS n
    RETURNING id
)
INSERT INTO tenant_pool (tenant_id, pool, backlogged) SELECT id, 'validator', true FROM owner"""
_DOCUMENTS: Final = """
WITH made AS (
    INSERT INTO document (id, tenant_id, name, size, sha256, key, correlation, retention,
           accepted_at)
    SELECT gen_random_uuid(), 't' || (1 + n %% %(tenants)s), n || '.pdf', 10, '', '', '', '1 day',
           now() - interval '1 hour' + n * interval '1 ms'
      FROM generate_series(%(first)s, %(last)s - 1) AS n
    RETURNING id, tenant_id, accepted_at
), opened AS (
    INSERT INTO run (document_id, number, options) SELECT id, 1, '{}' FROM made
)
INSERT INTO task (tenant_id, document_id, run, stage, pool, rank, accepted_at)
SELECT tenant_id, id, 1, 'validate', 'validator', 0, accepted_at FROM made"""


def crowd(desk: Desk, *, documents: int, tenants: int) -> None:
    """Have so many documents of so many tenants wait for their validation."""
    desk.do(_TENANTS, {"tenants": tenants})
    for first, last in pairwise([*range(0, documents, _SLICE), documents]):
        desk.do(_DOCUMENTS, {"tenants": tenants, "first": first, "last": last})
    desk.do("ANALYZE")  # as autovacuum does after a minute


def wait_again(desk: Desk) -> int:
    """Put what was dispatched back where it waited, so that a crowd stays as large as it was."""
    back = "UPDATE task SET state = 'ready' WHERE state = 'queued' RETURNING id"
    return len(desk.do(back))

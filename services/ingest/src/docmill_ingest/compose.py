"""Puts the service together; leaving the block closes what it opened."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from flask import Flask

from docmill.adapters.postgres.accept import PostgresIntake
from docmill.adapters.postgres.batches import PostgresBatches
from docmill.adapters.postgres.bell import DOCUMENT, Bell
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.documents import Documents
from docmill.adapters.postgres.holds import PostgresHolds
from docmill.adapters.postgres.lifecycle import PostgresLifecycle
from docmill.adapters.postgres.listener import Listener
from docmill.adapters.postgres.pool import open_pool
from docmill.adapters.postgres.tenants import Tenants
from docmill.adapters.s3 import SENT_AT_ONCE, open_blobs
from docmill.ports import Blobs
from docmill_ingest.accept import Accept
from docmill_ingest.app import Parts, create_app
from docmill_ingest.auth import Authenticate
from docmill_ingest.batch_routes import Batching
from docmill_ingest.clock import SystemClock
from docmill_ingest.installed import Installed
from docmill_ingest.reads import Reads
from docmill_ingest.settings import IngestSettings
from docmill_ingest.waiting import Changes

NAME = "ingest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """The running service, as its host sees it."""

    app: Flask
    changes: Changes
    health: Callable[[], Mapping[str, int]]
    ping_store: Callable[[], None]


@contextmanager
def ingest(settings: IngestSettings) -> Iterator[Ingest]:
    """Open the stores and make the app; raise DatabaseDown when PostgreSQL stays away."""
    blobs = open_blobs(settings, connections=settings.threads * SENT_AT_ONCE)
    changes = Changes(settings.threads // 2)
    name = f"docmill-{NAME}"
    listener = Listener(settings.database_url, [DOCUMENT], changes.heard, name=name)
    with open_pool(settings, name=name) as pool:
        bell = Bell(pool)
        database = Database(pool, bell)
        listener.start()
        try:
            yield Ingest(
                app=create_app(_parts(settings, database, blobs, changes)),
                changes=changes,
                health=database.health,
                ping_store=blobs.ping,
            )
        finally:
            changes.close()
            listener.close()
            bell.close()
            blobs.close()


def _parts(settings: IngestSettings, database: Database, blobs: Blobs, changes: Changes) -> Parts:
    documents = Documents(database)
    lifecycle = PostgresLifecycle(database)
    reads = Reads(documents, blobs, changes)
    return Parts(
        accept=Accept(
            blobs=blobs,
            intake=PostgresIntake(database),
            find=reads.document,
            languages=Installed(documents.languages, settings.languages_default),
            patience=settings.upload_patience_seconds,
        ),
        reads=reads,
        lifecycle=lifecycle,
        batching=Batching(PostgresBatches(database), lifecycle),
        holds=PostgresHolds(database),
        authenticate=Authenticate(Tenants(database), SystemClock()),
        client_timeout=settings.client_timeout_seconds,
        stream_limit=settings.stream_limit_seconds,
    )

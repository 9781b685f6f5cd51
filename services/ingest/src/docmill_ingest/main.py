"""Entry point of `docmill-ingest`."""

import os

from docmill.adapters.postgres.schema import await_schema
from docmill.ops.startup import start
from docmill_ingest.compose import NAME
from docmill_ingest.hosting import Host
from docmill_ingest.settings import IngestSettings


def main() -> None:
    """Serve until a signal ends it."""
    settings = start(NAME, IngestSettings, os.environ)
    await_schema(NAME, settings)  # before the fork
    Host(settings).run()

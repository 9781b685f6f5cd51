"""Entry point of `docmill-ingest`."""

import os

from docmill.ops.startup import start
from docmill_ingest.compose import NAME
from docmill_ingest.hosting import Host
from docmill_ingest.settings import IngestSettings


def main() -> None:
    """Serve until a signal ends it."""
    settings = start(NAME, IngestSettings, os.environ)
    Host(settings).run()

"""Entry point of `docmill-ingest`."""

import os
import sys

from docmill.ops.logging import configure
from docmill.ops.settings import BadSettings
from docmill_ingest.compose import NAME
from docmill_ingest.hosting import Host
from docmill_ingest.settings import IngestSettings


def main() -> None:
    """Serve until a signal ends it."""
    try:
        settings = IngestSettings.from_env(os.environ)
    except BadSettings as error:
        sys.exit(str(error))
    configure(NAME, settings.log_level)
    Host(settings).run()

"""The notifier's process."""

import os

from docmill.domain.task import Pool
from docmill.ops.logging import logger
from docmill.ops.startup import start
from docmill.work.host import serve_inline
from docmill_notifier.deliver import Deliver
from docmill_notifier.settings import NotifierSettings

log = logger(__name__)


def main() -> None:
    """Deliver webhooks until SIGTERM; exit 2 on bad settings, 1 on anything unforeseen."""
    settings = start(Pool.NOTIFIER, NotifierSettings, os.environ)
    deliver = Deliver(settings)
    try:
        serve_inline(Pool.NOTIFIER, settings, deliver)
    finally:
        deliver.close()
    log.info("stopped")


if __name__ == "__main__":
    main()

"""The notifier's process."""

import os
import sys

from docmill.domain.task import Pool
from docmill.ops.logging import configure, logger
from docmill.ops.settings import BadSettings
from docmill.work.host import serve_inline
from docmill_notifier.deliver import Deliver
from docmill_notifier.settings import NotifierSettings

log = logger(__name__)


def main() -> None:
    """Deliver webhooks until SIGTERM; exit 2 on bad settings, 1 on anything unforeseen."""
    try:
        settings = NotifierSettings.from_env(os.environ)
    except BadSettings as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    configure(Pool.NOTIFIER, settings.log_level)
    deliver = Deliver(settings)
    try:
        serve_inline(Pool.NOTIFIER, settings, deliver)
    except Exception as error:
        log.critical("died", error=str(error), exc_info=True)
        sys.exit(1)
    finally:
        deliver.close()
    log.info("stopped")


if __name__ == "__main__":
    main()

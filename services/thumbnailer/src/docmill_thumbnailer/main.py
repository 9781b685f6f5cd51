"""The thumbnailer's process."""

import os
import sys

from docmill.domain.task import Pool
from docmill.ops.logging import configure
from docmill.ops.settings import BadSettings
from docmill.work.host import Trade, serve_children
from docmill_thumbnailer.settings import ThumbnailerSettings


def main() -> None:
    """Run until SIGTERM; exit 2 on bad settings, 1 on anything unforeseen."""
    try:
        settings = ThumbnailerSettings.from_env(os.environ)
    except BadSettings as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    configure(Pool.THUMBNAILER, settings.log_level)
    serve_children(Trade(pool=Pool.THUMBNAILER, stages="docmill_thumbnailer.stages"), settings)


if __name__ == "__main__":
    main()

"""The thumbnailer's process."""

import os

from docmill.domain.task import Pool
from docmill.ops.startup import start
from docmill.work.childhost import Trade, serve_children
from docmill_thumbnailer.settings import ThumbnailerSettings


def main() -> None:
    """Run until SIGTERM; exit 2 on bad settings, 1 on anything unforeseen."""
    settings = start(Pool.THUMBNAILER, ThumbnailerSettings, os.environ)
    serve_children(Trade(pool=Pool.THUMBNAILER, stages="docmill_thumbnailer.stages"), settings)


if __name__ == "__main__":
    main()

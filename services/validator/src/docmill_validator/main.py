"""The validator's process."""

import os

from docmill.domain.task import Pool
from docmill.ops.startup import start
from docmill.work.childhost import Trade, serve_children
from docmill_validator.count import count
from docmill_validator.settings import ValidatorSettings


def main() -> None:
    """Run until SIGTERM; exit 2 on bad settings, 1 on anything unforeseen."""
    settings = start(Pool.VALIDATOR, ValidatorSettings, os.environ)
    trade = Trade(pool=Pool.VALIDATOR, stages="docmill_validator.stages", observe=count)
    serve_children(trade, settings)


if __name__ == "__main__":
    main()

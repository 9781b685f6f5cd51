"""How every service begins: settings, then logs; faults of the settings end it with exit 2."""

import sys
from collections.abc import Mapping
from typing import TypeVar

from docmill.ops.logging import configure
from docmill.ops.settings import BadSettings, Settings

S = TypeVar("S", bound=Settings)
EXIT_BAD_SETTINGS = 2


def start(service: str, settings: type[S], env: Mapping[str, str]) -> S:
    """Read the settings and set up the logs; exit 2 with every fault on stderr when they are bad.

    What a service raises later is logged with its stack by the logs' hook and ends it with exit 1.
    """
    try:
        made = settings.from_env(env)
    except BadSettings as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_BAD_SETTINGS)
    configure(service, made.log_level)
    return made

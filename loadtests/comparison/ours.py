"""docmill's own worker runtime; its deliveries do what the stock actor does."""

import os
from collections.abc import Mapping
from typing import Any

from docmill.domain.errors import Transient
from docmill.domain.task import Pool
from docmill.ops.startup import start
from docmill.ports import Delivery
from docmill.work.host import serve_inline
from docmill.work.settings import WorkerSettings
from loadtests.comparison.work import Hiccup, perform


class TryAgain(Transient):
    """The task made its one error."""

    code = "hiccup"


def deliver(delivery: Delivery) -> Mapping[str, Any]:
    """Do the task whose number the delivery carries."""
    try:
        perform(delivery.payload["task"])
    except Hiccup as error:
        raise TryAgain(str(error)) from error
    return {}


if __name__ == "__main__":
    serve_inline(Pool.NOTIFIER, start("notifier", WorkerSettings, os.environ), deliver)

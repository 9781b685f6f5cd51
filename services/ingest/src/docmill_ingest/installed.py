"""Which languages can be read: what the living OCR workers say, asked at most every few seconds."""

import time
from collections.abc import Callable
from typing import Final

FRESH_SECONDS: Final = 5.0


class Installed:
    """The installed languages. Safe from any thread."""

    def __init__(
        self,
        ask: Callable[[], frozenset[str]],
        default: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._default = frozenset(part.strip() for part in default.split(",") if part.strip())
        self._monotonic = monotonic
        self._known: tuple[float, frozenset[str]] = (0.0, frozenset())

    def __call__(self) -> frozenset[str]:
        """Return them; while no worker lives, what was known last, or else the default."""
        until, known = self._known
        now = self._monotonic()
        if now >= until:
            known = self._ask() or known
            self._known = (now + FRESH_SECONDS, known)
        return known or self._default

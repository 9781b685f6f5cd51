"""LISTEN on a connection of its own, never through the pool or a transaction pooler."""

import threading
from collections.abc import Callable, Collection
from typing import Final, LiteralString

import psycopg

from docmill.ops.logging import logger

log = logger(__name__)
RECONNECT_SECONDS: Final = 1.0
WAIT_SECONDS: Final = 0.25  # how long a close may take to be seen


class Listener:
    """One thread that calls `heard(channel, payload)` for each notification.

    A notification may be lost while PostgreSQL is away: who waits must poll as well. After each
    (re)connection `heard(channel, "")` is called for every channel. `heard` must not block.
    """

    def __init__(
        self,
        url: str,
        channels: Collection[LiteralString],
        heard: Callable[[str, str], None],
        *,
        name: str,
    ) -> None:
        self._url = url
        self._channels = channels
        self._heard = heard
        self._closed = threading.Event()
        self._name = name
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start listening; connects and reconnects by itself."""
        self._thread.start()

    def close(self) -> None:
        """Stop within a second. Twice is safe."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(timeout=WAIT_SECONDS + 5)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                log.warning("listener_lost", error=str(error))
                self._closed.wait(RECONNECT_SECONDS)

    def _listen(self) -> None:
        with psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=5,
            application_name=f"{self._name}-listener",
            keepalives_idle=10,
        ) as connection:
            for channel in self._channels:
                connection.execute(f"LISTEN {channel}")
                self._heard(channel, "")
            while not self._closed.is_set():
                for notice in connection.notifies(timeout=WAIT_SECONDS, stop_after=1):
                    self._heard(notice.channel, notice.payload)

"""gunicorn, embedded: one process of threads, its stores opened after the fork.

One process, for its pool, its waiters and its metrics are one; more come by replicas.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from select import POLLIN, poll
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.http.errors import ParseException
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import ThreadWorker

from docmill.ops.health import HealthServer, Pulse, serving
from docmill.ops.logging import logger
from docmill_ingest import unparsed
from docmill_ingest.compose import NAME, ingest
from docmill_ingest.context import CLOSE
from docmill_ingest.proxied import behind
from docmill_ingest.readiness import ready_probes
from docmill_ingest.settings import IngestSettings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logger(__name__)
# Longer than the longest stall of the main loop; request threads do not count against it.
SILENCE_SECONDS: Final = 120
KEEPALIVE_SECONDS: Final = 30
GRACE_SECONDS: Final = 2
LINGER_MILLISECONDS: Final = 2  # a caller that waits for each answer sends its next request by then
STUCK: Final = timedelta(seconds=60)


class QuietLogger(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """Sends gunicorn's lines the way of all others; requests are logged by the app."""

    def setup(self, cfg: object) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Shows that it lives, and lets those go who wait as soon as it is asked to leave."""

    def notify(self) -> None:
        """Called once a turn of the accepting loop."""
        super().notify()
        self.app.pulse.beat()

    def handle(self, conn: Any) -> Any:
        """Called in a thread: serves the connection while its caller goes on at once.

        The way to the next request through the accepting loop took a third of an upload's time
        under the interpreter's lock.
        """
        kept = super().handle(conn)
        while kept is True and self._goes_on(conn):
            kept = super().handle(conn)
        return kept

    def _goes_on(self, conn: Any) -> bool:
        if not self.alive or self.nr_conns > self.cfg.threads:  # others may need the thread
            return False
        waiting = poll()
        waiting.register(conn.sock, POLLIN)
        return bool(waiting.poll(LINGER_MILLISECONDS))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # In a thread: a second signal would interrupt the first one's handler within its locks.
        threading.Thread(target=self.app.drain, name="drain", daemon=True).start()
        super().handle_exit(sig, frame)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Called for what is no request; gunicorn's own answers are HTML."""
        if not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        with suppress(OSError):  # the caller did not wait
            write_nonblock(client, unparsed.answer(exc, addr[0] if addr else ""))


@dataclass(frozen=True, slots=True)
class HangingUp:
    """Says `Connection: close` where the app wants it; gunicorn (27.0) ignores the app's header."""

    app: "WSGIApplication"

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], object]:
            if environ.get(CLOSE):
                start_response.__self__.force_close()  # type: ignore[attr-defined]  # its Response
            return start_response(status, headers, exc_info)

        return self.app(environ, start)


class Host(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """Runs the service until a signal ends it."""

    def __init__(self, settings: IngestSettings) -> None:
        self._settings = settings
        self._opened = ExitStack()
        self.pulse = Pulse("accepting", STUCK)
        super().__init__()

    def load_config(self) -> None:
        settings = self._settings
        values: dict[str, Any] = {
            "bind": f"{settings.host}:{settings.port}",
            "worker_class": Worker,
            "workers": 1,
            "threads": settings.threads,
            "worker_connections": settings.threads * 16,
            "keepalive": KEEPALIVE_SECONDS,
            "timeout": SILENCE_SECONDS,
            "graceful_timeout": int(settings.drain_seconds.total_seconds()) + GRACE_SECONDS,
            "logger_class": QuietLogger,
            "worker_exit": self._close,
            "control_socket_disable": True,  # a unix socket that nobody here would use
        }
        for name, value in values.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Open everything in the worker's process and return the WSGI application."""
        service = self._opened.enter_context(ingest(self._settings))
        health = HealthServer(
            NAME,
            self._settings.health_host,
            self._settings.health_port,
            live=[self.pulse.probe],
            ready=ready_probes(service),
        )
        self._opened.enter_context(serving(health))
        self.health, self.changes = health, service.changes
        log.info("started", host=self._settings.host, port=self._settings.port)
        settings = self._settings
        return behind(
            HangingUp(service.app), proxies=settings.trusted_proxies, hsts=settings.hsts_seconds
        )

    def drain(self) -> None:
        """Say that the process is leaving: unready, and nobody waits any more."""
        if hasattr(self, "health"):
            self.health.drain()
            self.changes.close()

    def _close(self, _arbiter: object, _worker: object) -> None:
        self._opened.close()
        log.info("stopped")

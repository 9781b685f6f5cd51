"""Health: `/livez`, `/readyz` and `/metrics` of a service, on a port of its own."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import Any, Final, Self

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from docmill.ops.exposition import exposition
from docmill.ops.logging import logger
from docmill.ops.metrics import BUILD
from docmill.ops.middleware import Unforeseen, attempted

log = logger(__name__)
TIMEOUT: Final = timedelta(seconds=5)
Facts = Mapping[str, Any]
Monotonic = Callable[[], float]


class Status(StrEnum):
    """What `/readyz` says of the whole service."""

    READY = "ready"
    DEGRADED = "degraded"  # works in part; stays in rotation
    UNREADY = "unready"


class Unwell(Exception):
    """A probe found its subject ill; `facts` are shown beside the reason."""

    def __init__(self, reason: str, **facts: object) -> None:
        super().__init__(reason)
        self.facts: Facts = facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A question about one thing the service needs.

    `ask` returns facts worth showing (or None) when all is well and raises when it is not; it has
    the time-out to answer. One that is not `critical` makes the service degraded, not unready.
    Raising and hanging are forgiven while its last good answer is younger than `patience`.
    """

    name: str
    ask: Callable[[], Facts | None]
    critical: bool = True
    patience: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A probe's answer."""

    name: str
    ok: bool
    critical: bool
    detail: str = ""
    facts: Facts = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return what `/readyz` shows of it."""
        shown: dict[str, Any] = {"ok": self.ok, "critical": self.critical}
        return shown | ({"detail": self.detail} if self.detail else {}) | dict(self.facts)


class Pulse:
    """A loop's sign of life: the loop beats, and the probe tells when it has not for too long."""

    def __init__(self, name: str, limit: timedelta) -> None:
        self._name = name
        self._limit = limit.total_seconds()
        self._last = time.monotonic()

    def beat(self) -> None:
        """Say that the loop goes round; call it once a turn."""
        self._last = time.monotonic()

    @property
    def probe(self) -> Probe:
        """The probe for `live`."""
        return Probe(name=self._name, ask=self._ask)

    def _ask(self) -> Facts:
        silent = round(time.monotonic() - self._last, 1)
        if silent > self._limit:
            raise Unwell(f"no progress for {silent} s", limit_seconds=self._limit)
        return {"last_progress_seconds": silent}


class _Asking:
    """Asks one probe, one question at a time: a hung answer is waited for, never asked again."""

    def __init__(self, probe: Probe, timeout: timedelta, monotonic: Monotonic) -> None:
        self._probe = probe
        self._monotonic = monotonic
        self._well_at = monotonic()
        self._timeout = timeout.total_seconds()
        self._lock = threading.Lock()
        self._answered: threading.Event | None = None
        self._check = self._checked(Unforeseen(TimeoutError()))

    def begin(self) -> threading.Event:
        with self._lock:
            if self._answered is None:
                self._answered = threading.Event()
                threading.Thread(target=self._run, args=(self._answered,), daemon=True).start()
            return self._answered

    def check(self, answered: threading.Event, deadline: float) -> Check:
        if answered.wait(max(0.0, deadline - self._monotonic())):
            return self._forgiven(self._check)
        silence = TimeoutError(f"no answer within {self._timeout:g} s")
        return self._forgiven(self._checked(Unforeseen(silence)))

    def _forgiven(self, check: Check) -> Check:
        silent = self._monotonic() - self._well_at
        if check.ok or silent >= self._probe.patience.total_seconds():
            return check
        return replace(check, ok=True, facts={**check.facts, "silent_seconds": round(silent, 1)})

    def _run(self, answered: threading.Event) -> None:
        self._check = self._checked(attempted(self._probe.ask))
        with self._lock:
            self._answered = None
        answered.set()

    def _checked(self, answer: Facts | Unforeseen | None) -> Check:
        probe = self._probe
        if not isinstance(answer, Unforeseen):
            self._well_at = self._monotonic()
            return Check(name=probe.name, ok=True, critical=probe.critical, facts=answer or {})
        unwell = isinstance(answer.error, Unwell)
        return Check(
            name=probe.name,
            ok=False,
            critical=probe.critical,
            detail=str(answer.error) if unwell else str(answer),
            facts=answer.error.facts if isinstance(answer.error, Unwell) else {},
        )


class Examination:
    """A set of probes asked together, each within the same time-out."""

    def __init__(
        self,
        probes: Sequence[Probe],
        timeout: timedelta = TIMEOUT,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self._asking = [_Asking(probe, timeout, monotonic) for probe in probes]
        self._timeout = timeout.total_seconds()
        self._monotonic = monotonic

    def __call__(self) -> list[Check]:
        """Ask all at once; return when all answered or the time is up."""
        deadline = self._monotonic() + self._timeout
        begun = [(asking, asking.begin()) for asking in self._asking]
        return [asking.check(answered, deadline) for asking, answered in begun]


def status(checks: Sequence[Check]) -> Status:
    """Return what the checks mean for the service."""
    failed = [check for check in checks if not check.ok]
    if any(check.critical for check in failed):
        return Status.UNREADY
    return Status.DEGRADED if failed else Status.READY


class HealthServer:
    """Serves the three routes from a daemon thread until closed.

    `live` probes ask only about the process itself (threads, progress), never a store. `facts` are
    fixed things to show in `/readyz`: build, sandbox, slots. Port 0 takes a free one; see `port`.
    """

    def __init__(
        self,
        service: str,
        host: str,
        port: int,
        *,
        live: Sequence[Probe] = (),
        ready: Sequence[Probe] = (),
        facts: Facts | None = None,
        timeout: timedelta = TIMEOUT,
    ) -> None:
        self._exposition = exposition(service)
        self._live = Examination(live, timeout)
        self._ready = Examination(ready, timeout)
        build = version("docmill")
        BUILD.labels(service, build).set(1)
        self._facts = {"service": service, "build": build, **(facts or {})}
        self._draining = threading.Event()
        self._http = _Server((host, port), self)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.2}, name="health"
        )
        self._thread.daemon = True

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._http.server_address[1])

    def drain(self) -> None:
        """Answer unready from now on: the service is leaving and wants no more work."""
        self._draining.set()

    def start(self) -> Self:
        """Serve in the background."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop serving. Twice is safe."""
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()

    def metrics(self) -> bytes:
        """Return the answer of `/metrics`."""
        return generate_latest(self._exposition)

    def livez(self) -> tuple[HTTPStatus, dict[str, Any]]:
        """Return the answer of `/livez`: 200 while the process makes progress."""
        checks = self._live()
        alive = all(check.ok for check in checks)
        code = HTTPStatus.OK if alive else HTTPStatus.SERVICE_UNAVAILABLE
        return code, {"status": "alive" if alive else "stuck", "checks": _shown(checks)}

    def readyz(self) -> tuple[HTTPStatus, dict[str, Any]]:
        """Return the answer of `/readyz`: 200 when ready or degraded, else 503."""
        checks = self._ready()
        if self._draining.is_set():
            checks.append(Check(name="draining", ok=False, critical=True, detail="shutting down"))
        found = status(checks)
        code = HTTPStatus.SERVICE_UNAVAILABLE if found is Status.UNREADY else HTTPStatus.OK
        return code, {"status": found, "checks": _shown(checks), "facts": self._facts}


@contextmanager
def serving(server: HealthServer) -> Iterator[HealthServer]:
    """Serve while the block runs; it drains nothing, that is the caller's to begin."""
    server.start()
    try:
        yield server
    finally:
        server.close()


def _shown(checks: Sequence[Check]) -> dict[str, Any]:
    return {check.name: check.as_json() for check in checks}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A stop must not wait for a probe that hangs.
    block_on_close = False

    def __init__(self, address: tuple[str, int], health: HealthServer) -> None:
        self.health = health
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        # Mostly a client that hung up; the base class would print a stack to stderr.
        log.info("health_request_failed", client=str(client_address), error=repr(sys.exc_info()[1]))


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10  # seconds for a client to send its request
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one of the three routes."""
        health = self.server.health
        match self.path.partition("?")[0]:
            case "/livez":
                self._json(*health.livez())
            case "/readyz":
                self._json(*health.readyz())
            case "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, health.metrics())
            case _:
                self._json(HTTPStatus.NOT_FOUND, {"routes": ["/livez", "/readyz", "/metrics"]})

    def _json(self, code: HTTPStatus, body: Mapping[str, Any]) -> None:
        text = json.dumps(body, default=str, indent=1) + "\n"
        self._answer(code, "application/json", text.encode())

    def _answer(self, code: HTTPStatus, media_type: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: a probe every few seconds is no event."""

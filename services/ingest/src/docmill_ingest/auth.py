"""Who calls: a key opens its tenant, for a scope, or nothing."""

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from docmill.adapters.postgres.tenants import Credential, FailedLogin, Tenants
from docmill.domain.errors import DatabaseDown
from docmill.domain.refusal import InvalidKey, MissingKey, ScopeMissing
from docmill.domain.tenant import Scope, TenantState, secret_hash, split_key
from docmill.ops.logging import logger
from docmill.ops.metrics import AUTHENTICATION_FAILURES
from docmill_ingest.clock import Clock

log = logger(__name__)
REMEMBERED_SECONDS: Final = 5.0  # how long a revoked key may still open
LOGGED_PER_SECOND: Final = 10
MAX_REMEMBERED: Final = 10_000


class Authenticate:
    """Turn a key's text into a credential. Safe from any thread."""

    def __init__(
        self, tenants: Tenants, clock: Clock, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._tenants = tenants
        self._clock = clock
        self._monotonic = monotonic
        self._remembered: dict[str, tuple[float, Credential]] = {}
        self._allowance = Allowance(LOGGED_PER_SECOND, monotonic)

    def __call__(self, text: str | None, *, address: str) -> Credential:
        """Raise MissingKey or InvalidKey; each failure is counted, and logged within bounds."""
        if not text:
            self._failed(address, None, "missing")
            raise MissingKey
        parts = split_key(text)
        if parts is None:
            self._failed(address, None, "malformed")
            raise InvalidKey
        credential = self._find(parts[0])
        reason = self._fault(credential, parts[1])
        if credential is None or reason:
            self._failed(address, parts[0], reason or "unknown")
            raise InvalidKey
        return credential

    def require(self, credential: Credential, scope: Scope, *, address: str) -> None:
        """Raise ScopeMissing unless the key allows it."""
        if credential.key.scope is not scope:
            self._failed(address, credential.key.id, "scope")
            raise ScopeMissing(f"the key's scope is {credential.key.scope}")

    def _find(self, key: str) -> Credential | None:
        now = self._monotonic()
        until, credential = self._remembered.get(key, (0.0, None))
        if credential is not None and now < until:
            return credential
        found = self._tenants.credential(key)
        self._remembered.pop(key, None)
        if found is not None:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = (now + REMEMBERED_SECONDS, found)
            self._tenants.mark_used([key])
        return found

    def _fault(self, credential: Credential | None, secret: str) -> str:
        """Why the credential does not open; empty when it does. The secret is compared first."""
        kept = credential.key.secret_sha256 if credential else bytes(32)
        matches = secrets.compare_digest(kept, secret_hash(secret))
        if credential is None or not matches:
            return "unknown"
        if credential.key.revoked_at is not None:
            return "revoked"
        if not credential.key.usable(self._clock.now()):
            return "expired"
        return "blocked" if credential.tenant.state is TenantState.SUSPENDED else ""

    def _failed(self, address: str, key: str | None, reason: str) -> None:
        AUTHENTICATION_FAILURES.labels(reason=reason).inc()
        if reason == "missing" or not self._allowance.take():
            return
        log.warning("authentication_failed", address=address, key=key, reason=reason)
        with suppress(DatabaseDown):  # the answer is 401 all the same
            self._tenants.log_failures([FailedLogin(address=address, key=key, reason=reason)])


class Allowance:
    """So many a second and no more, whoever asks."""

    def __init__(self, per_second: float, monotonic: Callable[[], float]) -> None:
        self._rate = per_second
        self._left = per_second
        self._monotonic = monotonic
        self._at = monotonic()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Use one; False when there is none left."""
        with self._lock:
            now = self._monotonic()
            self._left = min(self._rate, self._left + (now - self._at) * self._rate)
            self._at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True

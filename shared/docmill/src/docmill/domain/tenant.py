"""Who owns documents, what their plan allows, and the keys they call with."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

MIB: Final = 2**20
SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
KEY: Final = re.compile(r"dm_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class Scope(StrEnum):
    """What a key may do."""

    DOCUMENTS = "documents"
    OPERATOR = "operator"


class TenantState(StrEnum):
    """Whether a tenant may use docmill."""

    ACTIVE = "active"
    SUSPENDED = "suspended"  # its keys open nothing; its documents live on


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a tenant may use. `retention` is how long content stays after a document settled."""

    max_file_bytes: int = 10 * MIB
    max_pages: int = 100
    max_storage_bytes: int = 50 * MIB
    retention: timedelta = timedelta(hours=24)
    max_retention: timedelta = timedelta(hours=24)
    partial_results: bool = True
    starts_per_second: float | None = None  # tasks of all stages but notify; None: no limit


PLANS: Final = {
    "demo": Limits(starts_per_second=10),
    "standard": Limits(
        max_file_bytes=200 * MIB,
        max_pages=1_000,
        max_storage_bytes=100 * 1024 * MIB,
        retention=timedelta(days=30),
        max_retention=timedelta(days=365),
    ),
}
"""Presets a tenant starts with; afterwards each limit is the tenant's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """The unit of isolation, quota and fairness; `id` is a slug that people read."""

    id: str
    name: str
    state: TenantState = TenantState.ACTIVE
    limits: Limits = Limits()
    weight: float = 1.0
    max_running: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A credential as it is kept: its secret's hash, never the secret."""

    id: str
    tenant: str
    name: str
    scope: Scope
    secret_sha256: bytes = field(repr=False)
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def usable(self, at: datetime) -> bool:
        """Whether the key opens anything at that time."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key just made: the only moment its text is known."""

    id: str
    text: str = field(repr=False)
    secret_sha256: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a tenant uses now, of what its limits allow."""

    documents: int
    live_documents: int
    storage_bytes: int


def new_key() -> NewKey:
    """Make a key `dm_<id>_<secret>` with 256 bits of chance in its secret."""
    identity, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return NewKey(id=identity, text=f"dm_{identity}_{secret}", secret_sha256=secret_hash(secret))


def split_key(text: str) -> tuple[str, str] | None:
    """Tell a key's id and secret; None when the text is no key."""
    matched = KEY.fullmatch(text)
    return (matched[1], matched[2]) if matched else None


def secret_hash(secret: str) -> bytes:
    """The hash that is kept; plain SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()


def is_slug(text: str) -> bool:
    """Whether the text may name a tenant: lower case letters, digits and inner hyphens."""
    return SLUG.fullmatch(text) is not None

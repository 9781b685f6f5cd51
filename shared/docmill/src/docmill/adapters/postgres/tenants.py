"""Tenants and their keys."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import TypeAlias

from psycopg.errors import ForeignKeyViolation

from docmill.adapters.postgres.connection import Connection, Row
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.queries import load
from docmill.domain.task import Stage, TaskLimit
from docmill.domain.tenant import ApiKey, Limits, NewKey, Scope, Tenant, TenantState, new_key

Rows: TypeAlias = list[Row]


class NoSuchTenant(Exception):
    """There is no tenant of this name."""


class NoSuchKey(Exception):
    """There is no key of this id."""


class KeyEnded(Exception):
    """The key was revoked or has expired: it gives nobody another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A key and the tenant it speaks for."""

    key: ApiKey
    tenant: Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedLogin:
    """One refused credential."""

    address: str
    key: str | None
    reason: str


class Tenants:
    """Keeps tenants and keys. Every method raises DatabaseDown."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load("tenants")

    def add(self, tenant: Tenant) -> bool:
        """Add a tenant; False when one of this id exists, which is left as it is."""
        return bool(self._rows("add_tenant", **_columns(tenant)))

    def set(self, tenant: Tenant) -> None:
        """Replace a tenant's limits; raise NoSuchTenant. Twice is safe."""
        if not self._rows("set_tenant", **_columns(tenant)):
            raise NoSuchTenant(tenant.id)

    def get(self, tenant: str) -> Tenant:
        """Read a tenant; raise NoSuchTenant."""
        rows = self._rows("tenant", id=tenant)
        if not rows:
            raise NoSuchTenant(tenant)
        return _tenant(rows[0])

    def list(self) -> Sequence[Tenant]:
        return [_tenant(row) for row in self._rows("tenants")]

    def add_key(
        self, tenant: str, scope: Scope, *, name: str = "", expires_at: datetime | None = None
    ) -> NewKey:
        """Make a key and keep its hash; raise NoSuchTenant."""
        made = new_key()
        try:
            self._rows("add_key", **_key_columns(made, tenant, scope, name, expires_at))
        except ForeignKeyViolation as error:
            raise NoSuchTenant(tenant) from error
        return made

    def rotate_key(self, key: str, *, grace: timedelta) -> NewKey:
        """Make a like key and let the old one live for `grace` at most.

        Raise NoSuchKey, or KeyEnded for one that opens nothing any more.
        """
        made = new_key()

        def rotate(connection: Connection) -> bool:
            before = connection.execute(self._queries["key"], {"id": key}).fetchone()
            if before is None:
                return False
            if before["ended"]:
                raise KeyEnded(key)
            old = _key(before)
            columns = _key_columns(made, old.tenant, old.scope, old.name, old.expires_at)
            connection.execute(self._queries["add_key"], columns)
            connection.execute(self._queries["retire_key"], {"id": key, "grace": grace})
            return True

        if not self._database.run(rotate):
            raise NoSuchKey(key)
        return made

    def revoke_key(self, key: str) -> None:
        """Close a key at once; raise NoSuchKey. Twice is safe."""
        if not self._rows("revoke_key", id=key):
            raise NoSuchKey(key)

    def keys(self, tenant: str | None = None) -> Sequence[ApiKey]:
        """Read all keys, or a tenant's."""
        return [_key(row) for row in self._rows("keys", tenant=tenant)]

    def credential(self, key: str) -> Credential | None:
        """Read a key and its tenant by the key's id, valid or not."""
        rows = self._rows("credential", id=key)
        return Credential(key=_credential_key(rows[0]), tenant=_tenant(rows[0])) if rows else None

    def log_failures(self, failures: Sequence[FailedLogin]) -> None:
        """Add refused credentials to the log."""
        self._run(
            "log_failures",
            addresses=[each.address for each in failures],
            keys=[each.key for each in failures],
            reasons=[each.reason for each in failures],
        )

    def mark_used(self, keys: Sequence[str]) -> None:
        """Note when keys were last used. Twice is safe."""
        self._run("used_keys", keys=[*keys])

    def limit_stage(self, stage: Stage, starts_per_second: float | None) -> None:
        """Limit how many of its tasks start a second, over all tenants; None takes it away."""
        if starts_per_second is None:
            self._run("free_stage", stage=stage)
        else:
            self._run("limit_stage", stage=stage, rate=starts_per_second)

    def stage_limits(self) -> dict[Stage, float]:
        """Read the limited stages."""
        rows = self._rows("stage_limits")
        return {Stage(row["stage"]): row["starts_per_second"] for row in rows}

    def limit_tasks(self, stage: Stage, limit: TaskLimit, *, tenant: str | None = None) -> None:
        """Limit each task of a stage, of one tenant or of all that have no limit of their own.

        A limit that says nothing takes it away. Raise NoSuchTenant. Twice is safe.
        """
        unit = {"stage": stage, "tenant": tenant}
        if limit == TaskLimit():
            self._run("free_tasks", **unit)
            return
        try:
            self._run("limit_tasks", **unit, **asdict(limit))
        except ForeignKeyViolation as error:
            raise NoSuchTenant(tenant) from error

    def task_limits(self) -> dict[tuple[Stage, str | None], TaskLimit]:
        """Read the limits of tasks by stage and tenant."""
        return {
            (Stage(row["stage"]), row["tenant"]): TaskLimit(
                attempts=row["attempts"], deadline=row["deadline"]
            )
            for row in self._rows("task_limits")
        }

    def add_endpoint(self, tenant: str, url: str, secret: str) -> int:
        """Register a webhook endpoint and tell its id; raise NoSuchTenant."""
        try:
            rows = self._rows("add_endpoint", tenant=tenant, url=url, secret=secret)
        except ForeignKeyViolation as error:
            raise NoSuchTenant(tenant) from error
        return int(rows[0]["id"])

    def _rows(self, name: str, /, **parameters: object) -> Rows:
        query = self._queries[name]
        return self._database.once(
            lambda connection: connection.execute(query, parameters).fetchall()
        )

    def _run(self, name: str, /, **parameters: object) -> None:
        query = self._queries[name]
        self._database.once(lambda connection: connection.execute(query, parameters))


def _columns(tenant: Tenant) -> dict[str, object]:
    own = {
        "id": tenant.id,
        "name": tenant.name,
        "state": tenant.state.value,
        "weight": tenant.weight,
        "max_running": tenant.max_running,
    }
    return {**own, **asdict(tenant.limits)}


def _tenant(row: Row) -> Tenant:
    return Tenant(
        id=row["id"],
        name=row["name"],
        state=TenantState(row["state"]),
        weight=row["weight"],
        max_running=row["max_running"],
        limits=Limits(**{each.name: row[each.name] for each in fields(Limits)}),
    )


def _key_columns(
    made: NewKey, tenant: str, scope: Scope, name: str, expires_at: datetime | None
) -> dict[str, object]:
    return {
        "id": made.id,
        "tenant": tenant,
        "name": name,
        "scope": scope.value,
        "hash": made.secret_sha256,
        "expires_at": expires_at,
    }


def _key(row: Row) -> ApiKey:
    return ApiKey(
        id=row["id"],
        tenant=row["tenant_id"],
        name=row["name"],
        scope=Scope(row["scope"]),
        secret_sha256=bytes(row["hash"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )


def _credential_key(row: Row) -> ApiKey:
    named = {"id": "key_id", "tenant_id": "key_tenant", "name": "key_name"}
    renamed = {name: row[other] for name, other in named.items()}
    return _key({**row, **renamed, "created_at": row["key_created_at"]})

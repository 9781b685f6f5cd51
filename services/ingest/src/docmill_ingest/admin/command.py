"""What `docmill-admin` does."""

import argparse
import base64
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Final, TextIO
from urllib.parse import urlsplit

from docmill.adapters.postgres.bell import Bell
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.holds import PostgresHolds
from docmill.adapters.postgres.letters import PostgresLetters
from docmill.adapters.postgres.lifecycle import Answer, PostgresLifecycle
from docmill.adapters.postgres.migrate import MigrationChanged, MigrationLocked, migrate
from docmill.adapters.postgres.pool import open_pool
from docmill.adapters.postgres.tenants import KeyEnded, NoSuchKey, NoSuchTenant, Tenants
from docmill.domain.task import Stage, TaskLimit
from docmill.domain.tenant import PLANS, ApiKey, Limits, NewKey, Scope, Tenant, TenantState
from docmill.ops.settings import DatabaseSettings
from docmill_ingest.admin import letters

ACTOR: Final = "docmill-admin"  # in events and audit lines


class Refused(Exception):
    """The command cannot be done; the message says why."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command on an open database."""

    asked: argparse.Namespace
    tenants: Tenants
    database: Database
    out: TextIO

    def say(self, *columns: object) -> None:
        self.out.write("\t".join(str(each) for each in columns) + "\n")


def run(asked: argparse.Namespace, settings: DatabaseSettings, out: TextIO) -> None:
    """Do what was asked and write it to `out`; raise Refused or DatabaseDown."""
    if asked.do == "migrate":
        _migrate(settings.database_url, out, finish=asked.finish)
        return
    with _database(settings) as database, _refusing():
        if asked.do in letters.COMMANDS:
            letters.run(asked, PostgresLetters(database), out)
        else:
            _COMMANDS[asked.do](Command(asked, Tenants(database), database, out))


@contextmanager
def _database(settings: DatabaseSettings) -> Iterator[Database]:
    with open_pool(settings, name="docmill-admin") as pool:
        bell = Bell(pool)
        try:
            yield Database(pool, bell)
        finally:
            bell.close()


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except NoSuchTenant as error:
        raise Refused(f"there is no tenant {error}") from error
    except NoSuchKey as error:
        raise Refused(f"there is no key {error}") from error
    except KeyEnded as error:
        raise Refused(f"key {error} was revoked or has expired: create a new one") from error


def _migrate(url: str, out: TextIO, *, finish: bool) -> None:
    try:
        applied = migrate(url, finish=finish)
    except (MigrationChanged, MigrationLocked) as error:
        raise Refused(f"{(type(error).__doc__ or '').strip()} ({error})") from error
    out.writelines(f"{name}\n" for name in applied or ["nothing to do"])


def _tenant_create(command: Command) -> None:
    asked = command.asked
    tenant = Tenant(id=asked.tenant, name=asked.tenant, limits=PLANS[asked.plan])
    added = command.tenants.add(_changed(tenant, asked))
    command.say(asked.tenant, "created" if added else "exists already")


def _tenant_set(command: Command) -> None:
    asked = command.asked
    before = command.tenants.get(asked.tenant)
    if asked.plan:
        before = replace(before, limits=PLANS[asked.plan])
    command.tenants.set(_changed(before, asked))
    command.say(asked.tenant, "changed")


def _tenant_cancel(command: Command) -> None:
    tenant = command.tenants.get(command.asked.tenant).id
    cancelled = PostgresLifecycle(command.database).cancel_tenant(tenant, by=ACTOR)
    command.say(tenant, f"{cancelled} documents cancelled")


def _document_hold(command: Command) -> None:
    asked = command.asked
    holds = PostgresHolds(command.database)
    _say_hold(command, holds.hold(asked.document, reason=asked.reason, by=ACTOR), "held")


def _document_release(command: Command) -> None:
    holds = PostgresHolds(command.database)
    _say_hold(command, holds.release(command.asked.document, by=ACTOR), "released")


def _say_hold(command: Command, answer: Answer, done: str) -> None:
    document = command.asked.document
    if answer is Answer.MISSING:
        raise Refused(f"there is no document {document}, or it is being erased")
    command.say(document, done if answer is Answer.DONE else f"{done} already")


def _changed(tenant: Tenant, asked: argparse.Namespace) -> Tenant:
    state = getattr(asked, "state", None)
    return replace(
        tenant,
        name=asked.name or tenant.name,
        state=TenantState(state) if state else tenant.state,
        weight=tenant.weight if asked.weight is None else asked.weight,
        max_running=tenant.max_running if asked.max_running is None else asked.max_running,
        limits=_limits(tenant.limits, asked),
    )


def _limits(before: Limits, asked: argparse.Namespace) -> Limits:
    names = [each.name for each in fields(Limits)]
    given = {name: value for name in names if (value := getattr(asked, name)) is not None}
    if "retention" in given and "max_retention" not in given:
        given["max_retention"] = max(given["retention"], before.max_retention)
    limits = replace(before, **given)
    if limits.max_retention < limits.retention:
        raise Refused(f"--max-retention-hours is shorter than the retention, {limits.retention}")
    return limits


def _tenant_list(command: Command) -> None:
    for each in command.tenants.list():
        limits = each.limits
        command.say(
            each.id,
            each.state,
            f"{limits.max_file_bytes} B a file",
            f"{limits.max_pages} pages",
            f"{limits.max_storage_bytes} B storage",
            f"kept {limits.retention}",
            f"{limits.starts_per_second or 'any'} starts a second",
        )


def _key_create(command: Command) -> None:
    asked = command.asked
    until = asked.expires and datetime.now(UTC) + asked.expires
    _show(
        command,
        command.tenants.add_key(
            asked.tenant, Scope(asked.scope), name=asked.name, expires_at=until
        ),
    )


def _key_rotate(command: Command) -> None:
    asked = command.asked
    _show(command, command.tenants.rotate_key(asked.key, grace=asked.grace_hours))


def _show(command: Command, made: NewKey) -> None:
    command.say(f"key {made.id}, shown this once:")
    command.say(made.text)


def _key_revoke(command: Command) -> None:
    command.tenants.revoke_key(command.asked.key)
    command.say(command.asked.key, "revoked")


def _key_list(command: Command) -> None:
    now = datetime.now(UTC)
    for each in command.tenants.keys(command.asked.tenant):
        until = each.expires_at.isoformat(timespec="seconds") if each.expires_at else "no end"
        command.say(each.id, each.tenant, each.scope, _standing(each, now), until, each.name)


def _standing(key: ApiKey, now: datetime) -> str:
    if key.revoked_at:
        return "revoked"
    return "valid" if key.usable(now) else "expired"


def _endpoint_create(command: Command) -> None:
    url = urlsplit(command.asked.url)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise Refused("the address must begin with https:// or http://")
    # the form of Standard Webhooks
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    made = command.tenants.add_endpoint(command.asked.tenant, command.asked.url, secret)
    command.say(f"endpoint {made}; its secret, shown this once:")
    command.say(secret)


def _stage_limit(command: Command) -> None:
    rate = command.asked.starts_per_second
    command.tenants.limit_stage(Stage(command.asked.stage), rate)
    command.say(command.asked.stage, "no limit" if rate is None else f"{rate:g} starts a second")


def _stage_list(command: Command) -> None:
    for stage, rate in command.tenants.stage_limits().items():
        command.say(stage, f"{rate:g} starts a second")
    for (stage, tenant), limit in command.tenants.task_limits().items():
        command.say(stage, tenant or "every tenant", *_told(limit))


def _stage_task_limit(command: Command) -> None:
    asked = command.asked
    limit = TaskLimit(attempts=asked.attempts, deadline=asked.deadline)
    if asked.deadline and asked.stage == Stage.NOTIFY:
        raise Refused("a webhook has the notifier's own time-outs")
    command.tenants.limit_tasks(Stage(asked.stage), limit, tenant=asked.tenant)
    command.say(asked.stage, asked.tenant or "every tenant", *_told(limit))


def _told(limit: TaskLimit) -> list[str]:
    attempts = limit.attempts and f"{limit.attempts} attempts"
    deadline = limit.deadline and f"{limit.deadline.total_seconds():g} s"
    return [each for each in (attempts, deadline) if each] or ["no limit"]


_COMMANDS: Final[Mapping[str, Callable[[Command], None]]] = {
    "tenant create": _tenant_create,
    "tenant set": _tenant_set,
    "tenant list": _tenant_list,
    "tenant cancel": _tenant_cancel,
    "document hold": _document_hold,
    "document release": _document_release,
    "key create": _key_create,
    "key rotate": _key_rotate,
    "key revoke": _key_revoke,
    "key list": _key_list,
    "endpoint create": _endpoint_create,
    "stage limit": _stage_limit,
    "stage list": _stage_list,
    "stage task-limit": _stage_task_limit,
}

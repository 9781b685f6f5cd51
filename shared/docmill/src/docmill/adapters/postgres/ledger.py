"""A worker's side of the queue of record: claim, renew, commit, fail, release."""

import random
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from psycopg.types.json import Jsonb

from docmill.adapters.postgres.batches import announce
from docmill.adapters.postgres.bell import READY
from docmill.adapters.postgres.commit import record
from docmill.adapters.postgres.connection import Connection, Row
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.ending import end_attempt
from docmill.adapters.postgres.queries import load
from docmill.adapters.postgres.settle import Locked, locked
from docmill.domain.document import Artifact, ArtifactKind, Options
from docmill.domain.errors import LostClaim
from docmill.domain.retrying import after
from docmill.domain.task import Claim, Failure, Hint, Outcome, RetryPolicy, Stage, TaskLimit
from docmill.ports import Beat, Delivery, Product

SQL: Final = load("ledger")
LEASE: Final = timedelta(seconds=45)


class PostgresLedger:
    """The Ledger and Workers ports on PostgreSQL; see `docmill.ports` for the promises."""

    def __init__(
        self,
        database: Database,
        *,
        lease: timedelta = LEASE,
        policy: RetryPolicy | None = None,
    ) -> None:
        self._database = database
        self._lease = lease
        self._policy = policy or RetryPolicy()
        # a receiver may be away for an hour; nothing waits for it
        self._patient = replace(self._policy, attempts=12, cap=timedelta(hours=1))

    def claim(self, hint: Hint, *, worker: str, alone: bool) -> Claim | None:
        """Claim the task when the hint is current; see the port."""
        parameters = {
            "task": hint.task,
            "dispatch": hint.dispatch,
            "worker": worker,
            "alone": alone,
            "lease": self._lease,
        }
        row = self._one("claim_task", parameters)
        return _claim(row, self._lease) if row else None

    def suspect(self, hint: Hint) -> bool:
        """Whether the hinted task must run alone."""
        row = self._one("suspect", {"task": hint.task, "dispatch": hint.dispatch})
        return bool(row and row["alone"])

    def live(self, claims: Collection[Claim]) -> frozenset[int]:
        """Of these claims, the tokens that still hold."""
        return self._tokens("live_tokens", claims)

    def renew(self, claims: Collection[Claim]) -> frozenset[int]:
        """Extend the leases on PostgreSQL's clock; return the tokens that still hold."""
        return self._tokens("renew", claims)

    def inputs(self, claim: Claim) -> Sequence[Artifact]:
        """The pages that assemble reads; nothing for the other stages."""
        if claim.stage is not Stage.ASSEMBLE:
            return []
        parameters = {"document": claim.document, "run": claim.run}
        rows = self._database.once(lambda c: c.execute(SQL["inputs"], parameters).fetchall())
        return [Artifact(**{**row, "kind": ArtifactKind(row["kind"])}) for row in rows]

    def commit(self, claim: Claim, product: Product) -> None:
        """Store the result, insert what comes next and settle, in one transaction; fenced."""
        if claim.document is None:
            self._database.run(lambda connection: _delivered(connection, claim))
            return
        document = self._database.run(lambda connection: _commit(connection, claim, product))
        self._ring(document)

    def fail(self, claim: Claim, failure: Failure) -> None:
        """End the attempt: try again, or dead and settled, as the policy says."""
        jitter = random.uniform(0.5, 1.5)  # noqa: S311 - spreads retries, guards nothing
        policy = self._patient if claim.stage is Stage.NOTIFY else self._policy
        policy = replace(policy, attempts=claim.limit.attempts or policy.attempts)
        document = self._database.run(lambda c: _fail(c, claim, failure, policy, jitter))
        self._ring(document)

    def outages(self, claim: Claim) -> int:
        """How many attempts of the claimed task ended by a dependency's fault."""
        row = self._one("outages", {"task": claim.task})
        return int(row["outages"]) if row else 0

    def release(self, claim: Claim) -> None:
        """Give the task back unspent. Twice is safe."""
        failure = Failure(outcome=Outcome.RELEASED, code="released")
        try:
            self.fail(claim, failure)
        except LostClaim:
            return

    def delivery(self, claim: Claim) -> Delivery:
        """What a notify task delivers."""
        row = self._one("delivery", {"delivery": claim.delivery})
        if row is None:
            raise LostClaim(claim.task)
        return Delivery(**row)

    def ping(self) -> None:
        """Return when PostgreSQL answers within 5 s."""
        self._database.ping()

    def beat(self, beat: Beat) -> None:
        """Say that the worker lives."""
        parameters = {
            "worker": beat.worker,
            "pool": beat.pool,
            "slots": beat.slots,
            "build": beat.build,
            "languages": list(beat.languages),
            "memory": beat.memory,
            "engines": Jsonb(dict(beat.engines)),
            "down": list(beat.down),
        }
        self._execute("beat", parameters)

    def leave(self, worker: str) -> None:
        """Remove the worker's row."""
        self._execute("leave", {"worker": worker})

    def _ring(self, document: Locked | None) -> None:
        if document is None:  # a webhook's task: it may be ready again
            self._database.bell.ring(READY)
        else:
            announce(self._database, document)

    def _one(self, query: str, parameters: dict[str, Any]) -> Row | None:
        return self._database.once(lambda c: c.execute(SQL[query], parameters).fetchone())

    def _execute(self, query: str, parameters: dict[str, Any]) -> None:
        self._database.once(lambda c: c.execute(SQL[query], parameters))

    def _tokens(self, query: str, claims: Collection[Claim]) -> frozenset[int]:
        if not claims:
            return frozenset()
        parameters = {
            "tasks": [claim.task for claim in claims],
            "tokens": [claim.token for claim in claims],
            "lease": self._lease,
        }
        rows = self._database.once(lambda c: c.execute(SQL[query], parameters).fetchall())
        return frozenset(row["token"] for row in rows)


def _claim(row: Row, lease: timedelta) -> Claim:
    options = Options.from_json(row["options"]) if row["options"] else Options()
    limit = TaskLimit(attempts=row.pop("attempts"), deadline=row.pop("deadline"))
    known = {"stage": Stage(row["stage"]), "options": options, "lease": lease, "limit": limit}
    return Claim(**{**row, **known})


def _commit(connection: Connection, claim: Claim, product: Product) -> Locked:
    document = _locked(connection, claim)
    if not _fenced(connection, claim):
        return document
    record(document, claim, product)
    if claim.run == document.run and claim.stage.gates:
        document.settle()
    document.save()
    return document


def _delivered(connection: Connection, claim: Claim) -> None:
    if _fenced(connection, claim):
        connection.execute(SQL["delivered"], {"delivery": claim.delivery})


def _fenced(connection: Connection, claim: Claim) -> bool:
    """Finish the task; False when this token already has (a lost reply), else LostClaim."""
    parameters = {"task": claim.task, "token": claim.token}
    if connection.execute(SQL["finish_task"], parameters).fetchone() is None:
        if connection.execute(SQL["was_finished"], parameters).fetchone() is None:
            raise LostClaim(claim.task)
        return False
    return True


def _locked(connection: Connection, claim: Claim) -> Locked:
    document = locked(connection, claim.document) if claim.document else None
    if document is None:
        raise LostClaim(claim.task)
    return document


def _fail(
    connection: Connection, claim: Claim, failure: Failure, policy: RetryPolicy, jitter: float
) -> Locked | None:
    document = _locked(connection, claim) if claim.document else None
    ended = end_attempt(
        connection,
        document,
        claim,
        failure,
        lambda spent: after(failure, spent, policy, jitter=jitter),
    )
    if not ended:
        raise LostClaim(claim.task)
    return document

"""A ledger on a real database, and the moves that tests make with it."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from docmill.adapters.postgres.accept import Accepted, Idempotency, PostgresIntake
from docmill.adapters.postgres.connection import Row
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.dispatch import Dispatched, PostgresDispatch
from docmill.adapters.postgres.ledger import PostgresLedger
from docmill.adapters.postgres.lifecycle import PostgresLifecycle
from docmill.adapters.postgres.pool import open_pool
from docmill.adapters.postgres.retention import PostgresRetention
from docmill.domain.document import Artifact, ArtifactKind, Options, Priority, Upload
from docmill.domain.identifier import new_id
from docmill.domain.plan import Plan, PlannedPage, Source
from docmill.domain.task import Claim, Pool, Stage
from docmill.ops.settings import DatabaseSettings
from docmill.ports import Product

TENANT = "acme"


@dataclass
class Desk:
    """Everything that touches one ledger, by short names."""

    database: Database
    lease: timedelta = timedelta(seconds=45)
    tick: timedelta = timedelta(milliseconds=100)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.intake = PostgresIntake(self.database)
        self.ledger = PostgresLedger(self.database, lease=self.lease)
        self.dispatch = PostgresDispatch(self.database, tick=self.tick)
        self.lifecycle = PostgresLifecycle(self.database)

    def tenant(self, tenant: str = TENANT, **columns: Any) -> str:
        """Make a tenant with room for anything, unless it is there."""
        values = {"max_storage_bytes": 10**12, "max_pages": 1000} | columns
        names = ", ".join(values)
        slots = ", ".join(f"%({name})s" for name in values)
        self.do(
            f"INSERT INTO tenant (id, name, {names}) VALUES (%(id)s, %(id)s, {slots})"
            " ON CONFLICT DO NOTHING",
            {"id": tenant} | values,
        )
        return tenant

    def do(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement in a transaction of its own."""

        def work(connection: Any) -> list[Row]:
            done = connection.execute(query, parameters)
            return done.fetchall() if done.description else []

        return self.database.run(work)

    def accept(
        self, tenant: str = TENANT, *, idempotency: Idempotency | None = None, **wishes: Any
    ) -> Accepted:
        """Take a document in, without a file; `wishes` as for `reserved`."""
        return self.intake.accept(self.reserved(tenant, **wishes), idempotency)

    def reserved(
        self,
        tenant: str = TENANT,
        *,
        priority: Priority = Priority.DEFAULT,
        options: Options | None = None,
        batch: UUID | None = None,
    ) -> Upload:
        """Begin an upload."""
        document = new_id()
        key = f"{tenant}/{document}/original"
        self.intake.reserve(
            tenant=tenant, document=document, key=key, size=0, patience=timedelta(hours=1)
        )
        return Upload(
            document=document,
            tenant=tenant,
            key=key,
            name=f"{next(self.numbers)}.pdf",
            declared_type="application/pdf",
            size=10,
            sha256=document.bytes * 2,
            options=options or Options(),
            priority=priority,
            retention=timedelta(hours=1),
            correlation="test",
            api_key="test",
            batch=batch,
        )

    def pick(self, *pools: Pool) -> list[Dispatched]:
        """Pick from the pools, from all without naming one."""
        return [each for pool in pools or tuple(Pool) for each in self.dispatch.pick(pool)]

    def claim(self, dispatched: Dispatched, *, worker: str = "w1") -> Claim:
        """Claim what must be claimable."""
        alone = self.ledger.suspect(dispatched.hint)
        claim = self.ledger.claim(dispatched.hint, worker=worker, alone=alone)
        assert claim is not None
        return claim

    def claims(self, *pools: Pool) -> list[Claim]:
        """Pick and claim."""
        return [self.claim(each) for each in self.pick(*pools)]

    def work_off(self, *, pages: int = 2, text: int = 0, but: Pool | None = None) -> list[Claim]:
        """Do all there is, until nothing is picked, but for one pool's work.

        Validate plans so many pages, the first `text` of them from the text layer.
        """
        done = []
        pools = [pool for pool in Pool if pool is not but]
        while claims := self.claims(*pools):
            for claim in claims:
                self.ledger.commit(claim, product(claim, pages=pages, text=text))
            done += claims
        return done

    @contextmanager
    def held(self, document: UUID) -> Iterator[None]:
        """Have somebody else's session hold the document's row meanwhile."""
        with self.database.pool.connection() as other, other.transaction():
            other.execute("SELECT FROM document WHERE id = %s FOR UPDATE", [document])
            yield

    def expire(self, document: UUID) -> None:
        """Let the retention of a document that has ended, and that nobody holds, be over."""
        self.do(
            "UPDATE document SET expires_at = now()"
            " WHERE id = %(id)s AND expires_at IS NOT NULL AND held_at IS NULL",
            {"id": document},
        )
        PostgresRetention(self.database).expire(document)

    def document(self, document: UUID) -> Row:
        return self.do("SELECT * FROM document WHERE id = %(id)s", {"id": document})[0]

    def tasks(self, document: UUID) -> list[Row]:
        return self.do(
            "SELECT * FROM task WHERE document_id = %(id)s ORDER BY id", {"id": document}
        )

    def events(self, document: UUID) -> list[str]:
        rows = self.do(
            "SELECT kind FROM event WHERE document_id = %(id)s ORDER BY seq", {"id": document}
        )
        return [row["kind"] for row in rows]


def lengthened(desk: Desk, document: UUID) -> int:
    """Lengthen a document's history to more than two pages; return its last number."""
    desk.do(
        "INSERT INTO event (document_id, seq, kind, run) SELECT document_id, seq, 'looked_at', 1"
        "  FROM (SELECT document_id, max(seq) AS last FROM event GROUP BY 1) AS e,"
        "       generate_series(last + 1, 2500) AS seq WHERE document_id = %(document)s",
        {"document": document},
    )
    return 2500


def flood(ledger: Desk, tenant: str, documents: int, priority: Priority = Priority.DEFAULT) -> None:
    """Have so many documents of the tenant wait."""
    ledger.tenant(tenant)
    for _ in range(documents):
        ledger.accept(tenant, priority=priority)


@contextmanager
def desk(url: str, **settings: Any) -> Iterator[Desk]:
    """A desk on a migrated database."""
    with open_pool(DatabaseSettings(database_url=url, database_pool_size=12), name="test") as pool:
        database = Database(pool)
        made = Desk(database, **settings)
        made.tenant()
        yield made
        database.bell.close()


def plan(pages: int, *, text: int = 0) -> dict[str, Any]:
    """A plan of so many pages, the first `text` of them from the text layer."""
    planned = tuple(
        PlannedPage(
            number=number,
            source=Source.TEXT if number <= text else Source.RECOGNISE,
            reason="test",
            width=100,
            height=200,
            unit="px",
        )
        for number in range(1, pages + 1)
    )
    return Plan(media_type="application/pdf", total_pages=pages, pages=planned).as_json()


def artifact(claim: Claim, kind: ArtifactKind, page: int = 0) -> Artifact:
    """An artifact that no store holds."""
    return Artifact(
        kind=kind,
        page=page,
        key=f"{claim.tenant}/{claim.document}/{claim.run}/{claim.stage}/{page}/{kind}",
        sha256=bytes(32),
        size=1,
        media_type="text/plain",
    )


def whole(claim: Claim) -> Product:
    """What a worker would commit for an only page that it has assembled too."""
    return replace(product(claim), assembled=product(claim.assembling))


def product(claim: Claim, *, pages: int = 2, text: int = 0) -> Product:
    """What a worker would commit for the claim."""
    artifacts: list[Artifact] = []
    facts: dict[str, Any] = {}
    match claim.stage:
        case Stage.VALIDATE:
            facts = {"plan": plan(pages, text=text)}
            artifacts = [artifact(claim, ArtifactKind.PAGE, page) for page in range(1, text + 1)]
        case Stage.RECOGNISE:
            artifacts = [artifact(claim, ArtifactKind.PAGE, claim.page)]
            facts = {"confidence": 90.0}
        case Stage.ASSEMBLE:
            artifacts = [artifact(claim, ArtifactKind.TEXT)]
        case _:
            pass
    return Product(artifacts=artifacts, engine="test", facts=facts)

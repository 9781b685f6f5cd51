"""Documents in, documents out: what end-to-end and chaos tests do as a caller, and then check."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx

from deploy.local.stack import Stack
from docmill.adapters.postgres.audit import PostgresAudit
from docmill.adapters.postgres.connection import Row
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.pool import open_pool
from docmill.adapters.s3 import S3Blobs, connect
from docmill.domain.errors import DatabaseDown
from docmill.ops.settings import DatabaseSettings, StoreSettings
from docmill.testing.documents import dense_page
from docmill.testing.history import check
from docmill.testing.history_store import Store
from tests.stack.wait import until

END = frozenset({"ready", "rejected", "failed", "cancelled"})


@dataclass
class Caller:
    """A client of the REST service with one tenant's key."""

    http: httpx.Client

    def upload(self, body: bytes, name: str = "page.png", **options: str) -> str:
        """Upload, and return the document's id; safe to repeat, so it is while nobody answers."""
        headers = {"Idempotency-Key": f"{name}-{hash((body, *sorted(options.items())))}"}
        posted = partial(self._post, body, {"name": name, **options}, headers)
        return str(until(posted, within=90)["id"])

    def get(self, document: str, **query: str) -> dict[str, Any]:
        answer = self.http.get(f"/v1/documents/{document}", params=query)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def text(self, document: str) -> str:
        return self.part(document, "text").text

    def part(self, document: str, part: str, **query: str) -> httpx.Response:
        """Get what must be there: an output, the original, the pages, the events."""
        answer = self.http.get(f"/v1/documents/{document}/{part}", params=query)
        answer.raise_for_status()
        return answer

    def items(self, document: str, part: str) -> list[dict[str, Any]]:
        """Get a list of the document's: its pages or events."""
        found: list[dict[str, Any]] = self.part(document, part).json()["items"]
        return found

    def thumbnail(self, document: str, part: str = "thumbnail", **query: str) -> httpx.Response:
        """Get a thumbnail, which may come after the document is ready."""

        def look() -> httpx.Response | None:
            answer = self.http.get(f"/v1/documents/{document}/{part}", params=query)
            return None if answer.status_code == httpx.codes.CONFLICT else answer

        answer = until(look)
        assert answer is not None
        return answer.raise_for_status()

    def ended(self, documents: Sequence[str], *, within: float = 120) -> list[dict[str, Any]]:
        """Wait until all have ended."""

        def look() -> list[dict[str, Any]]:
            found = [self._get(document) for document in documents]
            done = [each for each in found if each and each["state"] in END]
            return done if len(done) == len(documents) else []

        return until(look, within=within, every=0.2) if documents else []

    def _post(self, body: bytes, query: dict[str, str], headers: dict[str, str]) -> dict[str, Any]:
        try:
            answer = self.http.post("/v1/documents", params=query, content=body, headers=headers)
        except httpx.TransportError:
            return {}
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            return {}
        answer.raise_for_status()
        accepted: dict[str, Any] = answer.json()
        return accepted

    def _get(self, document: str) -> dict[str, Any] | None:
        try:
            return self.get(document)
        except httpx.HTTPError:  # nobody answers for now
            return None


@contextmanager
def caller(stack: Stack, key: str | None = None) -> Iterator[Caller]:
    headers = {"Authorization": f"Bearer {key or stack.key}"}
    with httpx.Client(base_url=stack.api, headers=headers, timeout=30) as http:
        yield Caller(http)


def pages(count: int, *, characters: int = 700, first: int = 0) -> list[bytes]:
    """So many different one-page scans; some half a second of OCR each."""
    return [dense_page(first + seed, dpi=150, characters=characters) for seed in range(count)]


@dataclass
class Inspector:
    """Looks at what a stack has done, past its API."""

    database: Database
    blobs: S3Blobs
    url: str
    store: Store

    def rows(self, query: str) -> list[Row]:
        def work(connection: Any) -> list[Row]:
            found: list[Row] = connection.execute(query).fetchall()
            return found

        try:
            return self.database.run(work)
        except DatabaseDown:  # the fault took our own connection; the pool has a new one
            return self.database.run(work)

    def count(self, query: str) -> int:
        return int(next(iter(self.rows(query)[0].values())))

    def passes(self, seconds: float) -> None:
        """Let so much time pass on PostgreSQL's clock, for what must not happen meanwhile."""
        clock = "SELECT extract(epoch FROM clock_timestamp()) AS at"
        over = float(self.rows(clock)[0]["at"]) + seconds
        until(lambda: self.rows(clock)[0]["at"] >= over, within=seconds + 30, every=0.2)

    def running(self, stage: str = "recognise") -> int:
        """Count the tasks of a stage that run now."""
        return self.count(
            f"SELECT count(*) FROM task WHERE stage = '{stage}' AND state = 'running'"
        )

    def assert_each_ended_once(self, documents: Sequence[str], state: str = "ready") -> None:
        """Every document is in the state, told so once, and no invariant is violated."""
        found = {str(row["id"]): row for row in self.rows("SELECT id, state FROM document")}
        wrong = {each: found.get(each) for each in documents if found[each]["state"] != state}
        assert not wrong
        told = {
            str(row["document_id"]): row["n"]
            for row in self.rows(
                f"SELECT document_id, count(*) AS n FROM event WHERE kind = '{state}' GROUP BY 1"
            )
        }
        assert {each: told[each] for each in documents} == dict.fromkeys(documents, 1)
        self.assert_invariants()

    def assert_invariants(self) -> None:
        assert PostgresAudit(self.database).all_violations(self.blobs) == []
        assert check(self.url, self.store) == []


@contextmanager
def inspector(stack: Stack) -> Iterator[Inspector]:
    environment = stack.environment()
    known = {name: environment[f"DOCMILL_{name.upper()}"] for name in StoreSettings.model_fields
             if f"DOCMILL_{name.upper()}" in environment}  # fmt: skip
    store = StoreSettings(**known)
    settings = DatabaseSettings(database_url=stack.database_url, database_pool_size=2)
    with open_pool(settings, name="inspector") as pool, closing(connect(store)) as client:
        database = Database(pool)
        yield Inspector(
            database,
            S3Blobs(client, store.s3_bucket),
            stack.database_url,
            Store(client, store.s3_bucket),
        )
        database.bell.close()

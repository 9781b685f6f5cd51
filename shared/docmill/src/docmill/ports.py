"""What docmill needs from the world, in its own words."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from uuid import UUID

from docmill.domain.document import Artifact
from docmill.domain.task import Claim, Failure, Hint, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a store holds under a key."""

    key: str
    size: int
    sha256: bytes | None  # None where only the size is known
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenUpload:
    """A multipart upload that was begun and neither completed nor aborted."""

    key: str
    upload_id: str
    begun_at: datetime


def go_on() -> None:
    """The check of whoever cannot be told to stop: nothing ends what it waits for."""


class Blobs(Protocol):
    """Bytes by key on an S3-compatible store.

    Every method raises StoreDown when the store does not answer, and may be called from any thread.
    """

    def put(self, key: str, body: BinaryIO, *, media_type: str) -> Stored:
        """Stream the body to the key in bounded memory, hashing on the way, and verify it.

        `body` needs `read(n)` only. What `body.read` raises passes through, and nothing stays
        behind under the key. Twice is safe: the last complete body wins.
        """

    def put_file(self, key: str, path: Path, *, media_type: str) -> Stored:
        """Store a file, a large one in parts. Twice is safe."""

    def open(
        self, key: str, *, start: int = 0, end: int | None = None
    ) -> AbstractContextManager[BinaryIO]:
        """Open bytes start to end (inclusive, as in HTTP ranges); raise BlobMissing."""

    def fetch(self, key: str, path: Path, check: Callable[[], None] = ...) -> Stored:
        """Write the blob to a new file, hashing on the way; raise BlobMissing.

        `check` is called with whatever arrives, however little, and raises to end it.
        """

    def head(self, key: str) -> Stored | None:
        """Tell size and time of a blob, or None; the SHA-256 where the store keeps it."""

    def delete(self, keys: Collection[str]) -> None:
        """Delete every version of the keys. Twice is safe; missing keys are no error."""

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """List what is stored under the prefix, in key order."""

    def open_uploads(self, prefix: str = "") -> Iterator[OpenUpload]:
        """List multipart uploads that nobody ended."""

    def abort(self, upload: OpenUpload) -> None:
        """Abort a multipart upload. Twice is safe."""

    def purge(self, prefix: str) -> int:
        """Delete every blob, version and open upload under a document's prefix; tell how many."""

    def ping(self) -> None:
        """Return when the store answers; raise StoreDown. Cheap: for health checks."""

    def probe(self) -> None:
        """Return when the store takes bytes and gives the very same back; raise StoreDown.

        A store that comes up answers before it can: this is what tells an outage from one bad key.
        """


class BlobMissing(Exception):
    """No blob is stored under the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """The result of a task, its artifacts already stored: what a commit records.

    `assembled` is what `assemble` would make, where it was done with the run's only page.
    """

    artifacts: Sequence[Artifact]
    engine: str
    facts: Mapping[str, Any]  # stage-specific: see docmill.work.stage
    assembled: "Product | None" = None


class Ledger(Protocol):
    """A worker's side of the queue of record. Every method raises DatabaseDown."""

    def claim(self, hint: Hint, *, worker: str, alone: bool) -> Claim | None:
        """Claim the task when the hint is current; None when stale, cancelled or taken.

        A task that must run alone (after a crash) is claimed only with `alone=True`; see `suspect`.
        Twice is safe: the dispatch number moves on with every dispatch, and the worker that has the
        task gets the same claim again, for the first reply may have been lost. So `worker` names
        one process of one boot, which must not ask for what it is working on.
        """

    def suspect(self, hint: Hint) -> bool:
        """Whether the hinted task must run alone."""

    def live(self, claims: Collection[Claim]) -> frozenset[int]:
        """Of these claims, the tokens that still hold (cheap: asked every second)."""

    def renew(self, claims: Collection[Claim]) -> frozenset[int]:
        """Extend the leases on PostgreSQL's clock; return the tokens that still hold."""

    def inputs(self, claim: Claim) -> Sequence[Artifact]:
        """The committed artifacts of the claim's run that its stage reads (assemble: all pages)."""

    def commit(self, claim: Claim, product: Product) -> None:
        """Store the result, insert what comes next and settle the document, in one transaction.

        Raise LostClaim when the token no longer holds; nothing is kept then.
        """

    def fail(self, claim: Claim, failure: Failure) -> None:
        """End the attempt: retry, or dead and settled, as policy says. Raise LostClaim."""

    def outages(self, claim: Claim) -> int:
        """How many attempts of the claimed task ended by a dependency's fault, unspent."""

    def release(self, claim: Claim) -> None:
        """Give the task back unspent (a drain). Twice is safe."""

    def delivery(self, claim: Claim) -> "Delivery":
        """What a notify task delivers."""

    def ping(self) -> None:
        """Return when PostgreSQL answers within the health check's time-out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one endpoint."""

    id: int
    url: str
    secret: str
    kind: str
    document: UUID | None  # None: the event is a batch's
    at: datetime
    payload: Mapping[str, Any]


class Workers(Protocol):
    """The worker registry."""

    def beat(self, beat: "Beat") -> None:
        """Say that the worker lives; upserts its row. Twice is safe."""

    def leave(self, worker: str) -> None:
        """Remove the worker's row at a clean end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What a worker says of itself every 10 s."""

    worker: str
    pool: str
    slots: int
    build: str
    languages: Sequence[str]
    memory: int
    engines: Mapping[str, str] = field(default_factory=dict)  # by stage, with their versions
    down: Sequence[str] = ()  # dependencies that do not answer it


class Publisher(Protocol):
    """Hints out to RabbitMQ, with pipelined confirms."""

    @property
    def ready(self) -> bool:
        """Whether hints can go out now."""

    def publish(self, hints: Sequence[tuple[Pool, Hint]]) -> set[Hint]:
        """Publish all; return those confirmed. Returned, nacked and unanswered ones are not."""

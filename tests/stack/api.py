"""The REST service on real servers: in this process, or as the process that production runs."""

import hashlib
import io
import os
import socket
import subprocess
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from docmill.adapters.postgres.tenants import Tenants
from docmill.adapters.s3 import S3Blobs, connect
from docmill.domain.document import Artifact, ArtifactKind
from docmill.domain.key import artifact_key
from docmill.domain.plan import Source
from docmill.domain.rendering import page_json
from docmill.domain.task import Claim, Failure, Outcome, Pool, Stage
from docmill.domain.tenant import Limits, Scope, Tenant
from docmill.domain.words import PageText, Word
from docmill.ops.settings import StoreSettings
from docmill.ports import Product
from docmill_ingest.compose import Ingest, ingest
from docmill_ingest.settings import IngestSettings
from tests.stack.ledger import Desk, desk, plan
from tests.stack.measure import measured
from tests.stack.wait import until

PDF = b"%PDF-1.7 not read by this service"
UNREADABLE = Failure(outcome=Outcome.PERMANENT, code="page_unreadable", detail="torn")
THUMBNAIL = (ArtifactKind.THUMBNAIL_SMALL, ArtifactKind.THUMBNAIL_MEDIUM)


@dataclass
class Api:
    """The service, a desk on its ledger, and callers of it."""

    service: Ingest
    desk: Desk
    blobs: S3Blobs
    settings: IngestSettings
    tenants: Tenants

    def tenant(self, name: str, **limits: Any) -> "Caller":
        """Make a tenant and a caller with its key."""
        self.tenants.add(Tenant(id=name, name=name, limits=replace(Limits(), **limits)))
        return self.caller(name)

    def caller(self, tenant: str, scope: Scope = Scope.DOCUMENTS) -> "Caller":
        key = self.tenants.add_key(tenant, scope).text
        return Caller(self.service.app.test_client(), {"Authorization": f"Bearer {key}"})

    def work_off(self, *pools: Pool, pages: int = 2, torn: Container[int] = frozenset()) -> None:
        """Do what workers would do with all there is, their artifacts stored; torn pages fail."""
        while claims := self.desk.claims(*pools):
            for claim in claims:
                if claim.stage is Stage.RECOGNISE and claim.page in torn:
                    self.desk.ledger.fail(claim, UNREADABLE)
                else:
                    self.desk.ledger.commit(claim, self.product(claim, pages=pages))

    def product(self, claim: Claim, *, pages: int = 2, title: str = "Page") -> Product:
        """What a worker would commit for the claim, stored; its pages bear the title."""
        facts = {"plan": plan(pages)} if claim.stage is Stage.VALIDATE else {}
        read = [artifact.page for artifact in self.desk.ledger.inputs(claim)]
        made = [self._stored(claim, *each) for each in _made(claim, read, title)]
        return Product(artifacts=made, engine="test", facts=facts)

    def _stored(
        self, claim: Claim, kind: ArtifactKind, page: int, content: bytes, media_type: str
    ) -> Artifact:
        sha256 = hashlib.sha256(content).digest()
        assert claim.document
        key = artifact_key(
            claim.tenant,
            claim.document,
            run=claim.run,
            stage=claim.stage,
            page=page,
            sha256=sha256,
        )
        self.blobs.put(key, io.BytesIO(content), media_type=media_type)
        return Artifact(
            kind=kind, page=page, key=key, sha256=sha256, size=len(content), media_type=media_type
        )


@dataclass
class Caller:
    """Somebody with a key."""

    client: FlaskClient
    headers: dict[str, str]

    def upload(self, content: bytes = PDF, *, headers: Any = None, **options: str) -> TestResponse:
        return self.client.post(
            "/v1/documents",
            query_string=options,
            data=content,
            content_type="application/pdf",
            headers={**self.headers, **(headers or {})},
        )

    def uploaded(self, content: bytes = PDF, **options: str) -> str:
        """Upload what must be accepted; return its path."""
        answer = self.upload(content, **options)
        assert answer.status_code == 202, answer.text
        return answer.headers["Location"]

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> TestResponse:
        return self.client.get(path, headers={**self.headers, **(headers or {})})

    def post(self, path: str) -> TestResponse:
        return self.client.post(path, headers=self.headers)

    def delete(self, path: str) -> TestResponse:
        return self.client.delete(path, headers=self.headers)


@contextmanager
def api(database_url: str, store: StoreSettings, **settings: Any) -> Iterator[Api]:
    """The service in this process."""
    made = ingest_settings(database_url, store, **settings)
    client = connect(store)
    with ingest(made) as service, desk(database_url) as ledger:
        blobs = S3Blobs(client, store.s3_bucket)
        yield Api(service, ledger, blobs, made, Tenants(ledger.database))
    client.close()


def emptied(service: Api) -> Caller:
    """Forget every document there was; return a caller of a new tenant."""
    service.desk.do("TRUNCATE document, blob, worker CASCADE")
    return service.tenant(f"t{next(service.desk.numbers)}")


@contextmanager
def server(
    database_url: str, store: StoreSettings, *, prelude: str = "", **settings: Any
) -> Iterator["Server"]:
    """The service as its own process, ready; the prelude is code that runs before it."""
    made = ingest_settings(
        database_url, store, port=free_port(), health_port=free_port(), **settings
    )
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": ".", **measured(), **_environment(made)}
    code = f"{prelude}from docmill_ingest.main import main; main()"
    with subprocess.Popen([sys.executable, "-c", code], env=env) as process:
        running = Server(process, f"http://127.0.0.1:{made.port}", made.health_port)
        try:
            until(running.ready)
            yield running
        finally:
            process.terminate()
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()


@dataclass
class Server:
    """A running process of the service."""

    process: "subprocess.Popen[bytes]"
    url: str
    health_port: int

    def ready(self) -> bool:
        assert self.process.poll() is None, "the service ended"
        try:
            return self.health("readyz").status_code == 200
        except httpx.TransportError:
            return False

    def health(self, path: str) -> httpx.Response:
        # longer than the service gives each of its probes
        return httpx.get(f"http://127.0.0.1:{self.health_port}/{path}", timeout=10)


def ingest_settings(database_url: str, store: StoreSettings, **settings: Any) -> IngestSettings:
    values = {"host": "127.0.0.1", "health_host": "127.0.0.1", "database_pool_size": 12}
    return IngestSettings(
        database_url=database_url, **store.model_dump(exclude={"log_level"}), **values | settings
    )


def _environment(settings: IngestSettings) -> dict[str, str]:
    plain = settings.model_dump()
    return {
        f"DOCMILL_{name.upper()}": str(
            value.total_seconds() if isinstance(value, timedelta) else value
        )
        for name, value in plain.items()
        if value is not None
    }


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def identity(path: str) -> UUID:
    return UUID(path.rsplit("/", 1)[-1])


def page_text(number: int, title: str = "Page") -> PageText:
    words = (
        Word(title, (1, 2, 3, 4), 90.0, 0, 0, 0),
        Word(str(number), (5, 2, 6, 4), 80.0, 0, 0, 0),
    )
    return PageText(
        number=number,
        width=100,
        height=200,
        unit="px",
        source=Source.RECOGNISE,
        words=words,
        engine="test",
    )


def _made(
    claim: Claim, read: Sequence[int], title: str
) -> Iterator[tuple[ArtifactKind, int, bytes, str]]:
    match claim.stage:
        case Stage.RECOGNISE:
            content = page_json(page_text(claim.page, title))
            yield ArtifactKind.PAGE, claim.page, content, "application/json"
        case Stage.ASSEMBLE:
            text = "\f".join(page_text(number, title).text for number in read)
            yield ArtifactKind.TEXT, 0, text.encode(), "text/plain"
            yield ArtifactKind.WORDS, 0, b'{"pages": []}', "application/json"
            yield ArtifactKind.HOCR, 0, b"<html/>", "application/xhtml+xml"
            yield ArtifactKind.PDF, 0, PDF, "application/pdf"
        case Stage.THUMBNAIL:
            for kind in THUMBNAIL:
                yield kind, 1, kind.value.encode(), "image/webp"
        case _:
            pass

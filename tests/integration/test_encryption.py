"""TLS to every server, and objects that the store encrypts: the settings do what they say."""

import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from deploy.local.ports import Ports
from deploy.local.postgres import Postgres
from deploy.local.run_tests import ROOT
from docmill.adapters.postgres.listener import Listener
from docmill.adapters.postgres.pool import open_pool
from docmill.adapters.rabbitmq.publisher import RabbitPublisher
from docmill.adapters.rabbitmq.topology import parameters
from docmill.adapters.s3 import connect, open_blobs
from docmill.domain.errors import DatabaseDown, StoreDown
from docmill.domain.task import Hint, Pool
from docmill.ops.middleware import attempted
from docmill.ops.settings import BrokerSettings, DatabaseSettings, Encryption, StoreSettings
from docmill.work import broker
from tests.stack.tls import Authority, authority, terminated
from tests.stack.wait import until


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("tls"))


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port
    return port


# ── S3 ───────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def secure_store(blob_settings: StoreSettings, signed: Authority) -> Iterator[StoreSettings]:
    with terminated(signed, port_of(blob_settings.s3_endpoint)) as port:
        yield blob_settings.model_copy(
            update={"s3_endpoint": f"https://127.0.0.1:{port}", "s3_ca_file": str(signed.ca)}
        )


def test_objects_travel_over_tls_to_a_store_that_the_ca_file_vouches_for(
    secure_store: StoreSettings,
) -> None:
    blobs = open_blobs(secure_store)
    blobs.put("key", BytesIO(b"content"), media_type="text/plain")
    with blobs.open("key") as body:
        assert body.read(7) == b"content"
    blobs.close()


def test_a_store_nobody_vouches_for_is_not_spoken_to(secure_store: StoreSettings) -> None:
    blobs = open_blobs(secure_store.model_copy(update={"s3_ca_file": None}))
    with pytest.raises(StoreDown, match="CERTIFICATE_VERIFY_FAILED"):
        blobs.ping()
    blobs.close()


@pytest.mark.parametrize("size", [10, 6 * 2**20], ids=["in one request", "in parts"])
def test_the_store_encrypts_each_object_when_asked(blob_settings: StoreSettings, size: int) -> None:
    asked = blob_settings.model_copy(update={"s3_encryption": Encryption.SSE_S3})
    blobs = open_blobs(asked)
    blobs._part_bytes = 5 * 2**20
    blobs.put("key", BytesIO(bytes(size)), media_type="text/plain")
    client = connect(blob_settings)
    kept = client.head_object(Bucket=blob_settings.s3_bucket, Key="key")
    assert kept["ServerSideEncryption"] == "AES256"
    with blobs.open("key") as body:
        assert body.read(10) == bytes(10)
    client.close()
    blobs.close()


def test_the_key_to_encrypt_with_is_named_when_asked(blob_settings: StoreSettings) -> None:
    """What is sent; what it answers says nothing, for a store with a key manager is not at hand."""
    wanted = {"s3_encryption": Encryption.SSE_KMS, "s3_kms_key": "a-key"}
    blobs = open_blobs(blob_settings.model_copy(update=wanted))
    sent: list[dict[str, bytes]] = []

    def note(request: Any, **_: object) -> None:
        sent.append(dict(request.headers))

    blobs._client.meta.events.register("before-send.s3.PutObject", note)
    attempted(lambda: blobs.put("key", BytesIO(b"content"), media_type="text/plain"))
    assert sent[0]["x-amz-server-side-encryption"] == b"aws:kms"
    assert sent[0]["x-amz-server-side-encryption-aws-kms-key-id"] == b"a-key"
    blobs.close()


def test_nothing_is_asked_of_the_store_by_default(blob_settings: StoreSettings) -> None:
    blobs = open_blobs(blob_settings)
    blobs.put("key", BytesIO(b"content"), media_type="text/plain")
    client = connect(blob_settings)
    assert "ServerSideEncryption" not in client.head_object(
        Bucket=blob_settings.s3_bucket, Key="key"
    )
    client.close()
    blobs.close()


# ── RabbitMQ ─────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def secure_broker(rabbitmq_url: str, signed: Authority) -> Iterator[str]:
    url = urlsplit(rabbitmq_url)
    with terminated(signed, port_of(rabbitmq_url)) as port:
        place = f"{url.username}:{url.password}@127.0.0.1:{port}"
        yield url._replace(scheme="amqps", netloc=place).geturl()


def test_hints_travel_over_tls_both_ways(secure_broker: str, signed: Authority) -> None:
    got: list[Hint] = []
    publisher = RabbitPublisher(
        BrokerSettings(rabbitmq_url=secure_broker, rabbitmq_ca_file=str(signed.ca))
    )
    publisher.start()
    until(lambda: publisher.ready)
    way = parameters(
        BrokerSettings(rabbitmq_url=secure_broker, rabbitmq_ca_file=str(signed.ca)), name="test"
    )
    worker = broker.worker(Pool.OCR, way, slots=1, run=got.append)
    worker.start()
    hint = Hint(task=7, dispatch=1)
    until(lambda: publisher.publish([(Pool.OCR, hint)]))  # the queue has no leader at first
    until(lambda: hint in got)
    worker.stop()
    worker.broker.close()
    publisher.close()


def test_a_broker_nobody_vouches_for_is_not_spoken_to(
    secure_broker: str, signed: Authority, tmp_path: Path
) -> None:
    publisher = RabbitPublisher(
        BrokerSettings(rabbitmq_url=secure_broker, rabbitmq_ca_file=str(authority(tmp_path).ca))
    )
    publisher.start()
    trusting = RabbitPublisher(
        BrokerSettings(rabbitmq_url=secure_broker, rabbitmq_ca_file=str(signed.ca))
    )
    trusting.start()
    until(lambda: trusting.ready)
    assert not publisher.ready
    trusting.close()
    publisher.close()


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def secure_postgres(signed: Authority) -> Iterator[Postgres]:
    """A server of its own, which takes connections over TLS."""
    root = (ROOT / ".local" / "test" / "stacks" / f"tls-{uuid4().hex[:8]}").resolve()
    server = Postgres(root, Ports(root / "run" / "ports.json"), forgetful=True)
    server.start()
    server.wait_ready()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        certificate, key = (file.read_text() for file in (signed.certificate, signed.key))
        folder = connection.execute("SHOW data_directory").fetchone()
        assert folder
        _as_server(connection, f"{folder[0]}/server.crt", certificate)
        _as_server(connection, f"{folder[0]}/server.key", key)
        Path(folder[0], "server.key").chmod(0o600)
        connection.execute("ALTER SYSTEM SET ssl = on")
        connection.execute("SELECT pg_reload_conf()")
    until(lambda: _speaks_tls(server))
    yield server
    server.kill()
    shutil.rmtree(root, ignore_errors=True)


def _as_server(connection: psycopg.Connection, file: str, text: str) -> None:
    """Have the server write a file, so that it is its own."""
    lines = psycopg.sql.Literal(text)
    target = psycopg.sql.Literal(file)
    connection.execute(
        psycopg.sql.SQL(
            "COPY (SELECT unnest(string_to_array({}, E'\\n'))) TO {} WITH (FORMAT text)"
        ).format(lines, target)
    )


def _speaks_tls(server: Postgres) -> bool:
    try:
        psycopg.connect(f"{server.url()}?sslmode=require").close()
    except psycopg.OperationalError:
        return False
    return True


def test_the_pool_and_the_listener_speak_tls_to_a_server_the_url_vouches_for(
    secure_postgres: Postgres, signed: Authority
) -> None:
    url = f"{secure_postgres.url()}?sslmode=verify-full&sslrootcert={signed.ca}"
    heard: list[str] = []
    listener = Listener(url, ["news"], lambda _, payload: heard.append(payload), name="test")
    listener.start()
    with open_pool(DatabaseSettings(database_url=url), name="test") as pool:
        with pool.connection() as connection:
            row = connection.execute(
                "SELECT bool_and(ssl) AS all FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
                " WHERE application_name LIKE 'test%'"
            ).fetchone()
            assert row == {"all": True}

        def told() -> bool:
            with pool.connection() as connection:
                connection.execute("NOTIFY news, 'hello'")
            return "hello" in heard

        until(told)
    listener.close()


def test_a_server_nobody_vouches_for_is_not_spoken_to(
    secure_postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = authority(tmp_path).ca
    url = f"{secure_postgres.url()}?sslmode=verify-full&sslrootcert={stranger}"
    settings = DatabaseSettings(database_url=url, database_connect_seconds="0.5")
    monkeypatch.setattr("docmill.adapters.postgres.pool.CONNECT_PAUSE_SECONDS", 0)
    with pytest.raises(DatabaseDown), open_pool(settings, name="test"):
        pass

import io
import itertools
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from docmill.adapters.s3 import S3Blobs, connect, open_blobs
from docmill.domain.errors import StoreDown
from docmill.ops.settings import StoreSettings
from docmill.ports import Blobs, Stored
from docmill.testing.blobs_contract import BlobsContract
from docmill.testing.memory_blobs import MemoryBlobs
from tests.stack.proxy import Chunk, Proxy, Spoil, corrupting, proxied, truncating


class TestMemory(BlobsContract):
    @pytest.fixture
    def blobs(self) -> Blobs:
        return MemoryBlobs()


class TestS3(BlobsContract):
    @pytest.fixture
    def blobs(self, blob_settings: StoreSettings) -> Iterator[S3Blobs]:
        client = connect(blob_settings)
        yield S3Blobs(client, blob_settings.s3_bucket)
        client.close()

    def test_a_purge_aborts_what_was_begun(
        self, blobs: S3Blobs, blob_settings: StoreSettings
    ) -> None:
        client = connect(blob_settings)
        client.create_multipart_upload(Bucket=blob_settings.s3_bucket, Key="t/1/original")
        assert [each.key for each in blobs.open_uploads("t/1/")] == ["t/1/original"]
        assert blobs.purge("t/1/") == 1
        assert list(blobs.open_uploads()) == []
        client.close()

    def test_aborting_twice_is_safe(self, blobs: S3Blobs, blob_settings: StoreSettings) -> None:
        client = connect(blob_settings)
        client.create_multipart_upload(Bucket=blob_settings.s3_bucket, Key="k")
        (upload,) = blobs.open_uploads("k")
        blobs.abort(upload)
        blobs.abort(upload)
        client.close()

    def test_an_upload_that_the_store_describes_otherwise_is_looked_at(
        self, blobs: S3Blobs, blob_settings: StoreSettings
    ) -> None:
        client = connect(blob_settings)

        def lose(parsed: dict[str, Any], **_: object) -> None:
            parsed["ETag"] = '"of something else"'
            client.delete_object(Bucket=blob_settings.s3_bucket, Key="k")

        liar = connect(blob_settings)
        liar.meta.events.register("after-call.s3.PutObject", lose)
        with pytest.raises(StoreDown):
            S3Blobs(liar, blob_settings.s3_bucket).put("k", io.BytesIO(b"x"), media_type="x/y")
        liar.close()
        client.close()


class TestDirectS3(BlobsContract):
    """As services open it: small objects are put without boto3."""

    @pytest.fixture
    def blobs(self, blob_settings: StoreSettings) -> Iterator[S3Blobs]:
        with closing(open_blobs(blob_settings)) as blobs:
            yield blobs

    def test_a_connection_that_was_cut_meanwhile_costs_nothing_but_another(
        self, blob_settings: StoreSettings
    ) -> None:
        with through_proxy(blob_settings) as (way, blobs):
            put(blobs)
            way.cut()
            assert put(blobs).size == 1

    @pytest.mark.parametrize("lies", [False, True])
    def test_a_put_is_looked_at_when_the_etag_is_not_what_was_sent(
        self, blob_settings: StoreSettings, lies: bool
    ) -> None:
        looks: list[bytes] = []

        def spoil(chunk: Chunk) -> bytes:
            if chunk.from_client:
                looks.extend(re.findall(rb"^HEAD ", chunk.data))
                return chunk.data
            return re.sub(rb'(?i)(etag: ").', rb"\1z", chunk.data) if lies else chunk.data

        with through_proxy(blob_settings) as (way, blobs), way.spoiling(spoil):
            put(blobs)
        assert len(looks) == lies


def put(blobs: S3Blobs) -> Stored:
    return blobs.put("k", io.BytesIO(b"x"), media_type="x/y")


@contextmanager
def through_proxy(settings: StoreSettings) -> Iterator[tuple[Proxy, S3Blobs]]:
    port = urlsplit(settings.s3_endpoint).port
    with proxied(port or 0) as way:
        endpoint = settings.s3_endpoint.replace(f":{port}", f":{way.port}")
        with closing(open_blobs(settings.model_copy(update={"s3_endpoint": endpoint}))) as blobs:
            yield way, blobs


class TestVersionedS3(BlobsContract):
    @pytest.fixture
    def blobs(self, blob_settings: StoreSettings) -> Iterator[S3Blobs]:
        client = connect(blob_settings)
        client.put_bucket_versioning(
            Bucket=blob_settings.s3_bucket, VersioningConfiguration={"Status": "Enabled"}
        )
        yield S3Blobs(client, blob_settings.s3_bucket)
        client.close()

    def test_no_version_outlives_a_delete(
        self, blobs: S3Blobs, blob_settings: StoreSettings
    ) -> None:
        for content in (b"first", b"second"):
            blobs.put("k", io.BytesIO(content), media_type="x/y")
        blobs.delete(["k"])
        assert versions(blob_settings) == 0

    def test_no_version_outlives_a_purge(
        self, blobs: S3Blobs, blob_settings: StoreSettings
    ) -> None:
        for content in (b"first", b"second"):
            blobs.put("t/1/original", io.BytesIO(content), media_type="x/y")
        assert blobs.purge("t/1/") == 2
        assert versions(blob_settings) == 0


def versions(settings: StoreSettings) -> int:
    client = connect(settings)
    listed = client.list_object_versions(Bucket=settings.s3_bucket)
    client.close()
    return len(listed.get("Versions", [])) + len(listed.get("DeleteMarkers", []))


@pytest.mark.parametrize("call", ["put", "head", "open", "list", "ping"])
def test_a_store_that_does_not_answer_is_down(blob_settings: StoreSettings, call: str) -> None:
    nowhere = blob_settings.model_copy(update={"s3_endpoint": "http://127.0.0.1:9"})
    with closing(open_blobs(nowhere)) as blobs, pytest.raises(StoreDown):
        ask(blobs, call)


def ask(blobs: S3Blobs, call: str) -> None:
    match call:
        case "put":
            blobs.put("k", io.BytesIO(b"x"), media_type="x/y")
        case "head":
            blobs.head("k")
        case "open":
            with blobs.open("k"):
                pass
        case "list":
            list(blobs.list())
        case _:
            blobs.ping()


def test_a_store_that_refuses_us_is_down_for_us(blob_settings: StoreSettings) -> None:
    stranger = blob_settings.model_copy(update={"s3_secret_key": "wrong"})
    blobs = open_blobs(stranger)
    asks: list[Callable[[], object]] = [blobs.ping, blobs.probe, lambda: blobs.head("k")]
    for ask in asks:
        with pytest.raises(StoreDown):
            ask()


@pytest.mark.parametrize("spoil", [corrupting(4096), truncating(4096)])
def test_a_store_that_gives_back_other_bytes_is_down(
    blob_settings: StoreSettings, spoil: Spoil
) -> None:
    with (
        through_proxy(blob_settings) as (way, blobs),
        way.spoiling(spoil),
        pytest.raises(StoreDown),
    ):
        blobs.probe()


def test_a_bucket_that_is_gone_is_an_outage(blob_settings: StoreSettings) -> None:
    with pytest.raises(StoreDown):
        S3Blobs(connect(blob_settings), f"gone-{uuid4().hex}").ping()


def test_a_fetch_from_a_server_that_drips_can_be_ended(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=_drip, args=[server], daemon=True).start()
        client = connect(
            StoreSettings(
                s3_endpoint=f"http://127.0.0.1:{port}", s3_access_key="k", s3_secret_key="s"
            )
        )
        calls = itertools.count()

        def check() -> None:
            if next(calls) == 3:
                raise TimeoutError

        with closing(client), pytest.raises(TimeoutError):
            S3Blobs(client, "b").fetch("k", tmp_path / "got", check)
    assert next(calls) == 4


def _drip(server: socket.socket) -> None:
    """Answer one request with a byte now and then, of a million that were promised."""
    connection, _ = server.accept()
    with connection, suppress(OSError):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            connection.sendall(b"x")
            threading.Event().wait(0.05)

"""Blobs on plain S3: PUT, multipart, HEAD, GET with a range, list, versions, delete."""

import base64
import hashlib
import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, TypeAlias, TypedDict, cast
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.handlers import add_expect_header
from urllib3 import HTTPResponse

from docmill.adapters.s3_direct import Direct
from docmill.adapters.s3_error import translated
from docmill.adapters.s3_part import Part, file_parts, pieces, stream_parts
from docmill.adapters.s3_reader import CHUNK_BYTES, Reader, Source
from docmill.adapters.s3_timing import measure
from docmill.domain.errors import StoreDown
from docmill.ops.settings import StoreSettings
from docmill.ports import BlobMissing, OpenUpload, Stored, go_on

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, MultipartUploadTypeDef

    Sent: TypeAlias = list[CompletedPartTypeDef]

PART_BYTES: Final = 8 * 2**20  # S3's least is 5 MiB for all parts but the last
SENT_AT_ONCE: Final = 2  # parts of a body; each takes a connection, and waits in memory
PROBE_BYTES: Final = 64 * 2**10  # more than one segment or buffer: what spoils bodies spoils it too
_NO_SUCH_UPLOAD: Final = "NoSuchUpload"


def connect(settings: StoreSettings, *, connections: int = 16) -> "S3Client":
    """Make a client for one process; threads share it, forks must not.

    An operation is tried three times, a small PUT once before; each time a silent server costs at
    most the settings' time to connect and to answer.
    """
    client: S3Client = boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=settings.s3_secret_key,
        verify=settings.s3_ca_file,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            retries={"mode": "standard", "total_max_attempts": 3},
            connect_timeout=settings.s3_connect_seconds.total_seconds(),
            read_timeout=settings.s3_read_seconds.total_seconds(),
            max_pool_connections=connections,
            # boto3's default trailing checksums are unknown to older Ceph and MinIO
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    # A part read from its file would else wait a second for servers that say no "100 Continue".
    client.meta.events.unregister("before-call.s3", add_expect_header)
    return measure(client)


class Encrypted(TypedDict, total=False):
    """What is asked for with each object that is written."""

    ServerSideEncryption: Literal["AES256", "aws:kms"]
    SSEKMSKeyId: str


def open_blobs(settings: StoreSettings, *, connections: int = 16) -> "S3Blobs":
    """Reach the bucket of the settings, over a client of its own; close it by `close`."""
    client, encrypted = connect(settings, connections=connections), _encrypted(settings)
    direct = Direct(settings, connections=connections, encrypted=encrypted)
    return S3Blobs(client, settings.s3_bucket, encrypted=encrypted, direct=direct)


def _encrypted(settings: StoreSettings) -> Encrypted:
    if settings.s3_encryption is None:
        return {}
    wanted: Encrypted = {"ServerSideEncryption": settings.s3_encryption.value}
    return wanted | {"SSEKMSKeyId": settings.s3_kms_key} if settings.s3_kms_key else wanted


class S3Blobs:
    """The port Blobs on one bucket of an S3-compatible store."""

    def __init__(
        self,
        client: "S3Client",
        bucket: str,
        *,
        part_bytes: int = PART_BYTES,
        encrypted: "Encrypted | None" = None,
        direct: Direct | None = None,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._part_bytes = part_bytes
        self._encrypted: Encrypted = encrypted or {}
        self._direct = direct

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()
        if self._direct:
            self._direct.close()

    def put(self, key: str, body: Source, *, media_type: str) -> Stored:
        """Store a body of up to one part in one request, a larger one as multipart."""
        parts = stream_parts(body, self._part_bytes)
        first = [next(parts, bytearray())]
        if len(first[0]) < self._part_bytes:
            return self._put_whole(key, first[0], media_type, verified=True)
        return self._put_parts(key, chain(_emptied(first), parts), media_type)

    def put_file(self, key: str, path: Path, *, media_type: str) -> Stored:
        if path.stat().st_size < self._part_bytes:
            return self._put_whole(key, path.read_bytes(), media_type)
        with path.open("rb") as file:
            return self._put_parts(key, file_parts(file, self._part_bytes), media_type)

    @contextmanager
    def open(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[BinaryIO]:
        wanted = f"bytes={start}-{'' if end is None else end}"
        with translated(key):
            if start or end is not None:
                got = self._client.get_object(Bucket=self._bucket, Key=key, Range=wanted)
            else:
                got = self._client.get_object(Bucket=self._bucket, Key=key)
        reader = Reader(key, got["Body"])
        try:
            yield cast("BinaryIO", reader)  # read(n) is all that callers may use
        finally:
            reader.close()

    def fetch(self, key: str, path: Path, check: Callable[[], None] = go_on) -> Stored:
        digest, size = hashlib.sha256(), 0
        with translated(key):
            body, length = self._got(key)
            with closing(body), path.open("wb") as file:
                # `read` would wait for a whole chunk, which a server that drips never sends
                while chunk := body.read1(CHUNK_BYTES):
                    check()
                    digest.update(chunk)
                    size += file.write(chunk)
        if size != length:
            raise StoreDown(f"{key}: ended after {size} of {length} bytes")
        return Stored(key=key, size=size, sha256=digest.digest())

    def head(self, key: str) -> Stored | None:
        try:
            with translated(key):
                got = self._client.head_object(Bucket=self._bucket, Key=key)
        except BlobMissing:
            return None
        sha256 = got["Metadata"].get("sha256")
        return Stored(
            key=key,
            size=got["ContentLength"],
            sha256=bytes.fromhex(sha256) if sha256 else None,
            modified_at=got["LastModified"],
        )

    def delete(self, keys: Collection[str]) -> None:
        versioned = bool(keys) and self._versioned()
        for key in keys:
            if versioned:
                self._delete_versions(key, exact=True)
            else:
                self._delete_one(key)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        with translated(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            )
            for page in pages:
                for each in page.get("Contents", ()):
                    yield Stored(
                        key=each["Key"],
                        size=each["Size"],
                        sha256=None,
                        modified_at=each["LastModified"],
                    )

    def open_uploads(self, prefix: str = "") -> Iterator[OpenUpload]:
        with translated(prefix):
            for each in self._begun():
                if each["Key"].startswith(prefix):
                    yield OpenUpload(
                        key=each["Key"], upload_id=each["UploadId"], begun_at=each["Initiated"]
                    )

    def abort(self, upload: OpenUpload) -> None:
        self._abort(upload.key, upload.upload_id)

    def purge(self, prefix: str) -> int:
        uploads = tuple(self.open_uploads(prefix))
        for upload in uploads:
            self.abort(upload)
        if self._versioned():
            return len(uploads) + self._delete_versions(prefix, exact=False)
        keys = [each.key for each in self.list(prefix)]
        for key in keys:
            self._delete_one(key)
        return len(uploads) + len(keys)

    def ping(self) -> None:
        with self._present(), translated(self._bucket):
            self._client.head_bucket(Bucket=self._bucket)

    def probe(self) -> None:
        key, sent = f".probe/{uuid4()}", os.urandom(PROBE_BYTES)  # no tenant is called so
        with self._present():
            self._put_whole(key, sent, "application/octet-stream")
            with self.open(key) as body:
                got = body.read()
            self.delete([key])
        if got != sent:
            raise StoreDown(f"{key}: other bytes came back than were put")

    def _got(self, key: str) -> tuple[HTTPResponse, int]:
        """Return an object's body and its length."""
        direct = self._direct.get(key) if self._direct else None
        if direct:
            return direct
        got = self._client.get_object(Bucket=self._bucket, Key=key)
        return cast("HTTPResponse", got["Body"].__enter__()), got["ContentLength"]

    @contextmanager
    def _present(self) -> Iterator[None]:
        try:
            yield
        except BlobMissing as error:
            raise StoreDown(f"the bucket {self._bucket} is gone") from error

    def _put_whole(
        self, key: str, content: bytes | bytearray, media_type: str, *, verified: bool = False
    ) -> Stored:
        sha256, md5 = hashlib.sha256(content), hashlib.md5(content, usedforsecurity=False)
        checksum = base64.b64encode(md5.digest()).decode()
        etag = ""
        if self._direct:
            headers = {
                "Content-Type": media_type,
                "Content-MD5": checksum,
                "x-amz-meta-sha256": sha256.hexdigest(),
            }
            etag = self._direct.put(key, content, headers)
        with translated(key):
            etag = etag or self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=cast("bytes", content),
                ContentType=media_type,
                ContentMD5=checksum,
                Metadata={"sha256": sha256.hexdigest()},
                **self._encrypted,
            ).get("ETag", "")
        stored = Stored(key=key, size=len(content), sha256=sha256.digest())
        # An ETag is the MD5 of what the server has stored, unless it encrypts with keys of its own.
        told = etag.strip('"') == md5.hexdigest()
        return self._verified(stored) if verified and not told else stored

    def _put_parts(self, key: str, parts: Iterable[Part], media_type: str) -> Stored:
        with translated(key):
            made = self._client.create_multipart_upload(
                Bucket=self._bucket, Key=key, ContentType=media_type, **self._encrypted
            )
        upload_id = made["UploadId"]
        try:
            sent, size, sha256 = self._send_parts(key, upload_id, parts)
            self._complete(key, upload_id, sent)
        except BaseException:
            with suppress(StoreDown):  # the scheduler aborts what nobody ended
                self._abort(key, upload_id)
            raise
        return self._verified(Stored(key=key, size=size, sha256=sha256))

    def _send_parts(
        self, key: str, upload_id: str, parts: Iterable[Part]
    ) -> tuple["Sent", int, bytes]:
        """Send two parts while the next is read: no more than three are in memory."""
        digest, size = hashlib.sha256(), 0
        sent: Sent = []
        sending: deque[Future[CompletedPartTypeDef]] = deque()
        with ThreadPoolExecutor(SENT_AT_ONCE, thread_name_prefix="s3-part") as senders:
            for number, part in enumerate(parts, 1):
                for piece in pieces(part):
                    digest.update(piece)
                    size += len(piece)
                if len(sending) == SENT_AT_ONCE:
                    sent.append(sending.popleft().result())
                sending.append(senders.submit(self._send_part, key, upload_id, number, part))
            sent += [each.result() for each in sending]
        return sent, size, digest.digest()

    def _send_part(
        self, key: str, upload_id: str, number: int, part: Part
    ) -> "CompletedPartTypeDef":
        with translated(key):
            sent = self._client.upload_part(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=cast("bytes", part),  # boto3 takes a bytearray and a file as well
                ContentMD5=_md5(part),
            )
        return {"ETag": sent["ETag"], "PartNumber": number}

    def _complete(self, key: str, upload_id: str, sent: "Sent") -> None:
        with translated(key):
            self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": sent},
            )

    def _verified(self, sent: Stored) -> Stored:
        # the content itself was checked by the server against Content-MD5, part by part
        found = self.head(sent.key)
        if found is None or found.size != sent.size:
            raise StoreDown(f"{sent.key}: {sent.size} bytes were sent, {found} is stored")
        return replace(sent, modified_at=found.modified_at)

    def _abort(self, key: str, upload_id: str) -> None:
        try:
            with translated(key):
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=upload_id
                )
        except ClientError as error:
            if error.response["Error"]["Code"] != _NO_SUCH_UPLOAD:
                raise
        except BlobMissing:
            return

    def _versioned(self) -> bool:
        """Whether old versions may exist; asked each time, for an operator may switch it on."""
        with translated(self._bucket):
            return "Status" in self._client.get_bucket_versioning(Bucket=self._bucket)

    def _delete_versions(self, prefix: str, *, exact: bool) -> int:
        with translated(prefix):
            found = [each for each in self._versions(prefix) if each[0] == prefix or not exact]
        for key, version in found:
            self._delete_one(key, version)
        return len(found)

    def _versions(self, prefix: str) -> Iterator[tuple[str, str]]:
        listing = self._client.get_paginator("list_object_versions")
        for page in listing.paginate(Bucket=self._bucket, Prefix=prefix):
            yield from ((each["Key"], each["VersionId"]) for each in page.get("Versions", ()))
            yield from ((each["Key"], each["VersionId"]) for each in page.get("DeleteMarkers", ()))

    def _begun(self) -> "Iterator[MultipartUploadTypeDef]":
        # of the whole bucket: MinIO answers a prefix only when it is a whole key
        listing = self._client.get_paginator("list_multipart_uploads")
        for page in listing.paginate(Bucket=self._bucket):
            yield from page.get("Uploads", ())

    def _delete_one(self, key: str, version: str | None = None) -> None:
        # one by one: DeleteObjects wants checksums that servers disagree about
        with translated(key), suppress(BlobMissing):
            if version is None:
                self._client.delete_object(Bucket=self._bucket, Key=key)
            else:
                self._client.delete_object(Bucket=self._bucket, Key=key, VersionId=version)


def _emptied(parts: list[bytearray]) -> Iterator[bytearray]:
    """Yield what is in a list and keep none of it, for a part is megabytes."""
    while parts:
        yield parts.pop(0)


def _md5(part: Part) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for piece in pieces(part):
        digest.update(piece)
    return base64.b64encode(digest.digest()).decode()

"""Buckets for tests: emptied and lent again, for a new one costs the store new volumes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from docmill.adapters.s3 import connect
from docmill.ops.settings import StoreSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef


class Buckets:
    """Lends empty buckets of one store."""

    def __init__(self, store: StoreSettings) -> None:
        self._store = store
        self._client: S3Client = connect(store)
        self._free: list[str] = []
        self._made: list[str] = []

    @contextmanager
    def lent(self) -> Iterator[StoreSettings]:
        """Give the settings of a bucket that nobody else uses for the length of a block."""
        name = self._free.pop() if self._free else self._new()
        yield self._store.model_copy(update={"s3_bucket": name})
        self._empty(name)
        if "Status" not in self._client.get_bucket_versioning(Bucket=name):  # it cannot be undone
            self._free.append(name)

    def close(self) -> None:
        """Delete every bucket there ever was."""
        for name in self._made:
            self._empty(name)
            self._client.delete_bucket(Bucket=name)
        self._client.close()

    def _new(self) -> str:
        name = f"test-{uuid4().hex}"
        self._client.create_bucket(Bucket=name)
        self._made.append(name)
        return name

    def _empty(self, name: str) -> None:
        for upload in self._client.list_multipart_uploads(Bucket=name).get("Uploads", ()):
            self._client.abort_multipart_upload(
                Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"]
            )
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=name):
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            objects: list[ObjectIdentifierTypeDef] = [
                {"Key": each["Key"], "VersionId": each["VersionId"]} for each in found
            ]
            if objects:
                self._client.delete_objects(Bucket=name, Delete={"Objects": objects})

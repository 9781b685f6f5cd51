"""The history checker's look at the store: are the bytes there, and are the erased ones gone?"""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

Referred: TypeAlias = tuple[str, str, int, bytes]  # document, key, size, SHA-256
Told: TypeAlias = tuple[str, str, str]  # kind, document, detail


@dataclass(frozen=True, slots=True)
class Store:
    """A bucket, by a boto3 client of the caller's."""

    client: Any
    bucket: str

    def sha256(self, key: str) -> tuple[int, bytes] | None:
        """Read an object; return its size and hash, None when there is none."""
        try:
            body = self.client.get_object(Bucket=self.bucket, Key=key)["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
                return None
            raise
        digest, size = hashlib.sha256(), 0
        for chunk in iter(lambda: body.read(2**18), b""):
            digest.update(chunk)
            size += len(chunk)
        return size, digest.digest()

    def keys(self, prefix: str) -> list[str]:
        """List what is stored under a prefix: old versions and unfinished uploads as well."""
        where = {"Bucket": self.bucket, "Prefix": prefix}
        found = self.client.list_object_versions(**where)
        uploads = self.client.list_multipart_uploads(**where)
        versions = [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]
        return [each["Key"] for each in (*versions, *uploads.get("Uploads", ()))]


def check_objects(
    store: Store, referred: Iterable[Referred], erased: Iterable[tuple[str, str]]
) -> Iterator[Told]:
    """I1 and I5: what is referred to is there as recorded, what was erased is not."""
    with ThreadPoolExecutor(8) as pool:
        for told in pool.map(lambda each: _read(store, each), referred):
            if told is not None:
                yield told
        for document, keys in pool.map(lambda each: (each[0], store.keys(each[1])), erased):
            if keys:
                yield "remains", document, f"erased, but {keys[0]} is stored"


def _read(store: Store, referred: Referred) -> Told | None:
    document, key, size, sha256 = referred
    got = store.sha256(key)
    if got is None:
        return "missing object", document, key
    if got != (size, sha256):
        return "wrong bytes", document, f"{key}: {got[0]} of {size} bytes"
    return None

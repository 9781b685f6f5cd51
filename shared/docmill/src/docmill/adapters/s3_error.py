"""What an S3 store's errors mean to us."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import (
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own, not the builtin
    HTTPClientError,
    IncompleteReadError,
)
from urllib3.exceptions import HTTPError

from docmill.domain.errors import StoreDown
from docmill.ports import BlobMissing

_MISSING: Final = frozenset({"404", "NoSuchBucket", "NoSuchKey", "NoSuchVersion", "NotFound"})
_SERVER_ERROR: Final = 500
# Refused credentials, a skewed clock or a lost policy are the store's trouble, never a document's.
_NOT_NOW: Final = frozenset({401, 403, 429})


@contextmanager
def translated(key: str) -> Iterator[None]:
    """Raise BlobMissing or StoreDown for what means so; the unknown passes, to crash loudly."""
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if error.response["Error"]["Code"] in _MISSING:
            raise BlobMissing(key) from error
        if status >= _SERVER_ERROR or status in _NOT_NOW:
            raise StoreDown(f"{key}: {error}") from error
        raise
    except (HTTPClientError, ConnectionError, IncompleteReadError, HTTPError) as error:
        raise StoreDown(f"{key}: {error}") from error

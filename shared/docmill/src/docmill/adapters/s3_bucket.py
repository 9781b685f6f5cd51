"""The bucket itself, made once by whoever installs."""

from typing import TYPE_CHECKING

from docmill.adapters.s3_error import translated
from docmill.ports import BlobMissing

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def create_bucket(client: "S3Client", bucket: str) -> bool:
    """Make the bucket unless it is there; tell whether it was made. Raise StoreDown."""
    try:
        with translated(bucket):
            client.head_bucket(Bucket=bucket)
    except BlobMissing:
        with translated(bucket):
            client.create_bucket(Bucket=bucket)
        return True
    return False

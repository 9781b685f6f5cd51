"""What `docmill-admin bucket` does."""

from contextlib import closing
from typing import Final, TextIO

from docmill.adapters.s3 import S3Blobs, connect
from docmill.ops.settings import StoreSettings

COMMANDS: Final = frozenset({"bucket create"})


def create(settings: StoreSettings, out: TextIO) -> None:
    """Make the bucket unless it is there; raise StoreDown."""
    with closing(connect(settings, connections=1)) as client:
        made = S3Blobs(client, settings.s3_bucket).create_bucket()
    out.write(f"{settings.s3_bucket}\t{'created' if made else 'exists already'}\n")

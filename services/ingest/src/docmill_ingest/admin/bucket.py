"""What `docmill-admin bucket` does."""

from contextlib import closing
from typing import Final, TextIO

from docmill.adapters.s3 import connect
from docmill.adapters.s3_bucket import create_bucket
from docmill.ops.settings import StoreSettings

COMMANDS: Final = frozenset({"bucket create"})


def create(settings: StoreSettings, out: TextIO) -> None:
    """Make the bucket unless it is there; raise StoreDown."""
    with closing(connect(settings, connections=1)) as client:
        made = create_bucket(client, settings.s3_bucket)
    out.write(f"{settings.s3_bucket}\t{'created' if made else 'exists already'}\n")

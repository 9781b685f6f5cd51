"""Entry point of `docmill-admin`."""

import os
import sys

from docmill.domain.errors import DatabaseDown, StoreDown
from docmill.ops.settings import BadSettings, DatabaseSettings, StoreSettings
from docmill_ingest.admin import bucket
from docmill_ingest.admin.command import Refused, run
from docmill_ingest.admin.parser import parser


def main() -> None:
    """Do one command; exit 1 when refused, 2 when misused, 3 when a store is out of reach."""
    asked = parser().parse_args()
    try:
        if asked.do in bucket.COMMANDS:
            bucket.create(StoreSettings.from_env(os.environ), sys.stdout)
        else:
            run(asked, DatabaseSettings.from_env(os.environ), sys.stdout)
    except (Refused, BadSettings) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command line prints
        sys.exit(1)
    except DatabaseDown as error:
        print(f"PostgreSQL does not answer: {error}", file=sys.stderr)  # noqa: T201 - the same
        sys.exit(3)
    except StoreDown as error:
        print(f"S3 does not answer: {error}", file=sys.stderr)  # noqa: T201 - the same
        sys.exit(3)

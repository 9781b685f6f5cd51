"""A claim, for what works on one without a ledger."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from docmill.domain.document import Options
from docmill.domain.task import Claim, Stage

CLAIM: Final = Claim(
    task=1,
    token=7,
    stage=Stage.RECOGNISE,
    tenant="acme",
    document=UUID(int=1),
    delivery=None,
    run=1,
    page=1,
    attempt=0,
    alone=False,
    correlation="",
    options=Options(),
    plan=None,
    max_pages=1,
    key="k",
    name="a.pdf",
    sha256=None,
    lease=timedelta(seconds=45),
)

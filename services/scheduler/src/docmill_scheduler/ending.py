"""Ending many documents or runs: one that cannot be ended holds up none of the others."""

from collections.abc import Callable, Sequence
from uuid import UUID

from docmill.domain.errors import DatabaseBusy, DatabaseDown
from docmill.ops.logging import logger
from docmill.ops.middleware import Unforeseen, attempted
from docmill_scheduler.job import Permit

log = logger(__name__)


class NotAllEnded(Exception):
    """Some documents could not be ended; all others are."""


def end_all(due: Callable[[], Sequence[UUID]], end: Callable[[UUID], bool], permit: Permit) -> int:
    """End what is due, a batch and a transaction at a time; return how many.

    `due` gives the oldest first, and `end` tells whether there was something to end. Raise
    DatabaseDown at once, unless only this document was held by somebody else, and NotAllEnded when
    all the others are done.
    """
    done, failed = 0, dict[UUID, str]()
    while batch := due():
        before = done
        for document in batch:
            permit.check()
            ended = attempted(
                lambda: end(document),  # noqa: B023 - called now
                but=(DatabaseDown,),
                even=(DatabaseBusy,),
            )
            if isinstance(ended, Unforeseen):
                log.error("not_ended", document=document, exc_info=ended.error)
                failed[document] = str(ended)
            else:
                done += ended
        if done == before:
            break  # all failed, or were reopened under our eyes: they would come again for ever
    for document, error in failed.items():
        raise NotAllEnded(f"{len(failed)} failed, first {document}: {error}")
    return done

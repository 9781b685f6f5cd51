"""However its users come and go, a pool has no more sessions than its size, and nobody waits on."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docmill.adapters.postgres import pool
from docmill.adapters.postgres.connection import Connection, first
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.pool import open_pool
from docmill.domain.errors import DatabaseDown
from docmill.ops.settings import DatabaseSettings
from tests.stack.properties import tried

CHECKOUT: Final = 0.3  # seconds
LATE: Final = 2.0  # what a busy machine may add
SESSIONS: Final = """
SELECT count(*) AS sessions FROM pg_stat_activity
 WHERE application_name = current_setting('application_name')"""


class Use(Enum):
    """What somebody does with a connection."""

    GLANCE = auto()
    WORK = auto()  # for a twentieth of a second
    FAIL = auto()
    KEEP = auto()  # until everybody else has been served or refused


@dataclass(frozen=True, slots=True)
class Visit:
    """How long somebody waited, whether for nothing, and how many sessions there were then."""

    waited: float
    refused: bool = False
    sessions: int = 0


class Upset(Exception):
    """What somebody raises in the middle of a transaction."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit


class Crowd:
    """Users of one pool, all at once."""

    def __init__(self, database: Database, uses: list[Use]) -> None:
        self._database = database
        self._uses = uses
        self._gate = threading.Barrier(len(uses))
        self._staying = sum(use is not Use.KEEP for use in uses)
        self._change = threading.Condition()

    def visits(self) -> list[Visit]:
        with ThreadPoolExecutor(len(self._uses)) as threads:
            return list(threads.map(self._visit, self._uses))

    def _visit(self, use: Use) -> Visit:
        self._gate.wait(timeout=30)
        asked = time.monotonic()
        try:
            return self._database.run(lambda connection: self._served(connection, use, asked))
        except DatabaseDown:
            return Visit(time.monotonic() - asked, refused=True)
        except Upset as error:
            return error.visit
        finally:
            if use is not Use.KEEP:
                self._leave()

    def _served(self, connection: Connection, use: Use, asked: float) -> Visit:
        waited = time.monotonic() - asked
        if use is Use.WORK:
            connection.execute("SELECT pg_sleep(0.05)")
        elif use is Use.KEEP:
            self._stay_last()
        visit = Visit(waited, sessions=first(connection.execute(SESSIONS))["sessions"])
        if use is Use.FAIL:
            raise Upset(visit)
        return visit

    def _leave(self) -> None:
        with self._change:
            self._staying -= 1
            self._change.notify_all()

    def _stay_last(self) -> None:
        with self._change:
            assert self._change.wait_for(lambda: not self._staying, timeout=30)


@tried(8)
@given(
    size=st.integers(1, 4),
    uses=st.lists(st.sampled_from(Use), min_size=4, max_size=16),
)
def test_a_pool_has_no_more_sessions_than_its_size_and_refuses_who_would_wait_longer(
    database_url: str, size: int, uses: list[Use]
) -> None:
    settings = DatabaseSettings(database_url=database_url, database_pool_size=size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "CHECKOUT_SECONDS", CHECKOUT)
        # of its own name, for the sessions of the pool before may still be leaving
        with open_pool(settings, name=f"pool-{uuid4().hex}") as opened:
            database = Database(opened)
            visits = Crowd(database, uses).visits()
            left = database.run(lambda connection: first(connection.execute(SESSIONS)))
    assert max(left["sessions"], *(visit.sessions for visit in visits)) <= size
    assert max(visit.waited for visit in visits) <= CHECKOUT + LATE
    assert min((v.waited for v in visits if v.refused), default=CHECKOUT) >= 0.9 * CHECKOUT
    assert sum(visit.refused for visit in visits) <= len(uses) - size

"""Whatever happens between two looks, a 304 says that the second would have seen the same."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from docmill.adapters.postgres.holds import PostgresHolds
from docmill.domain.errors import LostClaim
from docmill.domain.task import Claim, Failure, Outcome, Pool
from docmill.ports import Beat
from tests.stack.api import UNREADABLE, Api, Caller, emptied, identity
from tests.stack.properties import tried

OF_A_DOCUMENT: Final = ("", "/text", "/pdf", "/original", "/pages", "/pages/1")
OF_ALL: Final = ("/v1/documents", "/v1/usage")
SHAKEN: Final = Failure(outcome=Outcome.TRANSIENT, code="stage_failed", detail="shaken")


class Reader:
    """Somebody who keeps all that was read, and asks again only for what is new."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._known: dict[tuple[str, str], bytes] = {}  # by path and tag

    def look(self, path: str) -> None:
        now = self._caller.get(path)
        tag = now.headers.get("ETag")
        if tag is not None:
            known = self._known.setdefault((path, tag), now.data)
            assert known == now.data, f"{path}: {tag} stands for two contents"
            assert self._again(path, tag) == 304
        stale = {each for _, each in self._known} - {tag}
        assert self._again(path, *stale) == now.status_code, f"{path}: {stale} is old"

    def _again(self, path: str, *tags: str) -> int:
        return self._caller.get(path, headers={"If-None-Match": ", ".join(tags)}).status_code


class Life:
    """What may happen to a document, by name."""

    def __init__(self, service: Api, path: str) -> None:
        self._service = service
        self._desk = service.desk
        self._document = identity(path)
        self._tenant = str(self._desk.document(self._document)["tenant_id"])
        self._holds = PostgresHolds(self._desk.database)
        self._claims: list[Claim] = []
        self._titles = map(str, itertools.count())

    def commit(self) -> None:
        self._end(self._commit)

    def fail(self) -> None:
        self._end(lambda claim: self._desk.ledger.fail(claim, UNREADABLE))

    def shake(self) -> None:
        self._end(lambda claim: self._desk.ledger.fail(claim, SHAKEN))

    def finish(self) -> None:
        self._desk.do("UPDATE task SET due_at = now() WHERE state = 'scheduled'")
        self._desk.dispatch.promote()
        self._claim()
        while self._claims:
            self.commit()

    def retry(self) -> None:
        self._desk.lifecycle.retry(self._tenant, self._document, by="test")

    def cancel(self) -> None:
        self._desk.lifecycle.cancel(self._tenant, self._document, by="test")

    def hold(self) -> None:
        self._holds.hold(self._document, reason="a court", by="test")

    def release(self) -> None:
        self._holds.release(self._document, by="test")

    def pause(self) -> None:
        """The OCR workers all miss something."""
        self._beat("s3")

    def resume(self) -> None:
        self._beat()

    def another(self) -> None:
        self._desk.accept(self._tenant)

    def expire(self) -> None:
        self._desk.expire(self._document)

    def erase(self) -> None:
        self._desk.lifecycle.erase(self._tenant, self._document, by="test")

    def _claim(self) -> None:
        self._claims += self._desk.claims()

    def _end(self, how: Callable[[Claim], None]) -> None:
        self._claim()
        if self._claims:
            with suppress(LostClaim):
                how(self._claims.pop(0))
        self._claim()

    def _commit(self, claim: Claim) -> None:
        product = self._service.product(claim, title=next(self._titles))
        self._desk.ledger.commit(claim, product)

    def _beat(self, *down: str) -> None:
        self._desk.ledger.beat(
            Beat(worker="w", pool=Pool.OCR, slots=1, build="t", languages=[], memory=0, down=down)
        )


WORK: Final = (Life.commit, Life.commit, Life.finish, Life.fail, Life.shake)
WISHES: Final = (Life.retry, Life.retry, Life.cancel, Life.another, Life.hold, Life.release)
TURNS: Final = (Life.pause, Life.resume, Life.expire, Life.erase)


@pytest.mark.slow
@tried(3)
@example(moves=[Life.commit, Life.pause, Life.resume, Life.finish, Life.retry, Life.finish])
@given(moves=st.lists(st.sampled_from(WORK + WISHES + TURNS), min_size=4, max_size=8))
def test_what_is_told_to_be_unchanged_is_so(
    service: Api, moves: list[Callable[[Life], None]]
) -> None:
    caller = emptied(service)
    path = caller.uploaded()
    life, reader = Life(service, path), Reader(caller)
    for move in (Life.resume, *moves):
        move(life)
        for each in (*(path + part for part in OF_A_DOCUMENT), *OF_ALL):
            reader.look(each)

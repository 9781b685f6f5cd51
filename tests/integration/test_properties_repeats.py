"""However often something is asked for again, there is what asking once would have made."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from docmill.adapters.postgres.letters import PostgresLetters, Wanted
from docmill.domain.task import Claim
from docmill.testing.history import check
from tests.stack.api import PDF, UNREADABLE, Api, Caller, emptied
from tests.stack.properties import tried

OUTPUTS: Final = (
    "/original", "/text", "/words", "/hocr", "/pdf", "/thumbnail", "/pages", "/pages/1", "/pages/2",
)  # fmt: skip
SAME: Final = ("state", "name", "size", "sha256", "options", "pages", "failure")
KEYS: Final = ("a", "b")
Answer = tuple[int, Any]


@dataclass
class Office:
    """Somebody who asks for everything again, and workers to whom some pages are unreadable."""

    service: Api
    caller: Caller
    tears: int = 0  # tries at a page that still fail
    given: dict[str, set[str]] = field(default_factory=dict)  # documents by idempotency key
    claims: list[Claim] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.desk = self.service.desk
        self.letters = PostgresLetters(self.desk.database)

    def upload(self, key: str) -> None:
        self._upload(key, self.caller)

    def upload_at_once(self, key: str) -> None:
        """Three times, each by a client of its own."""
        app = self.service.service.app
        with ThreadPoolExecutor(3) as threads:
            twins = [Caller(app.test_client(), self.caller.headers) for _ in range(3)]
            list(threads.map(lambda twin: self._upload(key, twin), twins))

    def work(self, _: str) -> None:
        """End a task, and tell so twice."""
        self._claim()
        if self.claims:
            self._end(self.claims.pop(0))

    def work_off(self, _: str = "") -> None:
        while self._claim():
            self._end(self.claims.pop(0))

    def retry(self, key: str) -> None:
        for path in self.given.get(key, ()):
            self.caller.post(f"{path}/retry")

    def replay(self, _: str) -> None:
        self.letters.replay_all(Wanted(), by="test")
        self._let_time_pass()

    def mend(self) -> None:
        """Ask again until every page of every document could be read."""
        self.tears = 0
        self.work_off()
        for key in self.given:
            self.retry(key)
        self.work_off()

    def outcome(self, key: str) -> dict[str, Answer]:
        """All that is to be read of what was uploaded with the key."""
        (path,) = self.given[key]
        document = self.caller.get(path).get_json()
        parts = {part: self.caller.get(path + part) for part in OUTPUTS}
        return {"": (200, {name: document[name] for name in SAME})} | {
            part: (answer.status_code, answer.data) for part, answer in parts.items()
        }

    def _upload(self, key: str, caller: Caller) -> None:
        headers = {"Idempotency-Key": key}
        answer = caller.upload(PDF + key.encode(), name=f"{key}.pdf", headers=headers)
        self.given.setdefault(key, set()).add(answer.headers["Location"])

    def _claim(self) -> bool:
        """Every hint comes twice."""
        for picked in self.desk.pick():
            self.claims.append(self.desk.claim(picked))
            assert self.desk.ledger.claim(picked.hint, worker="w2", alone=False) is None
        return bool(self.claims)

    def _end(self, claim: Claim) -> None:
        if not self.desk.ledger.live([claim]):  # its document failed, and may run anew
            return
        if claim.page and self.tears:
            self.tears -= 1
            self.desk.ledger.fail(claim, UNREADABLE)
            return
        product = self.service.product(claim, title=claim.name)
        self.desk.ledger.commit(claim, product)
        self.desk.ledger.commit(claim, product)

    def _let_time_pass(self) -> None:
        self.desk.do("UPDATE task SET due_at = now() WHERE state = 'scheduled'")
        self.desk.dispatch.promote()


Ask = Callable[[Office, str], None]
ASKED: Final = (
    Office.upload, Office.upload_at_once, Office.work, Office.work_off, Office.retry, Office.replay,
)  # fmt: skip


@pytest.fixture
def expected(service: Api) -> dict[str, dict[str, Answer]]:
    """What comes of asking once."""
    office = Office(service, emptied(service))
    for key in KEYS:
        office.upload(key)
    office.work_off()
    return {key: office.outcome(key) for key in KEYS}


@pytest.mark.slow
@tried(6)
@example(asked=[(Office.work, "a")] * 3 + [(Office.retry, "a"), (Office.work, "a")], tears=2)
@given(
    asked=st.lists(
        st.tuples(st.sampled_from(ASKED), st.sampled_from(KEYS)), min_size=4, max_size=14
    ),
    tears=st.integers(0, 3),
)
def test_asking_again_makes_what_asking_once_makes(
    service: Api,
    expected: dict[str, dict[str, Answer]],
    database_url: str,
    asked: list[tuple[Ask, str]],
    tears: int,
) -> None:
    office = Office(service, emptied(service), tears)
    for ask, key in [(Office.upload, "a"), *asked]:
        ask(office, key)
    office.mend()
    assert {key: office.outcome(key) for key in office.given} == {
        key: expected[key] for key in office.given
    }
    assert len(office.desk.do("SELECT id FROM document")) == len(office.given)
    assert check(database_url) == []

"""Each guard of the ledger is taken away once, in a copy: the test of it must turn red."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "shared" / "docmill" / "src"
POSTGRES = "docmill/adapters/postgres"


@dataclass(frozen=True)
class Guard:
    """What is taken away, and the test that must notice."""

    name: str
    file: str
    guard: str
    without: str
    noticed_by: str


GUARDS = [
    Guard(
        "the lock of who sums up",
        f"{POSTGRES}/accept.py",
        '    connection.execute(SQL["own_storage"], parameters)\n',
        "",
        "tests/integration/test_ledger_races.py::test_an_upload_waits_for_another_of_its_tenant_before_it_sums_up",
    ),
    Guard(
        "the lock of uploads side by side",
        f"{POSTGRES}/accept.py",
        '[SQL["share_storage"], OPEN]',
        "[OPEN]",
        "tests/integration/test_ledger_races.py::test_an_upload_waits_for_one_that_sums_up",
    ),
    Guard(
        "the fence",
        f"{POSTGRES}/sql/ledger.sql",
        "WHERE id = %(task)s AND token = %(token)s AND state = 'running'\n    RETURNING id",
        "WHERE id = %(task)s\n    RETURNING id",
        "tests/integration/test_ledger.py::test_a_zombies_commit_is_fenced_off",
    ),
    Guard(
        "the last-task lock",
        f"{POSTGRES}/sql/settle.sql",
        "FROM document WHERE id = %(document)s FOR NO KEY UPDATE",
        "FROM document WHERE id = %(document)s",
        "tests/integration/test_ledger_races.py::test_the_last_pages_together_make_exactly_one_assemble",
    ),
    Guard(
        "the lost-hint sweep",
        f"{POSTGRES}/sql/dispatch.sql",
        "     WHERE t.state = 'queued' AND t.pool = ANY(%(pools)s)\n",
        "     WHERE t.state = 'never' AND t.pool = ANY(%(pools)s)\n",
        "tests/integration/test_dispatcher.py::test_a_lost_hint_comes_again",
    ),
    Guard(
        "the confirms",
        "docmill/adapters/rabbitmq/publisher.py",
        "confirmed=accepted and not returned",
        "confirmed=True",
        "tests/integration/test_publisher.py::test_a_returned_hint_is_not_confirmed",
    ),
    Guard(
        "the claim's compare-and-set",
        f"{POSTGRES}/sql/ledger.sql",
        "WHERE id = %(task)s AND dispatch = %(dispatch)s\n"
        "       AND (state = 'queued' OR state = 'running' AND worker = %(worker)s)\n"
        "       AND (NOT",
        "WHERE id = %(task)s\n       AND (NOT",
        "tests/integration/test_ledger.py::test_a_hint_is_claimed_once",
    ),
    Guard(
        "the reaper's second look",
        f"{POSTGRES}/sql/dispatch.sql",
        "AND t.state = 'running' AND t.lease_until < now()\n   FOR NO KEY UPDATE OF t",
        "AND t.state = 'running' FOR NO KEY UPDATE OF t",
        "tests/integration/test_dispatch.py::test_a_renewal_before_the_reaper_saves_the_claim",
    ),
    Guard(
        "the sweep of missed marks",
        f"{POSTGRES}/sql/dispatch.sql",
        "WHERE NOT t.backlogged\n       AND EXISTS",
        "WHERE false\n       AND EXISTS",
        "tests/integration/test_dispatch.py::test_a_mark_that_a_race_lost_is_made_again",
    ),
]


def copied(folder: Path) -> Path:
    copy = folder / "src"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def run(test: str, source: Path) -> int:
    """Run the test with the package from `source`; return pytest's exit code."""
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, test],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(source)},
        capture_output=True,
        check=False,
        timeout=300,
    )
    return done.returncode


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name.replace(" ", "_"))
def test_without_the_guard_its_test_turns_red(
    guard: Guard, tmp_path: Path, postgres_url: str
) -> None:
    copy = copied(tmp_path)
    file = copy / guard.file
    text = file.read_text()
    assert text.count(guard.guard) == 1, "the guard is no longer where this test looks"
    file.write_text(text.replace(guard.guard, guard.without))
    assert run(guard.noticed_by, copy) == pytest.ExitCode.TESTS_FAILED


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("test", sorted({guard.noticed_by for guard in GUARDS}))
def test_with_every_guard_each_of_them_is_green(
    test: str, tmp_path: Path, postgres_url: str
) -> None:
    assert run(test, copied(tmp_path)) == pytest.ExitCode.OK

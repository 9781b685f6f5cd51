import threading
from datetime import timedelta
from typing import Any

import pytest

from docmill.ops.health import Check, Examination, Probe, Pulse, Status, Unwell, status

SOON = timedelta(seconds=0.2)


def well() -> dict[str, Any]:
    return {"version": 15}


def ill() -> None:
    raise Unwell("three jobs are late", late=3)


def broken() -> None:
    raise ConnectionError("refused\nat length")


def named(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def test_a_probe_that_answers_is_ok_and_shows_its_facts() -> None:
    (check,) = Examination([Probe(name="database", ask=well)])()
    assert check.as_json() == {"ok": True, "critical": True, "version": 15}


def test_an_unwell_subject_gives_its_reason_and_facts() -> None:
    (check,) = Examination([Probe(name="jobs", ask=ill, critical=False)])()
    assert check.as_json() == {
        "ok": False,
        "critical": False,
        "detail": "three jobs are late",
        "late": 3,
    }


def test_any_error_fails_the_check_with_one_line() -> None:
    (check,) = Examination([Probe(name="store", ask=broken)])()
    assert not check.ok
    assert check.detail == "ConnectionError: refused"


def test_a_hung_probe_fails_in_time_and_is_not_asked_again_meanwhile() -> None:
    asked, release = [], threading.Event()

    def hang() -> None:
        asked.append(1)
        release.wait(10)

    examination = Examination([Probe(name="slow", ask=hang), Probe(name="ok", ask=well)], SOON)
    for _ in range(3):
        checks = named(examination())
        assert not checks["slow"].ok
        assert "0.2 s" in checks["slow"].detail
        assert checks["ok"].ok
    assert len(asked) == 1
    release.set()


def test_a_probe_that_hung_recovers() -> None:
    release = threading.Event()
    examination = Examination([Probe(name="slow", ask=lambda: {"waited": release.wait(10)})], SOON)
    assert not examination()[0].ok
    release.set()
    assert any(examination()[0].ok for _ in range(100))


@pytest.mark.parametrize("way", ["raises", "hangs"])
def test_a_patient_probe_is_ill_only_after_a_while(way: str) -> None:
    now, down, release = [0.0], threading.Event(), threading.Event()

    def ask() -> dict[str, Any]:
        if down.is_set() and way == "raises":
            raise ConnectionError("refused")
        return {"waited": down.is_set() and release.wait(10)}

    probe = Probe(name="database", ask=ask, patience=timedelta(seconds=30))
    examination = Examination([probe], SOON, lambda: now[0])
    now[0] = 10
    assert examination()[0].facts == {"waited": False}
    down.set()
    now[0] = 39
    (check,) = examination()
    assert (check.ok, check.facts) == (True, {"silent_seconds": 29})
    assert check.detail
    now[0] = 40
    assert not examination()[0].ok
    release.set()


def test_only_a_critical_failure_makes_a_service_unready() -> None:
    def check(*, ok: bool, critical: bool) -> Check:
        return Check(name="x", ok=ok, critical=critical)

    assert status([]) is Status.READY
    assert status([check(ok=True, critical=True)]) is Status.READY
    assert status([check(ok=False, critical=False)]) is Status.DEGRADED
    assert status([check(ok=False, critical=False), check(ok=False, critical=True)]) is (
        Status.UNREADY
    )


def test_a_pulse_tells_when_its_loop_is_stuck() -> None:
    pulse = Pulse("loop", timedelta(seconds=60))
    assert Examination([pulse.probe])()[0].ok
    stuck = Pulse("loop", timedelta(seconds=-1))
    (check,) = Examination([stuck.probe])()
    assert "no progress" in check.detail

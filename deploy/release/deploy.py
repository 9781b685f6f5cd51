"""Deploys a release: checks, upgrade with automatic rollback, a real document, a watch."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Final

from deploy.release.cluster import Release
from deploy.release.preflight import Plan, check, helm_version
from deploy.release.steps import FAILURES, back, ending, options, prove, say

CHART: Final = Path(__file__).resolve().parents[2] / "k8s" / "docmill"
_HELM_4: Final = (4, 0)


def parser() -> ArgumentParser:
    made = options(main.__doc__ or "")
    made.add_argument("--chart", default=str(CHART))
    made.add_argument("--values", "-f", action="append", default=[], help="values file")
    made.add_argument("--set", action="append", default=[], help="a single value: name=value")
    made.add_argument("--backlog-seconds", type=float, default=300, help="age of work let pass")
    return made


def main() -> None:
    """Deploy; what fails after the upgrade is rolled back to the revision before."""
    asked = parser().parse_args()
    release = Release(asked.release, asked.namespace)
    given = [part for file in asked.values for part in ("--values", file)]
    given += [part for value in asked.set for part in ("--set", value)]
    plan = Plan(release, asked.chart, tuple(given), asked.backlog_seconds)
    say("checks")
    check(plan)
    before = release.revision()
    _upgrade(plan, asked.timeout, dry=asked.dry_run)
    if asked.dry_run:
        say("nothing was changed")
        return
    try:
        prove(release, asked)
    except FAILURES:
        if before is not None:
            back(release, before, asked.timeout)
        raise
    say(f"revision {release.revision()} serves")


def _upgrade(plan: Plan, timeout: str, *, dry: bool) -> None:
    name = plan.release.name
    command = ["upgrade", name, plan.chart, "--install", "--create-namespace", *plan.arguments]
    if dry:
        say("what would be made")
        print(plan.release.helm(*command, "--dry-run=server"))
        return
    say(f"upgrading {name}; what fails is rolled back by helm")
    undo = "--rollback-on-failure" if helm_version() >= _HELM_4 else "--atomic"
    plan.release.helm(*command, undo, "--wait", "--timeout", timeout)


if __name__ == "__main__":
    ending(main)

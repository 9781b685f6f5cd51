"""The steps that deploying and rolling back share."""

import argparse
import sys
from collections.abc import Callable
from typing import Final

from deploy.release.cluster import CommandFailed, Release
from deploy.release.preflight import NotFit
from deploy.release.watch import Unwell, Watch

FAILURES: Final = (CommandFailed, NotFit, Unwell)


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


def options(about: str) -> argparse.ArgumentParser:
    """Make the parser of what both take."""
    made = argparse.ArgumentParser(description=about)
    made.add_argument("--release", default="docmill")
    made.add_argument("--namespace", "-n", default="docmill")
    made.add_argument("--dry-run", action="store_true", help="check and show, change nothing")
    made.add_argument("--timeout", default="10m", help="for pods to become ready")
    made.add_argument("--watch", type=float, default=600, help="seconds to watch afterwards")
    made.add_argument("--most-errors", type=float, default=0.05, help="share of 5xx let pass")
    made.add_argument("--no-smoke-test", action="store_true", help="send no document through")
    return made


def prove(release: Release, asked: argparse.Namespace) -> None:
    """Send a document through and watch; raise Unwell or CommandFailed."""
    if not asked.no_smoke_test:
        say("a real page through every service")
        release.helm("test", release.name, "--timeout", "5m")
        print("  ok  its text came back")
    say(f"watching for {asked.watch:.0f} s")
    Watch(release, asked.most_errors)(asked.watch)


def back(release: Release, revision: int, timeout: str) -> None:
    """Go back to a revision and wait until it serves."""
    say(f"rolling back to revision {revision}")
    release.helm("rollback", release.name, str(revision), "--wait", "--timeout", timeout)


def ending(main: Callable[[], None]) -> None:
    """Run it; exit 1 with the reason when it fails."""
    try:
        main()
    except FAILURES as error:
        print(f"FAILED: {error}", file=sys.stderr)
        sys.exit(1)

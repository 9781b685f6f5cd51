"""Rolls a release back: to the revision before, or to one that is named."""

from argparse import ArgumentParser

from deploy.release.cluster import Release
from deploy.release.preflight import NotFit
from deploy.release.steps import back, ending, options, prove, say


def parser() -> ArgumentParser:
    made = options(main.__doc__ or "")
    made.add_argument("revision", type=int, nargs="?", help="the one before, when not given")
    return made


def main() -> None:
    """Roll back, send a real document through and watch."""
    asked = parser().parse_args()
    release = Release(asked.release, asked.namespace)
    target = _target(release, asked.revision)
    if asked.dry_run:
        say(f"would roll back to revision {target}; nothing was changed")
        return
    back(release, target, asked.timeout)
    prove(release, asked)
    say(f"revision {target} serves again as {release.revision()}")


def _target(release: Release, wanted: int | None) -> int:
    """Choose the revision; raise NotFit unless it once was deployed."""
    now = release.revision()
    good = [
        int(each["revision"])
        for each in release.history()
        if each["status"] == "superseded" and int(each["revision"]) != now
    ]
    if not good:
        raise NotFit("there is no revision to go back to")
    if wanted is None:
        return good[-1]
    if wanted not in good:
        raise NotFit(f"revision {wanted} never served; there are {', '.join(map(str, good))}")
    return wanted


if __name__ == "__main__":
    ending(main)

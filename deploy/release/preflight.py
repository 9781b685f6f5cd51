"""What must hold before a release is touched; each check says what is wrong and what to do."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from deploy.release.cluster import CommandFailed, Release, run

OLDEST_KUBERNETES: Final = (1, 20)
OLDEST_HELM: Final = (3, 17)
_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)")


class NotFit(Exception):
    """A check failed; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be deployed."""

    release: Release
    chart: str
    arguments: tuple[str, ...]  # for helm: --values, --set
    backlog_seconds: float


def helm_version() -> tuple[int, int]:
    return _numbers(run("helm", "version", "--template", "{{.Version}}"))


def _helm(_: Plan) -> str:
    found = helm_version()
    if found < OLDEST_HELM:
        raise NotFit(f"helm {found} is too old: install 3.17 or newer")
    return "helm {}.{}".format(*found)


def _cluster(_: Plan) -> str:
    server = json.loads(run("kubectl", "version", "--output", "json"))["serverVersion"]
    found = _numbers(server["gitVersion"])
    if found < OLDEST_KUBERNETES:
        raise NotFit(f"Kubernetes {server['gitVersion']} is too old: 1.20 or newer is needed")
    return f"Kubernetes {server['gitVersion']}"


def _rights(plan: Plan) -> str:
    for verb, kind in (("create", "deployments"), ("create", "jobs"), ("get", "pods/proxy")):
        if plan.release.kubectl("auth", "can-i", verb, kind).strip() != "yes":
            raise NotFit(f"you may not {verb} {kind} in {plan.release.namespace}")
    return "the rights it takes"


def _chart(plan: Plan) -> str:
    plan.release.helm("lint", plan.chart, "--strict", *plan.arguments)
    return "the chart with these values"


def _nothing_pending(plan: Plan) -> str:
    history = plan.release.history()
    last = history[-1]["status"] if history else "not installed"
    if last.startswith("pending"):
        raise NotFit(f"the last operation is {last}: wait for it, or roll it back")
    return f"release is {last}"


def _secrets(plan: Plan) -> str:
    """Each Secret that pods need and the chart does not bring is there with its keys."""
    made = plan.release.helm("template", plan.release.name, plan.chart, *plan.arguments)
    needed = _needed(made)
    for secret, keys in needed.items():
        try:
            told = plan.release.kubectl("get", "secret", secret, "--output", "json")
        except CommandFailed as error:
            raise NotFit(f"there is no Secret {secret} in {plan.release.namespace}") from error
        if missing := keys - json.loads(told).get("data", {}).keys():
            raise NotFit(f"the Secret {secret} lacks {', '.join(sorted(missing))}")
    return f"secrets: {', '.join(needed) or 'all in the chart'}"


def _needed(manifests: str) -> dict[str, set[str]]:
    brought = set(re.findall(r"kind: Secret\nmetadata:\n  name: (\S+)", manifests))
    needed: dict[str, set[str]] = {}
    for name, key in re.findall(r"secretKeyRef: {name: (\S+), key: (\S+?)}", manifests):
        if name not in brought:
            needed.setdefault(name, set()).add(key)
    return needed


def _well(plan: Plan) -> str:
    """No pod of what runs now is unready or degraded: the broker blocked, a store gone."""
    pods = [pod for pod in plan.release.pods() if not pod.leaving]
    for pod in pods:
        if not pod.ready:
            raise NotFit(f"{pod.name} is not ready: mend what runs before you replace it")
        said: dict[str, Any] = json.loads(plan.release.ask(pod, "readyz"))
        if said["status"] != "ready":
            ill = [name for name, check in said["checks"].items() if not check["ok"]]
            raise NotFit(f"{pod.name} is {said['status']}: {', '.join(ill)}")
    return f"{len(pods)} pods are ready"


def _backlog(plan: Plan) -> str:
    oldest = max(_oldest(plan.release), default=0.0)
    if oldest > plan.backlog_seconds:
        raise NotFit(
            f"the oldest ready task waits {oldest:.0f} s: let the backlog drain, or allow more "
            "with --backlog-seconds"
        )
    return f"the oldest ready task waits {oldest:.0f} s"


def _oldest(release: Release) -> Iterator[float]:
    dispatchers = [pod for pod in release.pods() if pod.service == "dispatcher" and not pod.leaving]
    for pod in dispatchers:
        for series, value in release.samples(pod).items():
            if series.startswith("docmill_queue_oldest_seconds") and 'state="ready"' in series:
                yield value


CHECKS: Final[tuple[Callable[[Plan], str], ...]] = (
    _helm,
    _cluster,
    _rights,
    _chart,
    _nothing_pending,
    _secrets,
    _well,
    _backlog,
)


def check(plan: Plan) -> None:
    """Run every check and print it; raise NotFit at the first that fails."""
    for each in CHECKS:
        print(f"  ok  {each(plan)}")


def _numbers(text: str) -> tuple[int, int]:
    match = _VERSION.match(text)
    if not match:
        raise NotFit(f"{text!r} is no version")
    return int(match[1]), int(match[2])
